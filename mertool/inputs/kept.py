"""Arrays that are computed once per pack and kept beside it, in the folder NAME.features of NAME.npz.

One file holds the array of one combination of everything that it depends on; a hash of this key is part of its name.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import FileError
from ..files import file_sha256, make_folder, read_arrays, write_arrays
from ..pack import Pack

__all__ = ["KeptArray"]

_LARGEST = 2**40  # bytes


class KeptArray:
    """A place for an array beside its pack.

    Args:
        pack: The pack.
        kind: Beginning of the file's name, such as "lbp-top".
        key: Plain values that the array depends on, besides the pack.

    Attributes:
        path: The file.
        key: Everything that the array depends on, as text.
    """

    def __init__(self, pack: Pack, kind: str, key: dict[str, Any]) -> None:
        self.key = json.dumps({**key, "pack": file_sha256(pack.path), "clips": list(pack.ids)}, sort_keys=True)
        name = f"{kind}-{hashlib.sha256(self.key.encode()).hexdigest()[:16]}.npz"
        self.path = pack.path.with_suffix(".features") / name

    def load(self, shape: tuple[int, ...], dtype: type[np.generic]) -> NDArray[Any] | None:
        """The kept array; None where there is none, or another, or a damaged one: it can be computed again."""
        try:
            members = read_arrays(self.path, _LARGEST)
            array = members["array"]
            intact = str(members["key"]) == self.key and str(members["sha256"]) == _digest(array)
        except Exception:  # whatever is wrong with a kept copy, the answer is to compute it again
            return None
        if intact and array.shape == shape and array.dtype == dtype:
            return array
        return None

    def store(self, array: NDArray[Any]) -> None:
        """Keep the array for the next run; a folder that cannot be written to is no reason to fail."""
        try:
            make_folder(self.path.parent)
            write_arrays(self.path, {"key": np.array(self.key), "sha256": np.array(_digest(array)), "array": array})
        except FileError:
            return


def _digest(array: NDArray[Any]) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()
