"""SMIC, short clips: three cameras (HS 100 fps, VIS and NIR 25 fps), the label is the folder, no table.

A folder holds exactly the micro-expression: its first frame is the onset, its last the offset. Nobody annotated an
apex, so their middle is used, which is no worse than a guess can be (docs/datasets.md, section 4.4). The cameras
filmed the same moments, so one is read at a time.
Source: docs/datasets.md, section 4.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from ...clips import BAD_ANNOTATION, Clip
from ...errors import DataError, FileError
from ..annotations import Annotations, Expected, Join, middle_of
from ..frames import absolute, index_frames
from ..reader import Reader
from ..survey import Folder, Survey, find_clips

__all__ = [
    "CAMERAS",
    "CLIP",
    "COUNTS",
    "EMOTIONS",
    "FURTHER_NAMES",
    "NO_APEX",
    "READER",
    "UNNAMED",
    "Key",
    "camera_in",
    "camera_of",
    "choose_camera",
    "clip_key",
    "clip_name",
    "image_root",
]

_NAME = "smic"
CAMERAS = ("hs", "vis", "nir")
UNNAMED = "hs"  # the camera where no folder names one: the one that everybody uses
EMOTIONS = {"ne": "negative", "po": "positive", "sur": "surprise"}
CLIP = re.compile(r"s0*([0-9]{1,2})_(ne|po|sur)_0*([0-9]{1,3})", re.ASCII | re.IGNORECASE)
_NOT_MICRO = re.compile(r"/non_?micro$", re.IGNORECASE)
NO_APEX = "no apex is annotated: the middle of onset..offset is used (--apex difference finds another)"
_SUBJECT = re.compile(r"s[0-9]{1,4}", re.ASCII | re.IGNORECASE)
_CAMERA = re.compile(r"(?<![a-z])(hs|vis|nir)(?![a-z])", re.IGNORECASE)
COUNTS = {
    "hs": Expected(
        164,
        tuple(f"s{n}" for n in (1, 2, 3, 4, 5, 6, 8, 9, 11, 12, 13, 14, 15, 18, 19, 20)),
        {"negative": 70, "positive": 51, "surprise": 43},
    ),
    "vis": Expected(
        71,
        tuple(f"s{n}" for n in (11, 12, 13, 14, 15, 18, 19, 20)),
        {"negative": 23, "positive": 28, "surprise": 20},
    ),
    "nir": Expected(71, tuple(f"s{n}" for n in (11, 12, 13, 14, 15, 18, 19, 20)), None),
}

Key = tuple[int, str, int]  # subject, ne|po|sur, serial

# Long clips (SMIC-E) with more than one expression, and the names of the further ones among the short clips.
FURTHER_NAMES: dict[Key, tuple[Key, ...]] = {
    (3, "ne", 2): ((3, "ne", 3),),
    (4, "ne", 4): ((4, "ne", 5), (4, "ne", 6)),
    (9, "sur", 1): ((9, "sur", 2),),
}


def clip_key(name: str) -> Key | None:
    """The parts of a clip's name: s1_ne_01 and s01_ne_1 are the same clip."""
    parts = CLIP.fullmatch(name)
    return (int(parts[1]), parts[2].lower(), int(parts[3])) if parts else None


def clip_name(key: Key) -> str:
    """The name as the short clips have it: s1_ne_01."""
    return f"s{key[0]}_{key[1]}_{key[2]:02d}"


def camera_of(path: Path, root: Path) -> str | None:
    """The camera that a path names, nearest to its end, also in the two folders above `root`."""
    parents = absolute(root).parents
    above = len(parents[min(2, len(parents) - 1)].parts)
    return next(filter(None, map(camera_in, reversed(absolute(path).parts[above:]))), None)


def camera_in(name: str) -> str | None:
    """The camera that a folder's or file's name names."""
    found = _CAMERA.findall(name)
    return str(found[-1]).lower() if found else None


def choose_camera(
    seen: Survey, there: Mapping[str, Mapping[Key, Path]], part: str | None, reader: str
) -> tuple[str, list[str]]:
    """The camera to read: the one that was asked for, or HS, or the only one; and notes on its place and the others.

    Args:
        seen: The survey.
        there: The clip folders of each camera.
        part: `--dataset`, where it names a camera.
        reader: The reader's name, to which a camera's is added in `--dataset`.

    Raises:
        FileError: The camera that was asked for is not there.
        DataError: VIS and NIR are there and neither was asked for.
    """
    names = ", ".join(name.upper() for name in CAMERAS if name in there)
    wanted = part.rpartition("-")[2] if part else "hs" if len(there) > 1 else next(iter(there))
    if part and wanted not in there:
        raise FileError(f"{seen.root}: no clips of camera {wanted.upper()}; found {names}")
    if wanted not in there:
        raise DataError(
            f"{seen.root}: holds {names}, which filmed the same moments; choose with --dataset {reader}-vis"
        )
    roots = sorted({seen.shown(image_root(path)) for path in there[wanted].values()})
    named = all(camera_of(path.parent, seen.root) for path in there[wanted].values())
    notes = [
        f"image root {', '.join(roots)}",
        f"camera {wanted.upper()}{'' if named else ': no folder names another'}",
    ]
    others = [name for name in CAMERAS if name in there and name != wanted]
    if others and not part:
        listed = " and ".join(name.upper() for name in others)
        notes.append(f"{listed} filmed the same moments: --dataset {reader}-{others[0]} reads them")
    return wanted, notes


