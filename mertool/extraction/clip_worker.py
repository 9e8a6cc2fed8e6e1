"""One clip in a worker process: read its pictures, find the face, bring every frame into one aligned crop."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .. import _core
from ..clips import NO_FACE, OK, UNREADABLE, Clip
from ..datasets.annotations import with_apex
from ..datasets.frames import Frames, index_frames
from ..datasets.key_frames import around, with_jitter
from ..errors import MertoolError
from ..regions import compose, invert
from .alignment import STABILISED, Aligner, HeadRecord, lost_remark, to_grey
from .apex import ApexFinder

if TYPE_CHECKING:
    from .faces import Face, FaceFinder

__all__ = ["Options", "Result", "extract_clip", "jitter_clip", "read_pictures", "start_worker"]

Picture = NDArray[np.uint8]

KEY_FRAMES = ("onset", "middle", "apex")


@dataclass(frozen=True, slots=True)
class Options:
    """What decides the content of a pack, beside the recordings themselves.

    Attributes:
        size: Side S of the crop in pixels.
        align: "stabilised" (the onset's landmarks give the similarity of the clip, and the head's motion against the
            onset is taken out of each further frame), "clip" (one similarity per clip) or "frame" (each frame by its
            own landmarks). Aligned pictures know "stabilised" and "clip", which leaves them as they are.
        aligned: Take the pictures as they are, resized, without landmarks.
        sequence: Frames of the optional sequence; 0 for none.
        apex: "table" or "middle" (both are settled when the annotation is read), or "difference": the frame of
            largest movement against the onset.
        jitter: Move onset and apex of every clip at random by up to this many frames, after `apex` is settled; 0: not.
        jitter_seed: Of these moves.
    """

    size: int
    align: str
    aligned: bool
    sequence: int
    apex: str
    jitter: int
    jitter_seed: int


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one clip.

    Attributes:
        status: One of `mertool.clips.STATUSES`.
        detail: Why, or what is to be remarked.
        digests: Hash of each picture, or why it could not be read.
        arrays: Members of the pack for this clip; None where it is left out.
        clip: As it was used, where the pictures decided that (`--apex difference`).
        head: How its head moved, with `--align stabilised`.
    """

    status: str
    detail: str
    digests: tuple[str, ...]
    arrays: dict[str, NDArray[Any]] | None = None
    clip: Clip | None = None
    head: HeadRecord | None = None


def jitter_clip(clip: Clip, options: Options, index: Callable[[Path], Frames] = index_frames) -> Clip:
    """The clip with onset and apex moved as the options say."""
    folder = clip.sequence.folder
    frames = Frames(Path(), {}, {}) if folder is None else index(folder)
    return with_jitter(clip, frames, options.jitter, options.jitter_seed)


def _sequence_files(clip: Clip, length: int) -> list[Path]:
    """`length` pictures evenly spaced from onset to offset: for each wanted number the nearest frame on disk."""
    if length == 0 or not len(clip.sequence):
        return []
    numbers = np.array(clip.sequence.numbers)
    wanted = np.linspace(numbers[0], numbers[-1], length)
    return [clip.sequence.path(int(np.abs(numbers - number).argmin())) for number in wanted]


def _files(clip: Clip, options: Options) -> list[Path]:
    """Every picture that a clip uses."""
    searched: list[Path] = []
    if options.apex == "difference":
        searched = [path for _, path in clip.sequence]
        if options.jitter and clip.sequence.folder is not None:
            searched += around(clip, index_frames(clip.sequence.folder), options.jitter)
    return [*clip.key_frames, *_sequence_files(clip, options.sequence), *searched]


def read_pictures(clip: Clip, options: Options) -> tuple[dict[Path, bytes], tuple[str, ...]]:
    """The bytes of every picture a clip uses, and their hashes (the cause, where one cannot be read)."""
    if clip.status != OK:
        return {}, ()
    data: dict[Path, bytes] = {}
    digests = []
    for path in _files(clip, options):
        try:
            if path not in data:
                data[path] = path.read_bytes()
            digests.append(hashlib.sha256(data[path]).hexdigest())
        except OSError as error:
            digests.append(f"{path.name}: {(error.strerror or str(error)).lower()}")
    return data, tuple(digests)


_finder: FaceFinder | None = None
_options: Options


def start_worker(options: Options, landmarks: Path | None) -> None:
    """Prepare a worker process for `extract_clip`."""
    import cv2

    global _finder, _options
    cv2.setNumThreads(1)
    _options = options
    if landmarks is not None:
        from .faces import FaceFinder

        _finder = FaceFinder(landmarks)


def extract_clip(clip: Clip) -> Result:
    """All of the pack that comes from one clip, or why nothing does."""
    data, digests = read_pictures(clip, _options)
    try:
        if _options.apex == "difference":
            found = _find_apex(clip, data)
            if isinstance(found, str):
                return Result(NO_FACE, found, digests)
            clip = found
            if clip.status != OK:
                return Result(clip.status, "", digests, clip=clip)
            if _options.jitter:
                clip = jitter_clip(clip, _options)
        result = _extract_frames(clip, data, digests)
    except MertoolError as error:
        return Result(UNREADABLE, str(error), digests)
    return dataclasses.replace(result, clip=clip)


