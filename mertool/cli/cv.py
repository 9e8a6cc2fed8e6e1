"""`mertool cv`: cross-validate."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import UsageError
from ..settings import settings_table
from .console import Command, check_png, check_run_name, continued_by, print_out, remark, watch_run
from .options import (
    PATH,
    fusion_options,
    jobs_option,
    network_options,
    panels_of,
    protocol_options,
    quiet_option,
    texture_options,
)

if TYPE_CHECKING:
    from ..pack import Pack
    from ..runs.config import RunConfig
    from ..runs.start import Request

__all__ = ["cv"]


@click.command(cls=Command, panels=panels_of("output", "name", "resume", "fusing"))
@click.argument("packs", nargs=-1, type=PATH)
@click.option("-o", "--output", type=PATH, help="Run folder.  [default: runs/<packs>-<short settings>]")
@click.option("--name", default="", help="What reports call the run; without -o also its folder: runs/NAME.")
@protocol_options
@click.option(
    "--folds-file", type=PATH, help="Your folds: a run's folds.json, or a csv with the columns clip and fold."
)
@click.option("--fold", "only_folds", type=click.IntRange(0), multiple=True, help="Only this fold, as in an array job.")
@click.option("--repeat", "only_repeats", type=click.IntRange(0), multiple=True, help="Only this repeat, from 0.")
@click.option("--resume", is_flag=True, help="Continue the run, with its own settings.")
@click.option(
    "--plan", is_flag=True, help="Only write the folds, and print one command per fold, for array jobs or GNU parallel."
)
@click.option(
    "--list-classes", is_flag=True, help="Only list the class sets of --classes, with the clips of PACKS in each."
)
@click.option("--show-input", type=PATH, help="Only draw what the network would see to this .png.")
@click.option(
    "--fuse",
    "fusing",
    is_flag=True,
    help="Join finished runs of the same folds, clip by clip: mertool cv --fuse RUN RUN... The mean of their "
    "probabilities decides.",
)
@fusion_options
@jobs_option("Folds")
@network_options
@texture_options
@quiet_option
def cv(
    packs: tuple[Path, ...],
    output: Path | None,
    name: str,
    list_classes: bool,
    show_input: Path | None,
    fusing: bool,
    quiet: bool,
    **given: Any,
) -> None:
    """Cross-validate: train and test one network per fold, and write a run folder.

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
    check_png(show_input)
    if list_classes:
        _list_classes(packs)
        return
    if name:
        check_run_name(name)
        output = output or Path("runs") / name
    given["name"] = name
    if fusing:
        _fuse(packs, output, quiet, {"show_input": show_input, **given})
    elif show_input is not None:
        _draw_input(packs, show_input, quiet, _settings(given))
    else:
        _cross_validate(packs, output, quiet, given)


def _settings(given: dict[str, Any]) -> dict[str, Any]:
    """Those options that are settings."""
    return {name: value for name, value in given.items() if name in settings_table()}


def _cross_validate(packs: tuple[Path, ...], output: Path | None, quiet: bool, given: dict[str, Any]) -> None:
    from ..runs.execute import cross_validate, default_jobs
    from ..runs.layout import RunFolder
    from ..runs.start import Request, start_or_resume, start_repeats
    from ..runs.state import is_complete

    request = Request(
        "cv",
        packs,
        output,
        _settings(given),
        init=given["init"],
        resume=given["resume"],
        folds_file=given["folds_file"],
        folds=given["only_folds"],
        repeats=given["only_repeats"],
        name=given["name"],
    )
    if given["plan"] and (request.folds or request.repeats or given["jobs"]):
        raise UsageError("--plan: trains nothing; leave out --fold, --repeat and --jobs")
    known: list[str] = []

    def note(text: str) -> None:
        known.append(text)
        remark(text, quiet)

    folder, config = start_or_resume(request, note)
    runs = start_repeats(folder, config, partial(remark, quiet=quiet), known)
    if given["plan"]:
        _print_plan(folder, runs, packs)
        return
    chosen = [runs[number] for number in dict.fromkeys(request.repeats)] or runs
    jobs = given["jobs"] or default_jobs(config, len(chosen))
    begun = not any(RunFolder(folder).fold(fold).path.exists() for fold in range(config.settings.folds))
    with continued_by(_continuing(folder, request)), watch_run("cv", quiet) as watch:
        completed = cross_validate(runs, request.folds, jobs, watch, request.repeats)
    if all(is_complete(*run) for run in runs):
        if completed:
            _print_report(folder)
        else:
            remark(f"{folder}: all folds are done; another process completed the run and prints its report", quiet)
    else:
        done = [("repeat", request.repeats), ("fold", request.folds)]
        what = ", ".join(f"{name} {', '.join(map(str, numbers))}" for name, numbers in done if numbers)
        remark(f"{folder}: {what} done; others are still to do", quiet and not begun)  # never in silence