def image_root(clip: Path) -> Path:
    """The image root above HS/s1/micro/negative/s1_ne_01, negative/s1_ne_01 or s01/s1_ne_01."""
    root = clip.parent.parent if _emotion_folder(clip) else clip.parent
    if root.name.lower() == "micro":
        root = root.parent
    if _SUBJECT.fullmatch(root.name):
        root = root.parent
    return root


def _emotion_folder(path: Path) -> str | None:
    """The emotion of the folder right above a clip."""
    name = path.parent.name.lower()
    return name if name in EMOTIONS.values() else None


def _key(folder: Folder, root: Path) -> tuple[str, Key] | None:
    key = clip_key(folder.path.name)
    if key is None or _emotion_folder(folder.path) is None:
        return None
    return camera_of(folder.path.parent, root) or UNNAMED, key


def _root(clip: Path) -> Path:
    """The folder above those of the cameras."""
    root = image_root(clip)
    return root.parent if root.name.lower() in CAMERAS else root


def _clue(seen: Survey) -> str | None:
    found = next((f.path for f in seen.folders if _key(f, seen.root)), None)
    return f"the clip folder {seen.shown(found)}" if found else None


def _read(seen: Survey, part: str | None) -> Annotations:
    folders, notes = find_clips(seen, lambda folder: _key(folder, seen.root), _root)
    if not folders:
        raise FileError(
            f"{seen.root}: no clip folder of SMIC in it or below; expected e.g. HS/s1/micro/negative/s1_ne_01"
        )
    cameras: dict[str, dict[Key, Path]] = {}
    for (camera, key), path in folders.items():
        cameras.setdefault(camera, {})[key] = path
    camera, chosen_notes = choose_camera(seen, cameras, part, _NAME)
    notes = [*chosen_notes, *notes[1:]]
    join = Join(seen.root, seen.pictures, reach=2 if camera == "hs" else 1)
    dataset = f"{_NAME}-{camera}"
    for key, path in sorted(cameras[camera].items()):
        emotion = _emotion_folder(path) or ""
        clip = Clip(clip=clip_name(key), dataset=dataset, subject=f"s{key[0]}", emotion=emotion)
        frames = index_frames(path)
        numbers = sorted({*frames.names, *frames.doubled})
        owner = next((part for part in reversed(path.parts[:-1]) if _SUBJECT.fullmatch(part)), "")
        if owner and int(owner[1:]) != key[0]:
            detail = f"its name says s{key[0]}, but it lies in {seen.shown(path)}; move it to the right subject"
            clip = replace(clip, status=BAD_ANNOTATION, detail=detail)
        elif EMOTIONS[key[1]] != emotion:
            detail = f"its name says {EMOTIONS[key[1]]}, its folder {emotion}; move it to the right one"
            clip = replace(clip, status=BAD_ANNOTATION, detail=detail)
        elif len(numbers) == 1:
            clip = replace(clip, status=BAD_ANNOTATION, detail="holds a single frame, expected onset to offset")
        elif numbers:
            onset, offset = numbers[0], numbers[-1]
            clip = replace(clip, onset=onset, apex=middle_of(onset, offset), offset=offset)
        join.add(clip, path)
    notes.append(NO_APEX)
    chosen = cameras[camera].values()
    return join.done(_NAME, chosen, (), notes, COUNTS[camera], unread=_NOT_MICRO)


READER = Reader(
    name=_NAME,
    title="SMIC, short clips",
    tree="""
SMIC/
  SMIC_all_raw/                   (or SMIC_all_cropped; raw frames come first where both are there)
    HS/                           camera: HS, VIS or NIR; HS where several are there
      s1/                         subject
        micro/
          negative/               label: negative, positive or surprise
            s1_ne_01/             clip: subject_label_serial
              image559740.bmp     frame; the first is the onset, the last the offset
        non_micro/                not read
""",
    tables=(),
    named=(),
    clue=_clue,
    read=_read,
    datasets=tuple(f"{_NAME}-{camera}" for camera in CAMERAS),
    parts=tuple(f"{_NAME}-{camera}" for camera in CAMERAS),
    remark="Also read: SMIC_HS_classes/negative/s1_ne_01. There is no table: the folder is the label.",
)
