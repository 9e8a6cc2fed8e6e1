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
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import __version__
from ..clips import OK, Clip
from ..datasets import Annotations
from ..datasets.frames import index_frames
from ..errors import DataError, MertoolError
from ..files import check_writable, write_text
from ..pack import Pack, file_sha256, load_pack, save_pack
from ..workers import no_interrupts, worker_pool
from .alignment import STABILISED
from .clip_worker import Options, Result, extract_clip, jitter_clip, read_pictures, start_worker

__all__ = ["Extraction", "clips_table", "extract"]

Progress = Callable[[int, int], None]


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


def extract(
    annotations: Annotations,
    output: Path,
    *,
    size: int = 256,
    align: str | None = None,
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
        size, align, aligned, sequence, apex, jitter, jitter_seed: See `Options`. By default aligned pictures are left
            as they are, and others stabilised.
        landmarks: The 68-point model; not needed with `aligned`.
        jobs: Worker processes.
        overwrite: Make the pack again even if it is there and nothing has changed.
        progress: Called with (clips done, clips in all).

    Raises:
        DataError: Not one clip could be used, or jittered; an older pack is kept.
        FileError: The output cannot be written.
    """
    align = align or ("clip" if aligned else STABILISED)
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


_OF_CLIP = ("clip", "dataset", "subject", "emotion", "onset", "middle", "apex", "offset")
_OF_HEAD = ("head_shift_px", "head_turn_deg", "head_depth_deg", "head_stable")  # empty without --align stabilised
_COLUMNS = (*_OF_CLIP, *_OF_HEAD, "status", "detail")


def _row(clip: Clip, result: Result) -> dict[str, str]:
    detail = "; ".join(text for text in (clip.detail, result.detail) if text)
    values = {name: str(getattr(clip, name)) for name in _OF_CLIP}
    head = dict.fromkeys(_OF_HEAD, "") if result.head is None else result.head.columns()
    return {**values, **head, "status": result.status, "detail": detail}


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
            if options.align == STABILISED:
                self._arrays["head"] = np.empty((n, 3, 2, 3), np.float32)
            if options.sequence:
                self._arrays["sequence"] = np.empty((n, options.sequence, *side), np.uint8)
        except MemoryError as error:
            raise DataError(
                f"extract: a pack of {n} clips would take {need / 2**30:.1f} GiB of memory; "
                "choose a smaller --size or --sequence"
            ) from error

    def keep(self, index: int, result: Result) -> Result:
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
    return tuple(jitter_clip(clip, options, index) if clip.status == OK else clip for clip in clips)


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
    digests = [read_pictures(clip, options)[1] for clip in annotations.clips]
    return pack if pack.meta.get("source") == _digest(table, annotations.clips, digests) else None


_NO_JITTER = {"jitter": 0, "jitter_seed": 0}  # of packs made before there was any


def _digest(table: str, clips: Sequence[Clip], digests: Sequence[tuple[str, ...]]) -> str:
    content = [table, [[*_row(clip, Result(clip.status, "", ())).values()] for clip in clips], digests]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _run(
    clips: Sequence[Clip], options: Options, landmarks: Path | None, jobs: int, store: _Store, progress: Progress | None
) -> list[Result]:
    results: dict[int, Result] = {}
    for index, clip in enumerate(clips):
        if clip.status != OK:
            results[index] = Result(clip.status, "", ())
    todo = iter([index for index in range(len(clips)) if index not in results])
    pending: dict[Future[Result], int] = {}
    pool = worker_pool(jobs, start_worker, (options, landmarks))
    try:
        with no_interrupts():
            for index in islice(todo, 2 * jobs):  # a bounded queue: results do not pile up ahead of their turn
                pending[pool.submit(extract_clip, clips[index])] = index
        while pending:
            done, _ = wait(pending, return_when=FIRST_COMPLETED)
            for future in done:
                index = pending.pop(future)
                results[index] = store.keep(index, future.result())
                for following in islice(todo, 1):
                    pending[pool.submit(extract_clip, clips[following])] = following
            if progress is not None:
                progress(len(results), len(clips))
    except BrokenProcessPool as error:
        raise DataError(
            "extract: a worker process ended before its time, most likely for lack of memory; try fewer --jobs"
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    return [results[index] for index in range(len(clips))]
