"""The commands: one library call each, and every failure as one line.

Heavy imports stay inside the bodies, so that `--help` answers at once. Nothing imports this module.
"""

from __future__ import annotations

import errno
import io
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import click

from ..clips import OK, person_of
from ..errors import DataError, FileError, MertoolError, UsageError
from ..text import os_error_text
from .options import PATH, jobs_option, network_options, quiet_option, setting_option, texture_options

__all__ = ["main"]


class _Failure(click.ClickException):
    """A MertoolError as click shows it: one line on stderr and its exit code."""

    def __init__(self, error: MertoolError) -> None:
        super().__init__(str(error))
        self.exit_code = error.exit_code  # type: ignore[misc]


class _Commands(click.Group):
    """Commands in the order of the work; a MertoolError becomes its line and its exit code."""

    def main(self, *args: Any, **extra: Any) -> Any:
        """Run a command line; names that the terminal cannot print are escaped, which is no reason to fail."""
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="backslashreplace")
        return super().main(*args, **extra)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Names in the order they were defined."""
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except MertoolError as error:
            raise _Failure(error) from error
        except MemoryError as error:
            raise _Failure(DataError("not enough memory on this machine; try fewer --jobs")) from error
        except OSError as error:
            if error.errno == errno.EPIPE:
                raise  # a reader such as head has gone: click ends quietly
            raise _Failure(FileError(f"{error.filename or 'mertool'}: {os_error_text(error)}")) from error


def _print_version(ctx: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if not value or ctx.resilient_parsing:
        return
    import platform

    from .. import __version__

    click.echo(f"mertool {__version__}, Python {platform.python_version()}", nl=False)
    for name, module in (("torch", "torch"), ("OpenCV", "cv2"), ("dlib", "dlib")):
        click.echo(f", {name} {_version_of(module)}", nl=False)
    click.echo()
    ctx.exit()


def _version_of(module: str) -> str:
    import importlib

    try:
        return str(importlib.import_module(module).__version__)
    except ImportError as error:
        return f"missing ({error})"


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_print_version,
    help="Show versions and exit.",
)
def main() -> None:
    """Micro-expression recognition: from a folder of recordings to an honest, cross-validated table.

    \b
    Example:
      mertool extract SAMM/
      mertool cv --roi --frames 3 --abn
      mertool report
    """


@contextmanager
def _progress(label: str, quiet: bool) -> Iterator[Callable[[int, int], None]]:
    """A bar with the time left on stderr; silent with --quiet or where stderr is no terminal."""
    if quiet or not sys.stderr.isatty():
        yield lambda _done, _total: None
        return
    with click.progressbar(length=1, label=label, file=sys.stderr, show_eta=True, show_pos=True) as bar:

        def advance(done: int, total: int) -> None:
            bar.length = total
            bar.update(done - bar.pos)

        yield advance


def _remark(text: str, quiet: bool) -> None:
    if not quiet:
        click.echo(f"mertool: {text}", err=True)


def _print_layout(ctx: click.Context, _parameter: click.Parameter, value: str | None) -> None:
    if value is None or ctx.resilient_parsing:
        return
    from ..datasets import describe_layout

    click.echo(describe_layout(value))
    ctx.exit()


@main.command()
@click.argument("source", type=PATH)
@click.option(
    "--layout",
    metavar="NAME",
    expose_value=False,
    is_eager=True,
    callback=_print_layout,
    help="Show the folders and table columns that a data set's reader looks for, and exit.",
)
@click.option(
    "-o", "--output", type=PATH, help="Pack to write.  [default: SOURCE's name (and --jitter), in this folder]"
)
@click.option(
    "--dataset",
    metavar="NAME",
    help="Data set, where its folder could be several, or a part of one: samm, samm-lv, casme2, smic(-hs, -vis, -nir), "
    "smic-e(-hs, -vis, -nir), ckplus, mmew(-macro), casme, casme-squared(-macro), casme3, 4dme, manifest.",
)
@click.option("--verify", is_flag=True, help="Compare the folder with what the data set should hold; extract nothing.")
@click.option("--json", "as_json", is_flag=True, help="With --verify: print JSON.")
@click.option("--landmarks", type=PATH, help="dlib's 68-point model (else MERTOOL_LANDMARKS and the usual places).")
@click.option(
    "--size", type=click.IntRange(64, 2048), default=256, show_default=True, help="Side of the crop in pixels."
)
@click.option(
    "--align",
    type=click.Choice(["stabilised", "clip", "frame"]),
    show_default="stabilised; clip with --aligned",
    help="The onset's landmarks, with the head's motion taken out of each further frame; one alignment per clip; or "
    "each frame by its own landmarks (which jitter more than a micro-expression moves).",
)
@click.option("--aligned", is_flag=True, help="The pictures are aligned faces already: take them as they are, resized.")
@click.option("--sequence", type=click.IntRange(2, 1000), help="Also store this many frames from onset to offset.")
@click.option(
    "--apex",
    type=click.Choice(["table", "middle", "difference"]),
    default="table",
    show_default=True,
    help="Apex as annotated (the middle of onset..offset where it is not), always the middle, or the frame that has "
    "moved most against the onset.",
)
@click.option(
    "--jitter",
    metavar="FRAMES",
    type=click.IntRange(0, 1000),
    default=0,
    show_default=True,
    help="Then move onset and apex of every clip at random by up to this many frames: does cv's result hang on them?",
)
@click.option("--jitter-seed", type=click.IntRange(0), help="Other seeds move them otherwise.  [default: 0]")
@click.option("--sheet", type=PATH, help="Draw every clip with landmarks and regions to this .png.")
@click.option("--overwrite", is_flag=True, help="Extract again even if nothing has changed.")
@click.option("--strict", is_flag=True, help="Exit with 1 if any clip is left out.")
@jobs_option("Clips")
@quiet_option
def extract(
    source: Path,
    output: Path | None,
    dataset: str | None,
    verify: bool,
    as_json: bool,
    landmarks: Path | None,
    size: int,
    align: str | None,
    aligned: bool,
    sequence: int | None,
    apex: str,
    jitter: int,
    jitter_seed: int | None,
    sheet: Path | None,
    overwrite: bool,
    strict: bool,
    jobs: int | None,
    quiet: bool,
) -> None:
    """Turn a folder of recordings into a pack of aligned key frames.

    SOURCE is the folder of a data set (SAMM, SAMM Long Videos, CASME, CASME II, CAS(ME)^2, CAS(ME)^3, SMIC, SMIC-E,
    CK+, MMEW, 4DME) or a .csv manifest. Writes NAME.npz and NAME.clips.csv, which has a row with a status for every
    clip of the annotation. Frames and landmarks are found again only if something changed.

    \b
    Example:
      mertool extract SAMM/ --sheet SAMM.png
      mertool extract --layout casme2
    """
    from ..datasets import read_clips

    if verify:
        if output or sheet or sequence or overwrite or apex != "table" or jitter:
            raise UsageError(
                "--verify: extracts nothing; leave out -o, --sheet, --sequence, --apex, --jitter and --overwrite"
            )
        _verify(source, dataset, as_json)
        return
    if as_json:
        raise UsageError("--json: goes with --verify")
    if jitter_seed is not None and not jitter:
        raise UsageError("--jitter-seed: goes with --jitter FRAMES")
    _check_png(sheet)
    model = None
    if aligned:
        if landmarks is not None:
            raise UsageError("--landmarks: --aligned takes pictures as they are and looks for no landmarks")
        if align == "frame":
            raise UsageError("--align frame: aligns by landmarks, which --aligned does not look for")
    else:
        from ..extraction.faces import FaceFinder, find_landmark_model

        model = find_landmark_model(landmarks)
        FaceFinder(model)  # a wrong file is refused before any work
    annotations = read_clips(source, dataset=dataset, apex=apex)
    for note in annotations.notes:
        _remark(note, quiet)

    from ..datasets.annotations import BY_APEX
    from ..datasets.key_frames import BY_JITTER, jitter_remark
    from ..extraction.extract import extract as run
    from ..workers import available_cores

    given = source if source.name not in ("", "..") else source.resolve()  # the name as given, also that of a link
    jittered = f"-jitter{jitter}" + (f"-seed{jitter_seed}" if jitter_seed else "") if jitter else ""
    target = output or Path(f"{given.name if source.is_dir() else given.stem}{jittered}.npz")
    if target.suffix != ".npz":
        raise UsageError(f"-o: a pack's name ends in .npz, got {target.name!r}")
    with _progress("extract", quiet) as progress:
        done = run(
            annotations,
            target,
            size=size,
            align=align,
            aligned=aligned,
            sequence=sequence or 0,
            apex=apex,
            jitter=jitter,
            jitter_seed=jitter_seed or 0,
            landmarks=model,
            jobs=jobs or available_cores(),
            overwrite=overwrite,
            progress=progress,
        )
    for row in done.rows:
        # What --apex and --jitter chose is no news of a single clip.
        parts = row["detail"].split("; ")
        if row["status"] == OK:
            parts = [part for part in parts if BY_APEX not in part and BY_JITTER not in part]
        if any(parts):
            _remark(f"{row['subject']}/{row['clip']}: {row['status']}: {'; '.join(parts)}", quiet)
    if apex != "table":
        _remark(f"--apex {apex}: the apex of each clip stands in {target.with_suffix('.clips.csv')}", quiet)
    if jitter:
        said = jitter_remark(done.rows, jitter, jitter_seed or 0)
        _remark(f"{said}; each clip's moves stand in {target.with_suffix('.clips.csv')}", quiet)
    state = "" if done.fresh else " (unchanged, nothing to do; --overwrite makes it again)"
    people = len(set(map(person_of, done.pack.dataset, done.pack.subject)))
    _remark(f"{target}: {len(done.pack.ids)} of {len(done.rows)} clips, {people} subjects{state}", quiet)
    if sheet is not None:
        from ..report.drawing import contact_sheet

        for path in contact_sheet(done.pack, sheet):
            _remark(f"contact sheet: {path}", quiet)
    if done.failed:
        click.echo(
            f"mertool: {done.failed} of {len(done.rows)} clips left out; see {target.with_suffix('.clips.csv')}",
            err=True,
        )
        if strict:
            raise SystemExit(1)


def _verify(source: Path, dataset: str | None, as_json: bool) -> None:
    from ..datasets.verify import verify

    found = verify(source, dataset)
    if as_json:
        import json

        click.echo(json.dumps(found.as_dict(), indent=1, ensure_ascii=False))
    else:
        click.echo("\n".join(found.lines()))
    if not found.complete:
        raise SystemExit(1)


def _check_png(path: Path | None) -> None:
    if path is not None and path.suffix.lower() != ".png":
        raise UsageError(f"{path}: a picture's name ends in .png")


@main.command()
@click.argument("packs", nargs=-1, type=PATH)
@click.option("-o", "--output", "run", type=PATH, help="Run folder.  [default: runs/train-<packs>-<short settings>]")
@click.option("--resume", is_flag=True, help="Continue the run, with its own settings.")
@network_options
@quiet_option
def train(
    packs: tuple[Path, ...], run: Path | None, resume: bool, quiet: bool, init: Path | None, **given: Any
) -> None:
    """Train one network on all clips of the packs, to predict with or to fine-tune from.

    \b
    Example:
      mertool train CKplus.npz --roi --abn -o ckplus
      mertool cv SAMM.npz --roi --abn --init ckplus
    """
    from ..runs.execute import how_trained, train_run
    from ..runs.start import begin

    folder, config = begin("train", packs, run, given, partial(_remark, quiet=quiet), resume=resume, init=init)
    with _progress("train", quiet) as progress:
        train_run(folder, config, progress)
    _remark(f"{folder}: {how_trained(folder, config)}", quiet)


@main.command()
@click.argument("packs", nargs=-1, type=PATH)
@click.option("-o", "--output", "run", type=PATH, help="Run folder.  [default: runs/<packs>-<short settings>]")
@setting_option(
    "protocol",
    "stratified: subjects may be on both sides (the paper's). group: whole subjects. loso: leave one subject out.",
    type=click.Choice(["stratified", "group", "loso", "leave-dataset-out"]),
)
@click.option("--folds-file", type=PATH, help="Own folds: a run's folds.json, or a csv with the columns clip and fold.")
@setting_option("folds", "Number of folds.")
@setting_option("split_seed", "Seed of the folds; runs of other --seed share them.")
@setting_option("repeats", "Runs with the seeds --seed, --seed + 1, ..., for the spread that chance alone makes.")
@setting_option("new_splits", "Repeats have other folds as well.")
@click.option("--fold", "chosen", type=click.IntRange(0), multiple=True, help="Only this fold, e.g. in an array job.")
@click.option("--repeat", "chosen_repeats", type=click.IntRange(0), multiple=True, help="Only this repeat, from 0.")
@click.option("--resume", is_flag=True, help="Continue the run, with its own settings.")
@click.option(
    "--plan", is_flag=True, help="Only write the folds, and print a command a fold, for array jobs or GNU parallel."
)
@click.option("--show-input", type=PATH, help="Only draw what the network would see to this .png.")
@click.option(
    "--fuse",
    "fusing",
    is_flag=True,
    help="Join finished runs of the same folds, clip by clip: mertool cv --fuse RUN RUN... The mean of their "
    "probabilities decides.",
)
@setting_option(
    "fuse_weights",
    "Weights of the runs: equal, or fitted on their inner predictions.",
    type=click.Choice(["equal", "fitted"]),
)
@jobs_option("Folds")
@network_options
@texture_options
@quiet_option
def cv(
    packs: tuple[Path, ...],
    run: Path | None,
    chosen: tuple[int, ...],
    chosen_repeats: tuple[int, ...],
    folds_file: Path | None,
    resume: bool,
    plan: bool,
    show_input: Path | None,
    fusing: bool,
    jobs: int | None,
    quiet: bool,
    init: Path | None,
    **given: Any,
) -> None:
    """Cross-validate: train and test one network a fold, and write a run folder.

    PACKS are files of 'mertool extract'; without any, the only pack of this folder. A killed run is continued by the
    same command with --resume, to the same result. --method takes texture features and a linear classifier instead
    of the network, --fuse the predictions of finished runs.

    \b
    Example:
      mertool cv SAMM.npz --roi --frames 3 --abn
      mertool cv SAMM.npz --roi --method lbp-top
      mertool cv --fuse runs/SAMM-roi-3f-abn runs/SAMM-roi-lbp-top
      mertool cv SAMM.npz CASME2.npz SMIC.npz --classes megc3 --protocol loso
      mertool cv SAMM.npz --protocol loso --plan | parallel -j 4
    """
    _check_png(show_input)
    if show_input is not None and not fusing:
        _draw_input(packs, show_input, quiet, given)
        return
    from ..report import load_run, render_text
    from ..runs.execute import cross_validate, is_complete
    from ..runs.start import begin, begin_repeats
    from ..workers import available_cores

    if fusing:
        others: dict[str, object] = {
            "--fold": chosen,
            "--repeat": chosen_repeats,
            "--folds-file": folds_file,
            "--init": init,
        }
        others |= {"--plan": plan, "--jobs": jobs, "--show-input": show_input}
        _fuse(packs, run, given, [name for name, said in others.items() if said], resume, quiet)
        return
    if plan and (chosen or chosen_repeats or jobs):
        raise UsageError("--plan: trains nothing; leave out --fold, --repeat and --jobs")
    said: list[str] = []

    def remark(text: str) -> None:
        said.append(text)
        _remark(text, quiet)

    folder, config = begin(
        "cv",
        packs,
        run,
        given,
        remark,
        resume=resume,
        init=init,
        folds=chosen,
        repeats=chosen_repeats,
        folds_file=folds_file,
    )
    repeats = begin_repeats(folder, config, partial(_remark, quiet=quiet), tuple(said))
    if plan:
        import shlex

        for number, (_, repeat) in enumerate(repeats):
            which = ["--repeat", str(number)] if len(repeats) > 1 else []
            for fold in range(repeat.settings.folds):
                click.echo(shlex.join(["mertool", "cv", "-o", str(folder), "--resume", *which, "--fold", str(fold)]))
        return
    wanted = [repeats[number] for number in dict.fromkeys(chosen_repeats)] or repeats
    at_once = jobs or max(1, min(available_cores() // config.settings.threads, config.settings.folds * len(wanted)))
    with _progress("cv", quiet) as progress:
        cross_validate(wanted, chosen or None, at_once, progress)
    if all(is_complete(*repeat) for repeat in repeats):
        click.echo(render_text([load_run(folder)]).rstrip("\n"))
    else:
        done = [("repeat", chosen_repeats), ("fold", chosen)]
        what = ", ".join(f"{name} {', '.join(map(str, numbers))}" for name, numbers in done if numbers)
        _remark(f"{folder}: {what} done; others are still to do", quiet)


def _fuse(
    runs: tuple[Path, ...], output: Path | None, given: dict[str, Any], unfit: Sequence[str], resume: bool, quiet: bool
) -> None:
    from ..report import load_run, render_text
    from ..runs.execute import cross_validate
    from ..runs.methods import method_named
    from ..runs.methods.fusion import begin_fusion, default_fusion
    from ..runs.methods.options import check_given

    if unfit:
        raise UsageError(f"{', '.join(unfit)}: --fuse trains nothing; leave it out")
    said = {name: value for name, value in given.items() if value is not None}
    check_given(method_named("fusion"), said)
    weights = said.get("fuse_weights", "equal")
    folder = output or default_fusion(runs, weights)
    config, remarks = begin_fusion(runs, folder, weights, join=resume)
    for text in remarks:
        _remark(text, quiet)
    with _progress("fuse", quiet) as progress:
        cross_validate([(folder, config)], None, 1, progress)
    click.echo(render_text([load_run(folder)]).rstrip("\n"))


def _draw_input(packs: tuple[Path, ...], path: Path, quiet: bool, given: dict[str, Any]) -> None:
    from ..network.inputs import load_samples
    from ..pack import load_pack
    from ..report.drawing import input_sheet
    from ..runs.config import class_set_of
    from ..runs.methods import method_of
    from ..runs.start import choose_packs, settings_of

    opened = [load_pack(pack) for pack in choose_packs(packs, partial(_remark, quiet=quiet))]
    settings = settings_of(given, opened)
    if not method_of(settings).has_network:
        raise UsageError(f"--show-input: draws what a network sees; leave out --method {settings.method}")
    input_sheet(load_samples(opened, class_set_of(opened, settings), settings), settings, path)
    _remark(f"network input: {path}", quiet)


@main.command()
@click.argument("run", type=PATH)
@click.argument("pack", type=PATH)
@click.option("-o", "--output", type=PATH, help="CSV to write.  [default: standard output]")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda", "mps"]), default="auto", show_default=True)
@quiet_option
def predict(run: Path, pack: Path, output: Path | None, device: str, quiet: bool) -> None:
    """Predict the emotion of every clip of a pack with what the folds of a run trained, averaged.

    \b
    Example:
      mertool predict runs/SAMM-roi-3f-abn mine.npz > mine.csv
    """
    from ..files import write_text
    from ..network.training import choose_device
    from ..pack import load_pack
    from ..runs.predict import predict_pack

    predictions, remarks = predict_pack(run, load_pack(pack), choose_device(device))
    for remark in remarks:
        _remark(remark, quiet)
    if output is None:
        click.echo(predictions.to_csv(), nl=False)
    else:
        write_text(output, predictions.to_csv())


@main.command()
@click.argument("runs", nargs=-1, type=PATH)
@click.option(
    "--format",
    "style",
    type=click.Choice(["text", "md", "latex", "csv", "json", "html", "megc"]),
    default="text",
    show_default=True,
    help="latex: booktabs; csv: a line a run; html: one file with charts, pictures and audit; megc: the log of "
    "MEGC2019, of one run.",
)
@click.option("-o", "--output", type=PATH, help="Folder for the report.  [default: standard output]")
@click.option(
    "--no-faces",
    is_flag=True,
    help="With html: no pictures of the recordings (the licences of SAMM, CASME II and others restrict publishing "
    "their faces); attention is drawn over a line drawing.",
)
@click.option(
    "--layout",
    type=click.Choice(["paper"]),
    help="paper: the paper's Tables 5 and 6, filled with these runs, beside the paper's own figures.",
)
@click.option("--command", "command_line", is_flag=True, help="Print the command that makes each run again.")
@click.option("--audit", is_flag=True, help="Check runs for leaks and for changes since; exit with 1 if a check fails.")
@click.option("--maps", type=PATH, help="Also draw the attention maps of one run to this .png (needs its pack).")
@quiet_option
def report(
    runs: tuple[Path, ...],
    style: str,
    output: Path | None,
    no_faces: bool,
    layout: str | None,
    command_line: bool,
    audit: bool,
    maps: Path | None,
    quiet: bool,
) -> None:
    """Print results of finished runs: accuracies with intervals, baselines, confusion, and what they are worth.

    RUNS are folders of 'mertool cv'; without any, the newest one below ./runs.

    \b
    Example:
      mertool report runs/* --format md > results.md
      mertool report runs/* --format html -o report
      mertool report runs/* --layout paper
      mertool report --audit runs/SAMM-roi-3f-abn
    """
    given = {
        "--command": command_line,
        "--audit": audit,
        "--layout": layout is not None,
        "--maps": maps is not None,
        "--no-faces": no_faces,
        "-o": output is not None,
        f"--format {style}": style != "text",
    }

    def alone(option: str, does: str, *beside: str) -> None:
        unfit = [other for other, there in given.items() if there and other not in (option, *beside)]
        if given[option] and unfit:
            raise UsageError(f"{option}: {does}; leave out {', '.join(unfit)}")

    alone("--command", "prints a command and nothing else")
    alone("--audit", "prints text or json and nothing else", "--format json")
    formats = [f"--format {name}" for name in ("text", "md", "latex", "csv", "json", "html")]
    alone("--layout", "prints tables", "-o", "--no-faces", *formats)
    if no_faces and style != "html":
        raise UsageError("--no-faces: goes with --format html")
    for option, wanted in (("--maps", maps is not None), ("--format megc", style == "megc")):
        if wanted and len(runs) > 1:
            raise UsageError(f"{option}: takes one run, got {len(runs)}")
    _check_png(maps)
    folders = list(runs)
    if not folders:
        from ..report import find_newest_run

        folders = [find_newest_run(Path())]
        _remark(f"report of {folders[0]}", quiet)
    if command_line:
        _print_commands(folders, quiet)
    elif audit:
        _audit(folders, style, quiet)
    else:
        _report(folders, style, output, layout, not no_faces, maps, quiet)


def _report(
    folders: list[Path],
    style: str,
    output: Path | None,
    layout: str | None,
    faces: bool,
    maps: Path | None,
    quiet: bool,
) -> None:
    from ..files import check_writable, make_folder, write_text
    from ..report.build import compose, file_name, load_runs, paper_remarks

    path = None if output is None else output / file_name(style, layout)
    if path is not None:
        make_folder(path.parent)
    for target in (path, maps):
        if target is not None:
            check_writable(target)
    loaded, failures = load_runs(folders, partial(_remark, quiet=quiet))
    _print_failures(failures)
    if not loaded:
        raise SystemExit(1)
    for text in paper_remarks(loaded, style) if layout else []:
        _remark(text, quiet)
    with _progress("report", quiet or style != "html") as progress:
        text = compose(loaded, style, layout, faces, progress)
    if path is None:
        if style == "json" and not _prints(text):  # escapes that a reader of JSON understands
            import json

            text = json.dumps(json.loads(text), indent=1)
        click.echo(text.rstrip("\n"))
    else:
        write_text(path, text)
        _remark(f"report: {path}", quiet)
    if maps is not None:
        from ..report.figures import draw_attention

        draw_attention(folders[0], maps)
        _remark(f"attention maps: {maps}", quiet)
    if failures:
        raise SystemExit(1)


def _prints(text: str) -> bool:
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _print_failures(failures: Sequence[MertoolError]) -> None:
    for failure in failures:
        click.echo(f"Error: {failure}", err=True)


def _print_commands(runs: list[Path], quiet: bool) -> None:
    from ..report.build import read_each
    from ..runs.config import RunConfig, command_of

    found, failures = read_each(runs, lambda run: command_of(run, RunConfig.read(run)), partial(_remark, quiet=quiet))
    for command in found.values():
        click.echo(command)
    _print_failures(failures)
    if failures:
        raise SystemExit(1)


def _audit(runs: list[Path], style: str, quiet: bool) -> None:
    from ..report.build import audit_repeats, read_each
    from ..runs.audit import FAIL

    audited, failures = read_each(runs, audit_repeats, partial(_remark, quiet=quiet))
    found = {place: checks for places in audited.values() for place, checks in places.items()}
    if style == "json":
        import json

        plain = {name: [check._asdict() for check in checks] for name, checks in found.items()}
        click.echo(json.dumps(plain, indent=1, ensure_ascii=False))
    else:
        for name, checks in found.items():
            click.echo(name)
            for check in checks:
                click.echo(f"  {check.verdict}  {check.name:15}  {check.detail}")
    _print_failures(failures)
    if failures or any(check.verdict == FAIL for checks in found.values() for check in checks):
        raise SystemExit(1)