def _continuing(folder: Path, request: Request) -> str:
    """The command that goes on with the same folds and repeats."""
    from ..runs.layout import RunFolder

    words = [RunFolder(folder).resume_command()]
    words += [f"--repeat {number}" for number in request.repeats] + [f"--fold {number}" for number in request.folds]
    return " ".join(words)


def _print_plan(folder: Path, runs: Sequence[tuple[Path, RunConfig]], packs: Sequence[Path]) -> None:
    """One command per fold of a run and of its repeats."""
    from ..runs.config import resolve_in_run

    named = [f"./{pack}" if str(pack).startswith("-") else str(pack) for pack in packs]
    if not named:
        named = [os.path.relpath(resolve_in_run(folder, pack.path)) for pack in runs[0][1].packs]
    for number, (_, config) in enumerate(runs):
        words = ["mertool", "cv", *named, "-o", str(folder), "--resume"]
        if len(runs) > 1:
            words += ["--repeat", str(number)]
        for fold in range(config.settings.folds):
            click.echo(shlex.join([*words, "--fold", str(fold)]))


def _print_report(folder: Path) -> None:
    from ..report.plain import render_text, terminal_width
    from ..runs.finished import load_run

    print_out(render_text([load_run(folder)], terminal_width()))


# Options of `cv` that --fuse has no use for: name -> option.
_NOT_FUSING = {
    "only_folds": "--fold",
    "only_repeats": "--repeat",
    "folds_file": "--folds-file",
    "init": "--init",
    "plan": "--plan",
    "jobs": "--jobs",
    "show_input": "--show-input",
}


def _fuse(runs: tuple[Path, ...], output: Path | None, quiet: bool, given: dict[str, Any]) -> None:
    from ..runs.execute import cross_validate
    from ..runs.methods import method_named
    from ..runs.methods.options import reject_irrelevant
    from ..runs.progress import Watch
    from ..runs.start_fusion import default_fusion_folder, start_fusion

    unfit = [option for name, option in _NOT_FUSING.items() if given[name]]
    if unfit:
        raise UsageError(f"{', '.join(unfit)}: --fuse trains nothing; leave it out")
    chosen = {name: value for name, value in _settings(given).items() if value is not None}
    reject_irrelevant(method_named("fusion"), chosen)
    weights = chosen.get("fuse_weights", "equal")
    folder = output or default_fusion_folder(runs, weights)
    config, remarks = start_fusion(runs, folder, weights, given["name"], resume=given["resume"])
    for text in remarks:
        remark(text, quiet)
    cross_validate([(folder, config)], (), 1, Watch())
    _print_report(folder)


def _list_classes(packs: Sequence[Path]) -> None:
    from ..datasets.labels import ALL, CLASS_SETS, default_of
    from ..pack import load_pack
    from ..report.blocks import Table
    from ..report.plain import blocks_text, terminal_width

    opened = [load_pack(pack) for pack in packs]
    rows = []
    for name, found in CLASS_SETS.items():
        members = list(found.classes)
        if opened:
            labels = [found.class_of(*clip) for pack in opened for clip in _facts(pack)]
            members = [f"{label} {labels.count(label)}" for label in found.classes]
        rows.append((name, ", ".join(members), ", ".join(default_of(name))))
    rows.append((ALL, "every emotion of the clips", "manifests"))
    table = Table("Class sets of --classes", ("name", "classes", "default of"), tuple(rows), n_left=3)
    print_out(blocks_text([table], terminal_width()))


def _facts(pack: Pack) -> Iterator[tuple[str, str, str, str]]:
    """Data set, emotion, subject and name of each clip."""
    return zip(pack.dataset, pack.emotion, pack.subject, pack.clip_name, strict=True)


def _draw_input(packs: tuple[Path, ...], path: Path, quiet: bool, given: dict[str, Any]) -> None:
    from ..inputs.samples import load_samples
    from ..pack import load_pack
    from ..report.drawing import input_sheet
    from ..runs.config import class_set_of
    from ..runs.methods import method_of
    from ..runs.start import choose_packs, settings_of

    opened = [load_pack(pack) for pack in choose_packs(packs, partial(remark, quiet=quiet))]
    settings = settings_of(given, opened)
    if not method_of(settings).has_network:
        raise UsageError(f"--show-input: draws what a network sees; leave out --method {settings.method}")
    input_sheet(load_samples(opened, class_set_of(opened, settings), settings), settings, path)
    remark(f"network input: {path}", quiet)
