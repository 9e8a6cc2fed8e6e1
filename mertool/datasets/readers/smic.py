"""SMIC, short clips: three cameras (HS 100 fps, VIS and NIR 25 fps), the label is the folder, no table.

A folder holds exactly the micro-expression: its first frame is the onset, its last the offset. No apex is annotated,
so their middle is used, which is no worse than a guess can be (docs/datasets.md, section 4.4). The cameras filmed the
same moments, so one is read at a time. Source: docs/datasets.md, section 4.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from ...clips import BAD_ANNOTATION, Clip
from ...errors import AnnotationError, FileError
from ..annotations import AnnotationBuilder, Annotations, Expected
from ..frames import absolute, index_frames
from ..key_frames import middle_of
from ..reader import Reader
from ..survey import ClipFolders, Folder, Survey

__all__ = [
    "CAMERAS",
    "CLIP",
    "COUNTS",
    "EMOTIONS",
    "FURTHER_NAMES",
    "READER",
    "UNNAMED",
    "Key",
    "by_camera",
    "camera_in",
    "camera_of",
    "choose_camera",
    "clip_key",
    "clip_name",
    "image_root",
    "max_gap",
]

_NAME = "smic"
CAMERAS = ("hs", "vis", "nir")
UNNAMED = "hs"  # the camera if no folder names one: the one that is used most
EMOTIONS = {"ne": "negative", "po": "positive", "sur": "surprise"}
CLIP = re.compile(r"s0*([0-9]{1,2})_(ne|po|sur)_0*([0-9]{1,3})", re.ASCII | re.IGNORECASE)
_NOT_MICRO = re.compile(r"/non_?micro$", re.IGNORECASE)
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


# Cameras


def camera_of(path: Path, root: Path) -> str | None:
    """The camera that a path names, nearest to its end, also in the two folders above `root`."""
    parents = absolute(root).parents
    above = len(parents[min(2, len(parents) - 1)].parts)
    return next(filter(None, map(camera_in, reversed(absolute(path).parts[above:]))), None)


def camera_in(name: str) -> str | None:
    """The camera that a folder's or file's name names."""
    found = _CAMERA.findall(name)
    return str(found[-1]).lower() if found else None


def by_camera(folders: Mapping[tuple[str, Key], Path]) -> dict[str, dict[Key, Path]]:
    """The clip folders of each camera."""
    cameras: dict[str, dict[Key, Path]] = {}
    for (camera, key), path in folders.items():
        cameras.setdefault(camera, {})[key] = path
    return cameras


def choose_camera(
    survey: Survey, cameras: Mapping[str, Mapping[Key, Path]], part: str | None, reader: str
) -> tuple[str, list[str]]:
    """The camera to read: the one that was asked for, or HS, or the only one; and notes on where it and the others are.

    Args:
        survey: The folder that the user gave.
        cameras: The clip folders of each camera.
        part: `--dataset`, if it names a camera.
        reader: The reader's name, to which a camera's is added in `--dataset`.

    Raises:
        FileError: The camera that was asked for is not there.
        AnnotationError: VIS and NIR are there and neither was asked for.
    """
    names = ", ".join(name.upper() for name in CAMERAS if name in cameras)
    if part:
        wanted = part.rpartition("-")[2]
    elif len(cameras) == 1:
        wanted = next(iter(cameras))
    else:
        wanted = "hs"
    if wanted not in cameras:
        if part:
            raise FileError(f"{survey.root}: no clips of camera {wanted.upper()}; found {names}")
        raise AnnotationError(
            f"{survey.root}: holds {names}, which filmed the same moments; choose with --dataset {reader}-vis"
        )
    folders = cameras[wanted].values()
    roots = sorted({survey.shown(image_root(path)) for path in folders})
    named = all(camera_of(path.parent, survey.root) for path in folders)
    camera_note = f"camera {wanted.upper()}"
    if not named:
        camera_note += ": no folder names another"
    notes = [f"image root {', '.join(roots)}", camera_note]
    others = [name for name in CAMERAS if name in cameras and name != wanted]
    if others and not part:
        listed = " and ".join(name.upper() for name in others)
        notes.append(f"{listed} filmed the same moments: --dataset {reader}-{others[0]} reads them")
    return wanted, notes


def max_gap(camera: str) -> int:
    """How many frames a missing key frame's substitute may be away."""
    return 2 if camera == "hs" else 1


# Folders


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


def _clip_folders(survey: Survey) -> ClipFolders[tuple[str, Key]]:
    example = "HS/s1/micro/negative/s1_ne_01"
    return ClipFolders("SMIC", "clip folder", example, lambda folder: _key(folder, survey.root), _root)


def _detect(survey: Survey) -> str | None:
    return _clip_folders(survey).detect(survey)


def _clip_of(path: Path, key: Key, dataset: str, survey: Survey) -> Clip:
    """The clip of a folder, from its name, the emotion above it and its first and last frame."""
    emotion = _emotion_folder(path) or ""
    clip = Clip(clip_name(key), dataset, f"s{key[0]}", emotion)
    frames = index_frames(path)
    numbers = sorted({*frames.names, *frames.duplicates})
    owner = next((part for part in reversed(path.parts[:-1]) if _SUBJECT.fullmatch(part)), "")
    fault = ""
    if owner and int(owner[1:]) != key[0]:
        fault = f"its name says s{key[0]}, but it lies in {survey.shown(path)}; move it to the right subject"
    elif EMOTIONS[key[1]] != emotion:
        fault = f"its name says {EMOTIONS[key[1]]}, its folder {emotion}; move it to the right one"
    elif len(numbers) == 1:
        fault = "holds a single frame, expected onset to offset"
    if fault:
        return replace(clip, status=BAD_ANNOTATION, remarks=(fault,))
    if numbers:
        onset, offset = numbers[0], numbers[-1]
        clip = replace(clip, onset=onset, apex=middle_of(onset, offset), offset=offset)
    return clip


def _read(survey: Survey, part: str | None) -> Annotations:
    folders, image_notes = _clip_folders(survey).find(survey)
    cameras = by_camera(folders)
    camera, camera_notes = choose_camera(survey, cameras, part, _NAME)
    builder = AnnotationBuilder(survey, _NAME, max_gap(camera))
    for key, path in sorted(cameras[camera].items()):
        builder.add(_clip_of(path, key, f"{_NAME}-{camera}", survey), path, "")
    sources = [*camera_notes, *image_notes[1:]]
    chosen = cameras[camera].values()
    annotations = builder.build((), sources, folders=chosen, expected=COUNTS[camera], ignored=_NOT_MICRO)
    return replace(annotations, middle_is_apex=True)


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
    detect=_detect,
    read=_read,
    datasets=tuple(f"{_NAME}-{camera}" for camera in CAMERAS),
    parts=tuple(f"{_NAME}-{camera}" for camera in CAMERAS),
    remark="Also read: SMIC_HS_classes/negative/s1_ne_01. There is no table: the folder is the label.",
)
