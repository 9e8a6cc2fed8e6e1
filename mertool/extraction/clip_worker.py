"""One clip in a worker process: read its pictures, find the face, bring every frame into one aligned crop."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .. import _core
from ..clips import NO_FACE, OK, UNREADABLE, Clip
from ..datasets.frames import Frames, index_frames
from ..datasets.jitter import frames_within_reach, with_jitter
from ..datasets.key_frames import with_apex
from ..errors import MertoolError
from ..regions import compose, invert
from ..text import os_error_text
from .alignment import Aligner, HeadRecord, Placed, lost_remark, to_grey
from .apex import ApexFinder
from .image_files import decode_picture, picture_bytes, read_picture
from .options import STABILISED, ExtractOptions

if TYPE_CHECKING:
    from .faces import Face, FaceFinder

__all__ = ["Result", "extract_clip", "jitter_clip", "read_pictures", "start_worker"]

Picture = NDArray[np.uint8]

KEY_FRAMES = ("onset", "middle", "apex")


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one clip.

    Attributes:
        status: One of `mertool.clips.STATUSES`.
        detail: Why, or what else there is to say of its pictures.
        digests: Hash of each picture, or why it could not be read.
        arrays: Members of the pack for this clip; None if it is left out.
        clip: As it was used, if the pictures decided that (`--apex difference`).
        head: How its head moved, with `--align stabilised`.
    """

    status: str
    detail: str = ""
    digests: tuple[str, ...] = ()
    arrays: dict[str, NDArray[Any]] | None = None
    clip: Clip | None = None
    head: HeadRecord | None = None


def jitter_clip(clip: Clip, options: ExtractOptions, index: Callable[[Path], Frames] = index_frames) -> Clip:
    """The clip with onset and apex moved as the options say; `index` gives the frames of its folder."""
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


def _files(clip: Clip, options: ExtractOptions) -> list[Path]:
    """Every picture that a clip uses."""
    searched: list[Path] = []
    if options.apex == "difference":
        searched = [path for _, path in clip.sequence]
        if options.jitter and clip.sequence.folder is not None:
            searched += frames_within_reach(clip, index_frames(clip.sequence.folder), options.jitter)
    return [*clip.key_frames, *_sequence_files(clip, options.sequence), *searched]


def read_pictures(clip: Clip, options: ExtractOptions) -> tuple[dict[Path, bytes], tuple[str, ...]]:
    """The bytes of every picture a clip uses, and their hashes (the cause, if one cannot be read)."""
    if clip.status != OK:
        return {}, ()
    data: dict[Path, bytes] = {}
    digests = []
    for path in _files(clip, options):
        try:
            if path not in data:
                data[path] = picture_bytes(path)
            digests.append(hashlib.sha256(data[path]).hexdigest())
        except OSError as error:
            digests.append(f"{path.name}: {os_error_text(error)}")
    return data, tuple(digests)


class _Unusable(Exception):
    """The pictures of a clip were read, but give nothing for the pack."""

    def __init__(self, status: str, why: str) -> None:
        super().__init__(why)
        self.status = status


_finder: FaceFinder | None = None
_options: ExtractOptions


def start_worker(options: ExtractOptions, landmarks: Path | None) -> None:
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
            clip = _with_found_apex(clip, data)
            if clip.status != OK:
                return Result(clip.status, digests=digests, clip=clip)
            if _options.jitter:
                clip = jitter_clip(clip, _options)
        arrays, detail, head = _extract_frames(clip, data)
    except _Unusable as error:
        return Result(error.status, str(error), digests, clip=clip)
    except MertoolError as error:
        return Result(UNREADABLE, str(error), digests)
    return Result(OK, detail, digests, arrays, clip, head)


def _with_found_apex(clip: Clip, data: dict[Path, bytes]) -> Clip:
    """The clip with the apex that its frames show."""
    later = [(number, path) for number, path in clip.sequence if number > clip.onset]
    if not later:
        return with_apex(clip, clip.onset, _options.apex)
    onset = _picture(clip.key_frames[0], data)
    face = None
    if _finder is not None:
        face = _finder.find(to_grey(onset))
        if face is None:
            raise _Unusable(NO_FACE, f"no face found in the onset frame ({clip.onset})")
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
            if face is None:
                image = _squared(image)
            amounts.append(finder.amount(to_grey(image), aligner.place(image).transform))
    return with_apex(clip, later[finder.largest(amounts)][0], _options.apex)


Extracted = tuple[dict[str, NDArray[Any]], str, HeadRecord | None]  # arrays, detail and head of a `Result`


