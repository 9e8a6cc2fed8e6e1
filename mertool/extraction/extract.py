"""Clips -> pack: every clip is aligned and cropped in a worker process; nothing is done if nothing has changed."""

from __future__ import annotations

import dataclasses
import hashlib
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
from ..errors import AnnotationError, DataError, MertoolError
from ..files import check_writable, file_sha256, make_folder
from ..pack import Pack, load_pack, save_pack
from ..workers import no_interrupts, worker_pool
from .clip_rows import ClipRow, clip_row, clips_csv, write_rows
from .clip_worker import Result, extract_clip, jitter_clip, read_pictures, start_worker
from .options import STABILISED, ExtractOptions

__all__ = ["Extraction", "extract"]

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Extraction:
    """What `extract` did.

    Attributes:
        pack: The pack on disk.
        rows: One row for every clip of the annotation, as in NAME.clips.csv.
        fresh: False if the pack was there already, made with the same settings from the same files.
    """

    pack: Pack
    rows: list[ClipRow]
    fresh: bool

    @property
    def failed(self) -> int:
        """How many clips are not in the pack."""
        return sum(row["status"] != OK for row in self.rows)


def extract(
    annotations: Annotations,
    output: Path,
    options: ExtractOptions,
    *,
    landmarks: Path | None = None,
    jobs: int = 1,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Extraction:
    """Make a pack and NAME.clips.csv from annotated clips; both appear whole or not at all.

    Args:
        annotations: From `mertool.datasets.read_clips`, with the same `apex` as in the options.
        output: The pack's path, NAME.npz.
        options: What decides its content.
        landmarks: The 68-point model; not needed for aligned pictures.
        jobs: Worker processes.
        overwrite: Make the pack again even if it is there and nothing has changed.
        progress: Called with (clips done, clips in all).

    Raises:
        DataError: Not one clip could be used, or jittered; an older pack is kept.
        FileError: The output cannot be written.
    """
    source = _Source(annotations, options, landmarks)
    if not overwrite and output.exists():
        existing = source.unchanged_pack(output)
        if existing is not None:
            rows = existing.meta["rows"]
            write_rows(output, rows)
            return Extraction(existing, rows, fresh=False)
    make_folder(output.parent)
    check_writable(output)
    store = _Store(len(source.clips), options)
    results = _extract_clips(source, store, jobs, progress)
    clips = [result.clip or clip for clip, result in zip(source.clips, results, strict=True)]
    rows = [clip_row(c, r.status, r.detail, r.head) for c, r in zip(clips, results, strict=True)]
    used = [i for i, result in enumerate(results) if result.status == OK]
    if not used:
        write_rows(output, rows)
        raise _nothing_usable(output, rows)
    used_clips = [clips[i] for i in used]
    meta = {
        "dataset": annotations.dataset,
        "settings": source.settings,
        "source": source.digest([result.digests for result in results]),
        "release": annotations.release,
        "corrections": [f"{clip.id}: {clip.detail}" for clip in used_clips if clip.detail],
        "rows": rows,
    }
    save_pack(output, {**store.rows(used), **_labels(used_clips)}, meta)
    write_rows(output, rows)
    return Extraction(load_pack(output), rows, fresh=True)


class _Source:
    """All that a pack is made from: clips, tables, options, landmark model and versions.

    Args:
        annotations, options, landmarks: See `extract`.
    """

    def __init__(self, annotations: Annotations, options: ExtractOptions, landmarks: Path | None) -> None:
        self.clips = annotations.clips
        if options.jitter:
            self.clips = _with_jitter(annotations.clips, options)
        self.options = options
        self.landmarks = None if options.aligned else landmarks
        self.settings = {
            **dataclasses.asdict(options),
            "landmark_model": file_sha256(landmarks) if landmarks else None,
            "versions": _versions(options.aligned),
        }
        self._tables = "+".join(file_sha256(path) for path in annotations.tables)

    def digest(self, pictures: Sequence[tuple[str, ...]]) -> str:
        """Hash of tables, rows and pictures.

        Args:
            pictures: Of each clip, the hashes of its pictures.
        """
        rows = [[*clip_row(clip, clip.status).values()] for clip in self.clips]
        return hashlib.sha256(json.dumps([self._tables, rows, pictures]).encode()).hexdigest()

    def unchanged_pack(self, output: Path) -> Pack | None:
        """The pack on disk, if it is what would be made: same settings, tables and bytes of every picture."""
        try:
            pack = load_pack(output)
        except MertoolError:
            return None
        stored = pack.meta.get("settings")
        if not isinstance(stored, dict) or {**_NO_JITTER, **stored} != self.settings:
            return None
        pictures = [read_pictures(clip, self.options)[1] for clip in self.clips]
        return pack if pack.meta.get("source") == self.digest(pictures) else None


_NO_JITTER = {"jitter": 0, "jitter_seed": 0}  # of packs made before there was any


def _with_jitter(clips: Sequence[Clip], options: ExtractOptions) -> tuple[Clip, ...]:
    """The usable clips with onset and apex moved; if their apex is still to be found, they are only checked."""
    usable = [clip for clip in clips if clip.status == OK]
    if usable and not any(len(clip.sequence) for clip in usable):
        raise AnnotationError(
            f"extract: --jitter moves onset and apex to other frames, but none of {len(usable)} clips has numbered "
            "frames; leave it out (a manifest may give frames, onset and apex)"
        )
    if options.apex == "difference":
        return tuple(clips)
    index = lru_cache(maxsize=1)(index_frames)  # consecutive clips may come from one long video
    return tuple(jitter_clip(clip, options, index) if clip.status == OK else clip for clip in clips)


def _versions(aligned: bool) -> dict[str, str]:
    import cv2

    versions = {"mertool": __version__, "numpy": np.__version__, "opencv": str(cv2.__version__)}
    if not aligned:
        import dlib

        versions["dlib"] = str(dlib.__version__)
    return versions


def _labels(clips: Sequence[Clip]) -> dict[str, NDArray[Any]]:
    """The members of a pack that say which clips it has."""
    texts = {"clip": "name", "dataset": "dataset", "subject": "subject", "emotion": "emotion"}
    arrays: dict[str, NDArray[Any]] = {
        member: np.array([getattr(clip, attribute) for clip in clips], dtype=np.str_)
        for member, attribute in texts.items()
    }
    for name in ("onset", "middle", "apex", "offset"):
        arrays[name] = np.array([getattr(clip, name) for clip in clips], dtype=np.int64)
    return arrays


def _nothing_usable(output: Path, rows: Sequence[ClipRow]) -> DataError:
    first = next((f"{row['clip']}: {row['detail'] or row['status']}" for row in rows), "the table has no rows")
    return DataError(
        f"extract: none of {len(rows)} clips could be used ({first}); each clip's reason is in {clips_csv(output)}"
    )


class _Store:
    """The pack's large arrays, filled in place: memory is the pack's own and no more."""

    def __init__(self, n: int, options: ExtractOptions) -> None:
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

    def keep(self, i: int, result: Result) -> Result:
        """Copy a result's arrays to row `i`; gives the result without them."""
        if result.arrays is None:
            return result
        for name, array in self._arrays.items():
            array[i] = result.arrays[name]
        return dataclasses.replace(result, arrays=None)

    def rows(self, indices: Sequence[int]) -> dict[str, NDArray[Any]]:
        """The arrays with only the given rows, which must ascend; moved up in place, not copied."""
        for array in self._arrays.values():
            for to, i in enumerate(indices):
                if to != i:
                    array[to] = array[i]
        return {name: array[: len(indices)] for name, array in self._arrays.items()}


def _extract_clips(source: _Source, store: _Store, jobs: int, progress: Progress | None) -> list[Result]:
    """The result of each clip, its arrays kept in `store`."""
    clips = source.clips
    results = {i: Result(clip.status) for i, clip in enumerate(clips) if clip.status != OK}
    todo = iter([i for i in range(len(clips)) if i not in results])
    pending: dict[Future[Result], int] = {}
    pool = worker_pool(jobs, start_worker, (source.options, source.landmarks))
    try:
        with no_interrupts():
            for i in islice(todo, 2 * jobs):  # a bounded queue: results do not pile up ahead of their turn
                pending[pool.submit(extract_clip, clips[i])] = i
        while pending:
            done, _ = wait(pending, return_when=FIRST_COMPLETED)
            for future in done:
                i = pending.pop(future)
                results[i] = store.keep(i, future.result())
                for following in islice(todo, 1):
                    pending[pool.submit(extract_clip, clips[following])] = following
            if progress is not None:
                progress(len(results), len(clips))
    except BrokenProcessPool as error:
        raise DataError(
            "extract: a worker process ended unexpectedly, most likely for lack of memory; try fewer --jobs"
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    return [results[i] for i in range(len(clips))]
