"""attention.npy, the attention maps of a fold's test clips, and the maps of a whole run."""

from __future__ import annotations

import io
import shlex
import tokenize
import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import RunError
from ..files import atomic_file, read_bytes
from ..text import os_error_text
from .layout import RunFolder

__all__ = ["read_maps", "read_run_maps", "write_maps"]

_LARGEST = 2**32  # bytes of attention.npy; 100,000 clips take 100 MB

# What NumPy raises on a damaged header, depending on which byte it is; a warning is one of Python 2's.
_DAMAGE = (
    EOFError,
    MemoryError,
    OverflowError,
    RecursionError,
    SyntaxError,
    TypeError,
    ValueError,
    Warning,
    tokenize.TokenError,
)


def read_run_maps(run: Path) -> tuple[list[str], NDArray[np.float32]]:
    """Clip ids of a finished run with attention branch, and their maps, each by the network that did not see the clip.

    Returns:
        N ids, and (N, h, w) float32 in 0..1.

    Raises:
        FileError: It is not a run folder.
        RunError: A fold is not done, or its maps are missing, damaged, or not one per clip.
    """
    ids: list[str] = []
    maps: list[NDArray[np.float32]] = []
    shape: tuple[int, ...] | None = None
    resume = RunFolder(run).resume_command()
    for number, folder in enumerate(RunFolder(run).fold_folders()):
        if not folder.is_done:
            raise RunError(f'{run}: fold {number} is not done; run "{resume}"')
        names = sorted(folder.read_predictions().clip)
        try:
            maps.append(read_maps(folder.attention, len(names), shape))
        except RunError as error:
            raise RunError(f'{error}; delete {shlex.quote(str(folder.path))} and run "{resume}"') from error
        shape = maps[0].shape[1:]
        ids += names
    return ids, np.concatenate(maps)


def write_maps(path: Path, maps: NDArray[np.float32]) -> None:
    """Write attention.npy: (n, h, w) maps, one per row of predictions.csv."""
    with atomic_file(path) as stream:
        np.save(stream, maps, allow_pickle=False)


def read_maps(path: Path, n: int, shape: tuple[int, ...] | None) -> NDArray[np.float32]:
    """(n, *shape) attention maps, 0..1; of any height and width if the shape is None.

    Raises:
        RunError: They are missing, damaged, or of another shape.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            found = np.lib.format.read_array(io.BytesIO(read_bytes(path, _LARGEST)), allow_pickle=False)
    except OSError as error:
        raise RunError(f"{path}: no attention maps ({os_error_text(error)})") from error
    except _DAMAGE as error:
        raise RunError(f"{path}: damaged, not the attention maps that mertool writes") from error
    right = found.ndim == 3 and len(found) == n and found.size > 0 and shape in (None, found.shape[1:])
    if found.dtype != np.float32 or not right:
        wanted = " x ".join(map(str, shape or ("h", "w")))
        raise RunError(f"{path}: expected {n} x {wanted} of float32, got {found.shape} of {found.dtype}")
    maps = np.array(found, np.float32)
    with np.errstate(invalid="ignore"):
        if not ((maps >= 0) & (maps <= 1)).all():
            raise RunError(f"{path}: expected values from 0 to 1, got others")
    return maps