def _extract_frames(clip: Clip, data: dict[Path, bytes]) -> Extracted:
    """The key frames of a clip and its sequence, for the pack."""
    from .image_files import looks_like_photograph

    sequence_files = _sequence_files(clip, _options.sequence)
    decoded = {path: _picture(path, data) for path in (*clip.key_frames, *sequence_files)}
    key = [decoded[path] for path in clip.key_frames]
    sequence = [decoded[path] for path in sequence_files]
    if _options.sequence and not sequence:
        raise _Unusable(UNREADABLE, "no frames between onset and offset for --sequence")
    if clip.channels:
        if key[0].ndim != 3:
            raise _Unusable(UNREADABLE, f"{clip.key_frames[0].name}: grey; expected three channels")
        if looks_like_photograph(key[0]):
            raise _Unusable(
                UNREADABLE,
                f"{clip.key_frames[0].name}: a colour photograph, whose red, green and blue are no key frames; name "
                "three pictures as onset_image, middle_image and apex_image",
            )
        # The picture's red, green and blue are onset, middle and apex, as the paper stacks them; OpenCV reads BGR.
        key = [np.ascontiguousarray(key[0][:, :, 2 - channel]) for channel in range(3)]
    shapes = {image.shape[:2] for image in (*key, *sequence)}
    if len(shapes) > 1:
        sizes = ", ".join(f"{width}x{height}" for height, width in sorted(shapes))
        raise _Unusable(UNREADABLE, f"frames of different sizes: {sizes}")
    if _finder is None and _options.align != STABILISED:
        arrays: dict[str, NDArray[Any]] = {"frames": _resize(key), "landmarks": _no_landmarks()}
        if sequence:
            arrays["sequence"] = _resize(sequence)
        return arrays, "", None
    return _align(clip, key, sequence)


def _picture(path: Path, data: dict[Path, bytes]) -> Picture:
    return decode_picture(data[path], path.name) if path in data else read_picture(path)


def _find_faces(clip: Clip, key: list[Picture], finder: FaceFinder) -> list[Face]:
    """The face of each key frame; those after the onset near the onset's."""
    faces: list[Face] = []
    for name, number, image in zip(KEY_FRAMES, (clip.onset, clip.middle, clip.apex), key, strict=True):
        face = finder.find(to_grey(image), faces[0].box if faces else None)
        if face is None:
            frame = f" ({number})" if number >= 0 else ""
            raise _Unusable(NO_FACE, f"no face found in the {name} frame{frame}")
        faces.append(face)
    return faces


def _align(clip: Clip, key: list[Picture], sequence: list[Picture]) -> Extracted:
    """Every frame brought into the clip's crop."""
    faces: list[Face] = []
    if _finder is None:
        key, sequence = ([_squared(image) for image in images] for images in (key, sequence))
    else:
        faces = _find_faces(clip, key, _finder)
    onset_face = faces[0] if faces else None
    size = _options.size
    aligner = Aligner(key[0], onset_face, size, _options.align, _finder)
    placed = {id(key[0]): aligner.onset}  # a picture may be several frames of the clip
    for i, image in enumerate((*key, *sequence)):
        if id(image) not in placed:
            placed[id(image)] = aligner.place(image, faces[i] if i < len(faces) else None)

    def crops(images: list[Picture]) -> Picture:
        return np.stack([_core.align(image, placed[id(image)].transform, (size, size)) for image in images])

    arrays: dict[str, NDArray[Any]] = {"frames": crops(key), "landmarks": _no_landmarks()}
    for i, face in enumerate(faces):
        arrays["landmarks"][i] = _core.transform_points(face.landmarks, invert(placed[id(key[i])].transform))
    if _options.align == STABILISED:
        back = invert(aligner.onset.transform)
        head_of_key = [compose(back, placed[id(image)].transform) for image in key]
        arrays["head"] = np.stack(head_of_key).astype(np.float32)
    if sequence:
        arrays["sequence"] = crops(sequence)
    head = HeadRecord.of([frame.motion for frame in placed.values() if frame.motion is not None])
    details = [_guessed_remark(faces), _lost_remark([placed[id(image)] for image in key], list(placed.values()))]
    if head is not None:
        details.append(head.remark(onset_face.eye_distance_px if onset_face else None))
    return arrays, "; ".join(filter(None, details)), head


def _guessed_remark(faces: list[Face]) -> str:
    """What there is to say of key frames in which no face was detected; "" for nothing."""
    guessed = [name for name, face in zip(KEY_FRAMES, faces, strict=bool(faces)) if not face.detected]
    if not guessed:
        return ""
    return f"no face detected in the {' and '.join(guessed)} frame; the onset's face box was used"


def _lost_remark(key: list[Placed], placed: list[Placed]) -> str:
    """What there is to say of frames, key frames among them, in which the head's motion was lost; "" for nothing."""
    lost = [name for name, frame in zip(KEY_FRAMES, key, strict=True) if frame.lost]
    n_lost_key = len({id(frame) for frame in key if frame.lost})
    return lost_remark(lost, sum(frame.lost for frame in placed) - n_lost_key)


def _no_landmarks() -> NDArray[np.float32]:
    return np.full((3, 68, 2), np.nan, np.float32)


def _squared(image: Picture) -> Picture:
    """The picture made square as `_resize` makes it, since a similarity cannot."""
    height, width = image.shape[:2]
    return image if height == width else _resize([image])[0]


def _resize(images: list[Picture]) -> Picture:
    import cv2

    side = (_options.size, _options.size)
    greys = [to_grey(image) for image in images]
    shrinks = greys[0].shape[0] >= _options.size
    interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.stack([cv2.resize(grey, side, interpolation=interpolation) for grey in greys])
