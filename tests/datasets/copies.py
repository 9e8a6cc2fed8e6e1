"""Made-up copies of every layout with empty frames, what was planned, and what is read of them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from recordings import LAYOUTS, Plan

from mertool.clips import OK
from mertool.datasets import Annotations

# Layout -> name for --dataset -> `dataset` of the planned clips that it must read.
PARTS = {name: {name: name} for name in LAYOUTS} | {
    "samm-lv": {"samm-lv": "samm"},
    "smic": {"smic": "smic-hs", "smic-vis": "smic-vis", "smic-nir": "smic-nir"},
    "smic-e": {"smic-e": "smic-hs", "smic-e-vis": "smic-vis", "smic-e-nir": "smic-nir"},
    "mmew": {"mmew": "mmew", "mmew-macro": "mmew-macro"},
    "casme-squared": {"casme-squared": "casme-squared", "casme-squared-macro": "casme-squared-macro"},
}

EVERY_PART = [(layout, part) for layout, parts in PARTS.items() for part in parts]
APEXLESS = ("smic", "smic-e")


@dataclass(frozen=True)
class Made:
    """A made-up copy with empty frames: what was planned, where it lies, and what `read_clips` makes of each part."""

    plan: Plan
    out: Path
    found: dict[str, Annotations]

    def clips(self):
        """Every clip of every part by id."""
        return {clip.id: clip for found in self.found.values() for clip in found.clips}

    def notes(self):
        return [note for found in self.found.values() for note in found.notes]

    def names(self):
        """Paths of the key frames of all usable clips, below the folder."""
        paths = [path for clip in self.clips().values() if clip.status == OK for path in clip.key_frames]
        return [path.relative_to(self.out).as_posix() for path in paths]


def truth_id(truth):
    return f"{truth.dataset}/{truth.subject}/{truth.clip}"


def middle_of(onset, offset):
    return (onset + offset + 1) // 2


def assert_as_planned(truth, clip):
    """A clip is what its recording shows: of the frame numbers those that the table has, repaired where it must be."""
    assert (clip.status == OK) == truth.usable, (truth, clip.status, clip.detail)
    assert clip.emotion == truth.emotion
    if not truth.usable:
        assert clip.detail
        assert not clip.key_frames
        return
    assert clip.onset == truth.onset, (truth, clip)
    if clip.onset < 0:  # a still
        return
    if truth.apex is not None:
        assert clip.apex == truth.apex, (truth, clip)
    elif truth.offset is not None and truth.offset >= truth.onset:
        assert abs(clip.apex - middle_of(truth.onset, truth.offset)) <= 2, (truth, clip)
    assert truth.offset is None or clip.offset == truth.offset, (truth, clip)
    assert [frame(path.name) for path in clip.key_frames] == [clip.onset, clip.middle, clip.apex]


def frame(name):
    return int(re.findall("[0-9]+", Path(name).stem)[-1])
