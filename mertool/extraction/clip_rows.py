"""NAME.clips.csv: one row for every clip of the annotation, used or not. The pack stores the same rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ..clips import OK, ChosenApex, Clip, Jitter
from ..csv_text import csv_text
from ..files import read_bytes, write_text
from .alignment import HeadRecord

__all__ = ["ClipRow", "clip_row", "clips_csv", "news", "write_rows"]

ClipRow = dict[str, str]

# Column -> attribute of `Clip`.
_CLIP_COLUMNS = {"clip": "name"} | {
    name: name for name in ("dataset", "subject", "emotion", "onset", "middle", "apex", "offset")
}
_HEAD_COLUMNS = ("head_shift_px", "head_turn_deg", "head_depth_deg", "head_stable")  # empty unless stabilised
_COLUMNS = (*_CLIP_COLUMNS, *_HEAD_COLUMNS, "status", "detail")


def clip_row(clip: Clip, status: str, detail: str = "", head: HeadRecord | None = None) -> ClipRow:
    """The row of a clip.

    Args:
        clip: As it was used.
        status: One of `mertool.clips.STATUSES`.
        detail: What its pictures add to `clip.detail`.
        head: How its head moved; None if that was not measured.
    """
    row = {column: str(getattr(clip, attribute)) for column, attribute in _CLIP_COLUMNS.items()}
    row |= dict.fromkeys(_HEAD_COLUMNS, "") if head is None else head.columns()
    return row | {"status": status, "detail": "; ".join(filter(None, (clip.detail, detail)))}


def news(row: Mapping[str, str]) -> str:
    """What the user should be told of a clip; "" for nothing.

    What `--apex` and `--jitter` chose is not news of a single usable clip: they did so for all.
    """
    if row["status"] != OK:
        return row["detail"]
    parts = row["detail"].split("; ")
    return "; ".join(part for part in parts if ChosenApex.parse(part) is None and Jitter.parse(part) is None)


def clips_csv(output: Path) -> Path:
    """Where the rows of a pack are: NAME.clips.csv beside NAME.npz."""
    return output.with_name(f"{output.stem}.clips.csv")


def write_rows(output: Path, rows: Sequence[ClipRow]) -> None:
    """Write the rows of a pack, unless they are there already."""
    path = clips_csv(output)
    text = csv_text([_COLUMNS, *([row.get(name, "") for name in _COLUMNS] for row in rows)])
    try:
        unchanged = read_bytes(path, len(text.encode())) == text.encode()
    except OSError:
        unchanged = False
    if not unchanged:
        write_text(path, text)
