"""`mertool extract`: a folder of recordings becomes a pack."""

from __future__ import annotations

from pathlib import Path

import click

from ..clips import OK, subject_key
from ..errors import UsageError
from .console import Command, check_png, progress_bar, remark
from .options import PATH, jobs_option, quiet_option

__all__ = ["extract"]

_PANELS = {
    "Most used": ("output", "dataset", "sheet", "verify", "layout"),
    "Frames": ("size", "align", "aligned", "sequence", "apex", "jitter", "jitter_seed", "landmarks"),
}


def _print_layout(ctx: click.Context, _parameter: click.Parameter, value: str | None) -> None:
    if value is None or ctx.resilient_parsing:
        return
    from ..datasets import describe_layout

    click.echo(describe_layout(value))
    ctx.exit()


@click.command(cls=Command, panels=_PANELS)
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
    help="The onset's landmarks, with the head's motion taken out of each further frame; one alignment per clip; or "
    "each frame by its own landmarks (which jitter more than a micro-expression moves).  [default: stabilised; with "
    "--aligned clip]",
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
    help="Then shift onset and apex of each clip at random by up to this many frames, to test how sensitive results "
    "are to them.",
)
@click.option("--jitter-seed", type=click.IntRange(0), help="Seed of these shifts.  [default: 0]")
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
    check_png(sheet)
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
        remark(note, quiet)

    from ..datasets.annotations import BY_APEX
    from ..datasets.key_frames import BY_JITTER, jitter_remark
    from ..extraction.extract import extract as run
    from ..workers import available_cores

    given = source if source.name not in ("", "..") else source.resolve()  # the name as given, also that of a link
    jittered = f"-jitter{jitter}" + (f"-seed{jitter_seed}" if jitter_seed else "") if jitter else ""
    target = output or Path(f"{given.name if source.is_dir() else given.stem}{jittered}.npz")
    if target.suffix != ".npz":
        raise UsageError(f"-o: a pack's name ends in .npz, got {target.name!r}")
    with progress_bar("extract", quiet) as progress:
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
            remark(f"{row['subject']}/{row['clip']}: {row['status']}: {'; '.join(parts)}", quiet)
    if apex != "table":
        remark(f"--apex {apex}: the apex of each clip stands in {target.with_suffix('.clips.csv')}", quiet)
    if jitter:
        said = jitter_remark(done.rows, jitter, jitter_seed or 0)
        remark(f"{said}; each clip's moves stand in {target.with_suffix('.clips.csv')}", quiet)
    state = "" if done.fresh else " (unchanged, nothing to do; --overwrite makes it again)"
    people = len(set(map(subject_key, done.pack.dataset, done.pack.subject)))
    remark(f"{target}: {len(done.pack.ids)} of {len(done.rows)} clips, {people} subjects{state}", quiet)
    if sheet is not None:
        from ..report.drawing import contact_sheet

        for path in contact_sheet(done.pack, sheet):
            remark(f"contact sheet: {path}", quiet)
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
