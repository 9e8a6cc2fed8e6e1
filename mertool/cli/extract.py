"""`mertool extract`: a folder of recordings becomes a pack."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..clips import subject_key
from ..errors import UsageError
from ..extraction.options import ALIGNMENTS, APEXES, ExtractOptions
from ..text import plural, strip_control_chars
from .console import Command, check_png, print_out, progress_bar, remark
from .options import PATH, jobs_option, quiet_option

if TYPE_CHECKING:
    from ..datasets import Annotations
    from ..extraction.extract import Extraction

__all__ = ["extract"]

_PANELS = {
    "Most used": ("output", "dataset", "sheet", "verify", "describe"),
    "Frames": ("size", "align", "aligned", "sequence", "apex", "jitter", "jitter_seed", "landmarks"),
}


def _print_description(ctx: click.Context, _parameter: click.Parameter, value: str | None) -> None:
    if value is None or ctx.resilient_parsing:
        return
    from ..datasets import describe_dataset

    click.echo(describe_dataset(value))
    ctx.exit()


@click.command(cls=Command, panels=_PANELS)
@click.argument("source", type=PATH)
@click.option(
    "--describe",
    metavar="NAME",
    expose_value=False,
    is_eager=True,
    callback=_print_description,
    help="Show the folders and table columns that a data set's reader looks for, and exit.",
)
@click.option(
    "-o", "--output", type=PATH, help="Pack to write.  [default: SOURCE's name (and --jitter), in this folder]"
)
@click.option(
    "--dataset",
    metavar="NAME",
    help="Data set, if its folder could be several, or a part of one: samm, samm-lv, casme2, smic(-hs, -vis, -nir), "
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
    type=click.Choice(ALIGNMENTS),
    help="The onset's landmarks, with the head's motion taken out of each further frame; one alignment per clip; or "
    "each frame by its own landmarks (which jitter more than a micro-expression moves).  [default: stabilised; with "
    "--aligned clip]",
)
@click.option("--aligned", is_flag=True, help="The pictures are aligned faces already: take them as they are, resized.")
@click.option("--sequence", type=click.IntRange(2, 1000), help="Also store this many frames from onset to offset.")
@click.option(
    "--apex",
    type=click.Choice(APEXES),
    default="table",
    show_default=True,
    help="Apex as annotated (the middle of onset..offset where it is not), always the middle, or the frame that has "
    "moved most since the onset.",
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
def extract(**given: Any) -> None:
    """Turn a folder of recordings into a pack of aligned key frames.

    SOURCE is the folder of a data set (SAMM, SAMM Long Videos, CASME, CASME II, CAS(ME)^2, CAS(ME)^3, SMIC, SMIC-E,
    CK+, MMEW, 4DME) or a .csv manifest. Writes NAME.npz and NAME.clips.csv, which has a row with a status for every
    clip of the annotation. Frames and landmarks are found again only if something changed.

    \b
    Example:
      mertool extract SAMM/ --sheet SAMM.png
      mertool extract --describe casme2
    """
    request = _Request(**given)
    request.check()
    if request.verify:
        _verify(request)
        return
    model = None if request.aligned else _landmark_model(request.landmarks)
    annotations = _read_annotations(request)
    output = request.pack_path()
    extraction = _make_pack(request, annotations, output, model)
    _tell_outcome(request, annotations, extraction)
    if request.sheet is not None:
        from ..report.drawing import contact_sheet

        for path in contact_sheet(extraction.pack, request.sheet):
            remark(f"contact sheet: {path}", request.quiet)
    if extraction.failed:
        from ..extraction.clip_rows import clips_csv

        n, table = len(extraction.rows), clips_csv(output)
        remark(f"{extraction.failed} of {n} clips left out; see {table}", quiet=False)
        if request.strict:
            raise SystemExit(1)


@dataclass(frozen=True, slots=True)
class _Request:
    """What was asked for: the argument and every option, under its name."""

    source: Path
    output: Path | None
    dataset: str | None
    verify: bool
    as_json: bool
    landmarks: Path | None
    size: int
    align: str | None
    aligned: bool
    sequence: int | None
    apex: str
    jitter: int
    jitter_seed: int | None
    sheet: Path | None
    overwrite: bool
    strict: bool
    jobs: int | None
    quiet: bool

    def check(self) -> None:
        """Refuse options that do not go together."""
        if self.verify:
            if self.output or self.sheet or self.sequence or self.overwrite or self.jitter:
                raise UsageError(
                    "--verify: extracts nothing; leave out -o, --sheet, --sequence, --jitter and --overwrite"
                )
            return
        if self.as_json:
            raise UsageError("--json: goes with --verify")
        if self.jitter_seed is not None and not self.jitter:
            raise UsageError("--jitter-seed: goes with --jitter FRAMES")
        check_png(self.sheet)
        if self.aligned and self.landmarks is not None:
            raise UsageError("--landmarks: --aligned takes pictures as they are and looks for no landmarks")
        if self.aligned and self.align == "frame":
            raise UsageError("--align frame: aligns by landmarks, which --aligned does not look for")

    def options(self) -> ExtractOptions:
        """Those that decide the content of the pack."""
        return ExtractOptions(
            size=self.size,
            align=self.align or "",
            aligned=self.aligned,
            sequence=self.sequence or 0,
            apex=self.apex,
            jitter=self.jitter,
            jitter_seed=self.jitter_seed or 0,
        )

    def pack_path(self) -> Path:
        """Where the pack goes; by default in this folder, under the name of the source as given, also of a link."""
        path = self.output
        if path is None:
            source = self.source if self.source.name not in ("", "..") else self.source.resolve()
            name = source.name if self.source.is_dir() else source.stem
            if self.jitter:
                name += f"-jitter{self.jitter}"
            if self.jitter and self.jitter_seed:
                name += f"-seed{self.jitter_seed}"
            path = Path(f"{name}.npz")
        if path.suffix != ".npz":
            raise UsageError(f"-o: a pack's name ends in .npz, got {path.name!r}")
        return path


def _landmark_model(path: Path | None) -> Path:
    """The 68-point model; a wrong file is refused before any work."""
    from ..extraction.faces import FaceFinder, find_landmark_model

    model = find_landmark_model(path)
    FaceFinder(model)
    return model


def _read_annotations(request: _Request) -> Annotations:
    from ..datasets import read_clips

    annotations = read_clips(request.source, dataset=request.dataset, apex=request.apex)
    for note in annotations.notes:
        remark(note, request.quiet)
    return annotations


def _make_pack(request: _Request, annotations: Annotations, output: Path, model: Path | None) -> Extraction:
    from ..extraction.extract import extract as make_pack
    from ..workers import available_cores

    with progress_bar("extract", request.quiet, "clips") as progress:
        return make_pack(
            annotations,
            output,
            request.options(),
            landmarks=model,
            jobs=request.jobs or available_cores(),
            overwrite=request.overwrite,
            progress=progress,
        )


def _tell_outcome(request: _Request, annotations: Annotations, extraction: Extraction) -> None:
    """What became of the clips, on stderr."""
    from ..datasets.jitter import jitter_summary
    from ..extraction.clip_rows import clips_csv, news

    pack, rows, quiet = extraction.pack, extraction.rows, request.quiet
    outside = annotations.outside_subset
    if outside:
        remark(f"{plural(len(outside), 'clip')} of subjects that are not on disk: see {clips_csv(pack.path)}", quiet)
    for row in rows:
        text = news(row)
        if text and "/".join((row["dataset"], row["subject"], row["clip"])) not in outside:
            remark(f"{row['subject']}/{row['clip']}: {row['status']}: {text}", quiet)
    if request.apex != "table":
        remark(f"--apex {request.apex}: the apex of each clip is in {clips_csv(pack.path)}", quiet)
    if request.jitter:
        summary = jitter_summary(rows, request.jitter, request.jitter_seed or 0)
        remark(f"{summary}; each clip's moves are in {clips_csv(pack.path)}", quiet)
    n_subjects = len(set(map(subject_key, pack.dataset, pack.subject)))
    state = "" if extraction.fresh else " (unchanged, nothing to do; --overwrite makes it again)"
    remark(f"{pack.path}: {len(pack.ids)} of {len(rows)} clips, {n_subjects} subjects{state}", quiet)


def _verify(request: _Request) -> None:
    from ..datasets.verify import verify

    verification = verify(request.source, request.dataset, request.apex)
    if request.as_json:
        import json

        print_out(json.dumps(verification.as_dict(), indent=1, ensure_ascii=False))
    else:
        print_out("\n".join(map(strip_control_chars, verification.lines())))
    if not verification.complete:
        raise SystemExit(1)
