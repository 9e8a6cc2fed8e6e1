"""`mertool cv`: cross-validate."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import click

from ..errors import UsageError
from .console import Command, check_png, progress_bar, remark
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

__all__ = ["cv"]


@click.command(cls=Command, panels=panels_of("run", "resume", "fusing"))
@click.argument("packs", nargs=-1, type=PATH)
@click.option("-o", "--output", "run", type=PATH, help="Run folder.  [default: runs/<packs>-<short settings>]")
@protocol_options
@click.option("--folds-file", type=PATH, help="Own folds: a run's folds.json, or a csv with the columns clip and fold.")
@click.option("--fold", "chosen", type=click.IntRange(0), multiple=True, help="Only this fold, e.g. in an array job.")
@click.option("--repeat", "chosen_repeats", type=click.IntRange(0), multiple=True, help="Only this repeat, from 0.")
@click.option("--resume", is_flag=True, help="Continue the run, with its own settings.")
@click.option(
    "--plan", is_flag=True, help="Only write the folds, and print one command per fold, for array jobs or GNU parallel."
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
    if show_input is not None and not fusing:
        _draw_input(packs, show_input, quiet, given)
        return
    from ..report.formats import render_text
    from ..runs.execute import cross_validate, is_complete
    from ..runs.finished import load_run
    from ..runs.start import begin, start_repeats
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

    def note(text: str) -> None:
        said.append(text)
        remark(text, quiet)

    folder, config = begin(
        "cv",
        packs,
        run,
        given,
        note,
        resume=resume,
        init=init,
        folds=chosen,
        repeats=chosen_repeats,
        folds_file=folds_file,
    )
    repeats = start_repeats(folder, config, partial(remark, quiet=quiet), tuple(said))
    if plan:
        import shlex

        for number, (_, repeat) in enumerate(repeats):
            which = ["--repeat", str(number)] if len(repeats) > 1 else []
            for fold in range(repeat.settings.folds):
                click.echo(shlex.join(["mertool", "cv", "-o", str(folder), "--resume", *which, "--fold", str(fold)]))
        return
    wanted = [repeats[number] for number in dict.fromkeys(chosen_repeats)] or repeats
    at_once = jobs or max(1, min(available_cores() // config.settings.threads, config.settings.folds * len(wanted)))
    with progress_bar("cv", quiet) as progress:
        cross_validate(wanted, chosen or None, at_once, progress)
    if all(is_complete(*repeat) for repeat in repeats):
        click.echo(render_text([load_run(folder)]).rstrip("\n"))
    else:
        done = [("repeat", chosen_repeats), ("fold", chosen)]
        what = ", ".join(f"{name} {', '.join(map(str, numbers))}" for name, numbers in done if numbers)
        remark(f"{folder}: {what} done; others are still to do", quiet)


def _fuse(
    runs: tuple[Path, ...], output: Path | None, given: dict[str, Any], unfit: Sequence[str], resume: bool, quiet: bool
) -> None:
    from ..report.formats import render_text
    from ..runs.execute import cross_validate
    from ..runs.finished import load_run
    from ..runs.methods import method_named
    from ..runs.methods.fusion import begin_fusion, default_fusion
    from ..runs.methods.options import reject_irrelevant

    if unfit:
        raise UsageError(f"{', '.join(unfit)}: --fuse trains nothing; leave it out")
    said = {name: value for name, value in given.items() if value is not None}
    reject_irrelevant(method_named("fusion"), said)
    weights = said.get("fuse_weights", "equal")
    folder = output or default_fusion(runs, weights)
    config, remarks = begin_fusion(runs, folder, weights, join=resume)
    for text in remarks:
        remark(text, quiet)
    with progress_bar("fuse", quiet) as progress:
        cross_validate([(folder, config)], None, 1, progress)
    click.echo(render_text([load_run(folder)]).rstrip("\n"))


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