def _find_apex(clip: Clip, data: dict[Path, bytes]) -> Clip | str:
    """The clip with the apex that its frames show; or why there is none."""
    later = [(number, path) for number, path in clip.sequence if number > clip.onset]
    if not later:
        return with_apex(clip, clip.onset, _options.apex)
    onset = _picture(clip.key_frames[0], data)
    face = None
    if _finder is not None:
        face = _finder.find(to_grey(onset))
        if face is None:
            return f"no face found in the onset frame ({clip.onset})"
    elif _options.align == STABILISED:
        onset = _squared(onset)
    if face is None and _options.align != STABILISED:
        finder = ApexFinder(to_grey(onset), None)
        amounts = [finder.amount(to_grey(_picture(path, data))) for _, path in later]
    else:
        aligner = Aligner(onset, face, ApexFinder.SIDE, _options.align, _finder)
        finder = ApexFinder(to_grey(onset), aligner.onset.transform)
        amounts = []
        for _, path in later:
            image = _picture(path, data)
            image = _squared(image) if face is None else image
            amounts.append(finder.amount(to_grey(image), aligner.place(image).transform))
    return with_apex(clip, later[finder.largest(amounts)][0], _options.apex)


def _extract_frames(clip: Clip, data: dict[Path, bytes], digests: tuple[str, ...]) -> Result:
    decoded = {path: _picture(path, data) for path in (*clip.key_frames, *_sequence_files(clip, _options.sequence))}
    key = [decoded[path] for path in clip.key_frames]
    extra = [decoded[path] for path in _sequence_files(clip, _options.sequence)]
    if _options.sequence and not extra:
        return Result(UNREADABLE, "no frames between onset and offset for --sequence", digests)
    if clip.channels:
        if key[0].ndim != 3:
            return Result(UNREADABLE, f"{clip.key_frames[0].name}: grey; expected three channels", digests)
        # The picture's red, green and blue are onset, middle and apex, as the paper stacks them; OpenCV reads BGR.
        key = [np.ascontiguousarray(key[0][:, :, 2 - channel]) for channel in range(3)]
    shapes = {image.shape[:2] for image in (*key, *extra)}
    if len(shapes) > 1:
        sizes = ", ".join(f"{width}x{height}" for height, width in sorted(shapes))
        return Result(UNREADABLE, f"frames of different sizes: {sizes}", digests)
    if _finder is None and _options.align != STABILISED:
        arrays: dict[str, NDArray[Any]] = {"frames": _resize(key), "landmarks": np.full((3, 68, 2), np.nan, np.float32)}
        if extra:
            arrays["sequence"] = _resize(extra)
        return Result(OK, "", digests, arrays)
    return _align(clip, key, extra, digests)


def _picture(path: Path, data: dict[Path, bytes]) -> NDArray[np.uint8]:
    from .image_files import decode_picture, read_picture

    return decode_picture(data[path], path.name) if path in data else read_picture(path)


def _find_faces(clip: Clip, key: list[Picture], finder: FaceFinder) -> list[Face] | str:
    """The face of each key frame, or why there is none."""
    faces: list[Face] = []
    for name, number, image in zip(KEY_FRAMES, (clip.onset, clip.middle, clip.apex), key, strict=True):
        face = finder.find(to_grey(image), faces[0].box if faces else None)
        if face is None:
            return f"no face found in the {name} frame{f' ({number})' if number >= 0 else ''}"
        faces.append(face)
    return faces


def _align(clip: Clip, key: list[Picture], extra: list[Picture], digests: tuple[str, ...]) -> Result:
    """Every frame brought into the clip's crop."""
    faces: list[Face] = []
    if _finder is None:
        key, extra = ([_squared(image) for image in images] for images in (key, extra))
    else:
        found = _find_faces(clip, key, _finder)
        if isinstance(found, str):
            return Result(NO_FACE, found, digests)
        faces = found
    size = _options.size
    aligner = Aligner(key[0], faces[0] if faces else None, size, _options.align, _finder)
    placed = {id(key[0]): aligner.onset}  # a picture may be several frames of the clip
    for k, image in enumerate((*key, *extra)):
        if id(image) not in placed:
            placed[id(image)] = aligner.place(image, faces[k] if k < len(faces) else None)

    def crops(images: list[Picture]) -> Picture:
        return np.stack([_core.align(image, placed[id(image)].transform, (size, size)) for image in images])

    arrays: dict[str, NDArray[Any]] = {"frames": crops(key), "landmarks": np.full((3, 68, 2), np.nan, np.float32)}
    for k, face in enumerate(faces):
        arrays["landmarks"][k] = _core.transform_points(face.landmarks, invert(placed[id(key[k])].transform))
    if _options.align == STABILISED:
        back = invert(aligner.onset.transform)
        head_of_key = [compose(back, placed[id(image)].transform) for image in key]
        arrays["head"] = np.stack(head_of_key).astype(np.float32)
    if extra:
        arrays["sequence"] = crops(extra)
    head = HeadRecord.of([one.motion for one in placed.values() if one.motion is not None])
    guessed = [name for name, face in zip(KEY_FRAMES, faces, strict=bool(faces)) if not face.detected]
    lost = [name for name, image in zip(KEY_FRAMES, key, strict=True) if placed[id(image)].lost]
    n_lost = sum(one.lost for one in placed.values()) - len({id(image) for image in key if placed[id(image)].lost})
    details = [
        f"no face detected in the {' and '.join(guessed)} frame; the onset's face box was used" if guessed else "",
        lost_remark(lost, n_lost),
        "" if head is None else head.remark(faces[0].eye_distance_px if faces else None),
    ]
    return Result(OK, "; ".join(filter(None, details)), digests, arrays, head=head)


def _squared(image: Picture) -> Picture:
    """The picture made square as `_resize` makes it, since a similarity cannot."""
    height, width = image.shape[:2]
    return image if height == width else _resize([image])[0]


def _resize(images: list[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    import cv2

    side = (_options.size, _options.size)
    greys = [to_grey(image) for image in images]
    shrinks = greys[0].shape[0] >= _options.size
    return np.stack(
        [cv2.resize(grey, side, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR) for grey in greys]
    )
