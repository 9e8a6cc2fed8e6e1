"""Clips -> pack: decode the key frames, find the face, bring every frame of a clip into one aligned crop."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import io
import json
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from . import __version__
from .apex import ApexFinder
from .clips import NO_FACE, OK, UNREADABLE, Clip
from .datasets import Annotations
from .datasets.annotations import with_apex
from .datasets.frames import Frames, index_frames
from .datasets.jitter import around, with_jitter
from .errors import DataError, MertoolError
from .files import check_writable, write_text
from .pack import Pack, file_sha256, load_pack, save_pack
from .regions import crop_transform, invert
from .workers import no_interrupts, worker_pool

if TYPE_CHECKING:
    from .faces import Face, FaceFinder

__all__ = ["Extraction", "clips_table", "extract"]

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Options:
    """What decides the content of a pack, beside the recordings themselves.

    Attributes:
        size: Side S of the crop in pixels.
        align: "clip" (one similarity a clip, from the onset's landmarks) or "frame" (each frame by its own).
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
class Extraction:
    """What `extract` did.

    Attributes:
        pack: The pack as it lies on disk.
        rows: One row for every clip of the annotation, as in NAME.clips.csv.
        fresh: False when the pack was already there, made with the same settings from the same files.
    """

    pack: Pack
    rows: list[dict[str, str]]
    fresh: bool

    @property
    def failed(self) -> int:
        """How many clips are not in the pack."""
        return sum(row["status"] != OK for row in self.rows)


@dataclass(frozen=True, slots=True)
class _Result:
    status: str
    detail: str
    digests: tuple[str, ...]
    arrays: dict[str, NDArray[Any]] | None = None
    clip: Clip | None = None  # as it was used, where the pictures decided that (--apex difference)


def extract(
    annotations: Annotations,
    output: Path,
    *,
    size: int = 256,
    align: str = "clip",
    aligned: bool = False,
    sequence: int = 0,
    apex: str = "table",
    jitter: int = 0,
    jitter_seed: int = 0,
    landmarks: Path | None = None,
    jobs: int = 1,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Extraction:
    """Make a pack and NAME.clips.csv from annotated clips; both appear whole or not at all.

    Args:
        annotations: What a reader of `mertool.datasets` found.
        output: The pack's path, NAME.npz.
        size, align, aligned, sequence, apex, jitter, jitter_seed: See `Options`.
        landmarks: The 68-point model; not needed with `aligned`.
        jobs: Worker processes.
        overwrite: Make the pack again even if it is there and nothing has changed.
        progress: Called with (clips done, clips in all).

    Raises:
        DataError: Not one clip could be used, or jittered; an older pack is kept.
        FileError: The output cannot be written.
    """
    options = Options(size, align, aligned, sequence, apex, jitter, jitter_seed if jitter else 0)
    if jitter:
        annotations = dataclasses.replace(annotations, clips=_jittered(annotations.clips, options))
    settings = {**dataclasses.asdict(options), "landmark_model": file_sha256(landmarks) if landmarks else None}
    settings["versions"] = _versions(aligned)
    table = "+".join(file_sha256(path) for path in annotations.tables)
    if not overwrite and output.exists():
        existing = _unchanged(annotations, output, options, settings, table)
        if existing is not None:
            rows = existing.meta["rows"]
            _write_rows(output, rows)
            return Extraction(existing, rows, fresh=False)
    check_writable(output)
    store = _Store(len(annotations.clips), options)
    results = _run(annotations.clips, options, None if aligned else landmarks, jobs, store, progress)
    clips = [result.clip or clip for clip, result in zip(annotations.clips, results, strict=True)]
    rows = [_row(clip, result) for clip, result in zip(clips, results, strict=True)]
    used = [index for index, result in enumerate(results) if result.status == OK]
    if not used:
        _write_rows(output, rows)
        first = next((f"{row['clip']}: {row['detail'] or row['status']}" for row in rows), "the table has no rows")
        raise DataError(
            f"extract: none of {len(rows)} clips could be used ({first}); "
            f"each clip's reason stands in {_rows_path(output)}"
        )
    corrections = [f"{clips[index].id}: {clips[index].detail}" for index in used if clips[index].detail]
    clips = [clips[index] for index in used]
    arrays: dict[str, NDArray[Any]] = store.rows(used)
    for name in ("clip", "dataset", "subject", "emotion"):
        arrays[name] = np.array([getattr(clip, name) for clip in clips], dtype=np.str_)
    for name in ("onset", "middle", "apex", "offset"):
        arrays[name] = np.array([getattr(clip, name) for clip in clips], dtype=np.int64)
    digest = _digest(table, annotations.clips, [result.digests for result in results])
    meta = {
        "dataset": annotations.dataset,
        "settings": settings,
        "source": digest,
        "release": annotations.release,
        "corrections": corrections,
        "rows": rows,
    }
    save_pack(output, arrays, meta)
    _write_rows(output, rows)
    return Extraction(load_pack(output), rows, fresh=True)


def clips_table(rows: Sequence[dict[str, str]]) -> str:
    """The text of NAME.clips.csv: one row for every clip of the annotation."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, _COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()


_COLUMNS = ("clip", "dataset", "subject", "emotion", "onset", "middle", "apex", "offset", "status", "detail")


def _row(clip: Clip, result: _Result) -> dict[str, str]:
    detail = "; ".join(text for text in (clip.detail, result.detail) if text)
    values = {name: str(getattr(clip, name)) for name in _COLUMNS[:8]}
    return {**values, "status": result.status, "detail": detail}


def _rows_path(output: Path) -> Path:
    return output.with_name(f"{output.stem}.clips.csv")


def _write_rows(output: Path, rows: Sequence[dict[str, str]]) -> None:
    path, text = _rows_path(output), clips_table(rows)
    if not path.exists() or path.read_bytes() != text.encode():
        write_text(path, text)


def _versions(aligned: bool) -> dict[str, str]:
    import cv2

    versions = {"mertool": __version__, "numpy": np.__version__, "opencv": str(cv2.__version__)}
    if not aligned:
        import dlib

        versions["dlib"] = str(dlib.__version__)
    return versions


class _Store:
    """The pack's large arrays, filled in place: memory is the pack's own and no more."""

    def __init__(self, n: int, options: Options) -> None:
        side = (options.size, options.size)
        need = n * (3 + options.sequence) * options.size**2
        try:
            self._arrays: dict[str, NDArray[Any]] = {
                "frames": np.empty((n, 3, *side), np.uint8),
                "landmarks": np.empty((n, 3, 68, 2), np.float32),
            }
            if options.sequence:
                self._arrays["sequence"] = np.empty((n, options.sequence, *side), np.uint8)
        except MemoryError as error:
            raise DataError(
                f"extract: a pack of {n} clips would take {need / 2**30:.1f} GiB of memory; "
                "choose a smaller --size or --sequence"
            ) from error

    def keep(self, index: int, result: _Result) -> _Result:
        """Copy a result's arrays to row `index`; gives the result without them."""
        if result.arrays is None:
            return result
        for name, array in self._arrays.items():
            array[index] = result.arrays[name]
        return dataclasses.replace(result, arrays=None)

    def rows(self, indices: Sequence[int]) -> dict[str, NDArray[Any]]:
        """The arrays with only the given rows, which must ascend; moved up in place, not copied."""
        for array in self._arrays.values():
            for place, index in enumerate(indices):
                if place != index:
                    array[place] = array[index]
        return {name: array[: len(indices)] for name, array in self._arrays.items()}


def _jittered(clips: Sequence[Clip], options: Options) -> tuple[Clip, ...]:
    """The usable clips with onset and apex moved; where their apex is still to be found, they are only checked."""
    usable = [clip for clip in clips if clip.status == OK]
    if usable and not any(len(clip.sequence) for clip in usable):
        raise DataError(
            f"extract: --jitter moves onset and apex to other frames, but none of {len(usable)} clips has numbered "
            "frames; leave it out (a manifest may give frames, onset and apex)"
        )
    if options.apex == "difference":
        return tuple(clips)
    index = lru_cache(maxsize=1)(index_frames)  # of a long video come many clips, one after the other
    return tuple(_jitter(clip, options, index) if clip.status == OK else clip for clip in clips)


def _jitter(clip: Clip, options: Options, index: Callable[[Path], Frames] = index_frames) -> Clip:
    folder = clip.sequence.folder
    frames = Frames(Path(), {}, {}) if folder is None else index(folder)
    return with_jitter(clip, frames, options.jitter, options.jitter_seed)


# Whether the pack on disk is what this run would make: same settings, same table, same bytes of every picture used.


def _unchanged(
    annotations: Annotations, output: Path, options: Options, settings: dict[str, Any], table: str
) -> Pack | None:
    try:
        pack = load_pack(output)
    except MertoolError:
        return None
    stored = pack.meta.get("settings")
    if not isinstance(stored, dict) or {**_NO_JITTER, **stored} != settings:
        return None
    digests = [_read_all(clip, options)[1] for clip in annotations.clips]
    return pack if pack.meta.get("source") == _digest(table, annotations.clips, digests) else None


_NO_JITTER = {"jitter": 0, "jitter_seed": 0}  # of packs made before there was any


def _digest(table: str, clips: Sequence[Clip], digests: Sequence[tuple[str, ...]]) -> str:
    content = [table, [[*_row(clip, _Result(clip.status, "", ())).values()] for clip in clips], digests]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


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


def _read_all(clip: Clip, options: Options) -> tuple[dict[Path, bytes], tuple[str, ...]]:
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


# The work, in worker processes.

_finder: FaceFinder | None = None
_options: Options


def _start(options: Options, landmarks: Path | None) -> None:
    import cv2

    global _finder, _options
    cv2.setNumThreads(1)
    _options = options
    if landmarks is not None:
        from .faces import FaceFinder

        _finder = FaceFinder(landmarks)


def _run(
    clips: Sequence[Clip], options: Options, landmarks: Path | None, jobs: int, store: _Store, progress: Progress | None
) -> list[_Result]:
    results: dict[int, _Result] = {}
    for index, clip in enumerate(clips):
        if clip.status != OK:
            results[index] = _Result(clip.status, "", ())
    todo = iter([index for index in range(len(clips)) if index not in results])
    pending: dict[Future[_Result], int] = {}
    pool = worker_pool(jobs, _start, (options, landmarks))
    try:
        with no_interrupts():
            for index in islice(todo, 2 * jobs):  # a bounded queue: results do not pile up ahead of their turn
                pending[pool.submit(_extract_clip, clips[index])] = index
        while pending:
            done, _ = wait(pending, return_when=FIRST_COMPLETED)
            for future in done:
                index = pending.pop(future)
                results[index] = store.keep(index, future.result())
                for following in islice(todo, 1):
                    pending[pool.submit(_extract_clip, clips[following])] = following
            if progress is not None:
                progress(len(results), len(clips))
    except BrokenProcessPool as error:
        raise DataError(
            "extract: a worker process ended before its time, most likely for lack of memory; try fewer --jobs"
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    return [results[index] for index in range(len(clips))]


def _extract_clip(clip: Clip) -> _Result:
    data, digests = _read_all(clip, _options)
    try:
        if _options.apex == "difference":
            found = _find_apex(clip, data)
            if isinstance(found, str):
                return _Result(NO_FACE, found, digests)
            clip = found
            if clip.status != OK:
                return _Result(clip.status, "", digests, clip=clip)
            if _options.jitter:
                clip = _jitter(clip, _options)
        result = _extract_frames(clip, data, digests)
    except MertoolError as error:
        return _Result(UNREADABLE, str(error), digests)
    return dataclasses.replace(result, clip=clip)


def _find_apex(clip: Clip, data: dict[Path, bytes]) -> Clip | str:
    """The clip with the apex that its frames show; or why there is none."""
    later = [(number, path) for number, path in clip.sequence if number > clip.onset]
    if not later:
        return with_apex(clip, clip.onset, _options.apex)
    onset = _grey(_picture(clip.key_frames[0], data))
    transform = None
    if _finder is not None:
        face = _finder.find(onset)
        if face is None:
            return f"no face found in the onset frame ({clip.onset})"
        transform = crop_transform(face.landmarks, ApexFinder.SIDE)
    finder = ApexFinder(onset, transform)
    amounts = [finder.amount(_grey(_picture(path, data))) for _, path in later]
    return with_apex(clip, later[finder.largest(amounts)][0], _options.apex)


def _extract_frames(clip: Clip, data: dict[Path, bytes], digests: tuple[str, ...]) -> _Result:
    decoded = {path: _picture(path, data) for path in (*clip.key_frames, *_sequence_files(clip, _options.sequence))}
    key = [decoded[path] for path in clip.key_frames]
    extra = [decoded[path] for path in _sequence_files(clip, _options.sequence)]
    if _options.sequence and not extra:
        return _Result(UNREADABLE, "no frames between onset and offset for --sequence", digests)
    if clip.channels:
        if key[0].ndim != 3:
            return _Result(UNREADABLE, f"{clip.key_frames[0].name}: grey; expected three channels", digests)
        # The picture's red, green and blue are onset, middle and apex, as the paper stacks them; OpenCV reads BGR.
        key = [np.ascontiguousarray(key[0][:, :, 2 - channel]) for channel in range(3)]
    shapes = {image.shape[:2] for image in (*key, *extra)}
    if len(shapes) > 1:
        sizes = ", ".join(f"{width}x{height}" for height, width in sorted(shapes))
        return _Result(UNREADABLE, f"frames of different sizes: {sizes}", digests)
    if _finder is None:
        arrays: dict[str, NDArray[Any]] = {"frames": _resize(key), "landmarks": np.full((3, 68, 2), np.nan, np.float32)}
        if extra:
            arrays["sequence"] = _resize(extra)
        return _Result(OK, "", digests, arrays)
    return _align(clip, key, extra, digests, _finder)


def _picture(path: Path, data: dict[Path, bytes]) -> NDArray[np.uint8]:
    from .pictures import decode_picture, read_picture

    return decode_picture(data[path], path.name) if path in data else read_picture(path)


def _align(
    clip: Clip,
    key: list[NDArray[np.uint8]],
    extra: list[NDArray[np.uint8]],
    digests: tuple[str, ...],
    finder: FaceFinder,
) -> _Result:
    from . import _core

    faces: list[Face] = []
    for name, number, image in zip(("onset", "middle", "apex"), (clip.onset, clip.middle, clip.apex), key, strict=True):
        face = finder.find(_grey(image), faces[0].box if faces else None)
        if face is None:
            return _Result(
                NO_FACE, f"no face found in the {name} frame{f' ({number})' if number >= 0 else ''}", digests
            )
        faces.append(face)
    guessed = [name for name, face in zip(("onset", "middle", "apex"), faces, strict=True) if not face.detected]
    detail = f"no face detected in the {' and '.join(guessed)} frame; the onset's face box was used" if guessed else ""

    size = _options.size
    common = crop_transform(faces[0].landmarks, size)
    crops, points = [], []
    for image, face in zip(key, faces, strict=True):
        transform = common if _options.align == "clip" else crop_transform(face.landmarks, size)
        crops.append(_core.align(image, transform, (size, size)))
        points.append(_core.transform_points(face.landmarks, invert(transform)))
    sequence = []
    for image in extra:
        transform = common
        if _options.align == "frame":
            face = finder.find(_grey(image), faces[0].box)
            transform = crop_transform(face.landmarks, size) if face is not None else common
        sequence.append(_core.align(image, transform, (size, size)))
    arrays: dict[str, NDArray[Any]] = {"frames": np.stack(crops), "landmarks": np.stack(points)}
    if sequence:
        arrays["sequence"] = np.stack(sequence)
    return _Result(OK, detail, digests, arrays)


def _grey(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    import cv2

    return image if image.ndim == 2 else np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), np.uint8)


def _resize(images: list[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    import cv2

    side = (_options.size, _options.size)
    greys = [_grey(image) for image in images]
    shrinks = greys[0].shape[0] >= _options.size
    return np.stack(
        [cv2.resize(grey, side, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR) for grey in greys]
    )
