"""Packs of made-up noise and a network of no time at all, for whatever is not about accuracy."""

from __future__ import annotations

import numpy as np

from mertool.pack import save_pack

# A network and a training of no time at all; on 32 pixels of noise.
SMALL = ("--width", "4", "--blocks", "1", "--epochs", "3", "--augmentations", "1", "--face-size", "32", "--lr", "0.02")


def make_pack(path, people, dataset="noise", seed=0, size=40, sequence=0, signal=False, faces=False):
    """A pack without landmarks; `people` gives the emotion of each clip of each person.

    `sequence` is the number of its frames from onset to offset; with `signal` a texture drifts in one quarter of an
    otherwise still picture, which one telling the emotion; with `faces` there are landmarks.
    """
    rows = [(who, f"c{number}", what) for who, emotions in people.items() for number, what in enumerate(emotions)]
    rng = np.random.default_rng(seed)
    arrays = {
        "frames": rng.integers(0, 256, (len(rows), 3, size, size), np.uint8),
        "landmarks": np.full((len(rows), 3, 68, 2), np.nan, np.float32),
        "subject": np.array([who for who, _, _ in rows]),
        "clip": np.array([name for _, name, _ in rows]),
        "emotion": np.array([what for _, _, what in rows]),
        "dataset": np.array([dataset] * len(rows)),
    }
    arrays |= {name: np.full(len(rows), k, np.int64) for k, name in enumerate(("onset", "middle", "apex", "offset"))}
    if faces:
        arrays["landmarks"][:] = _upright_face(size)
    if signal:
        arrays["sequence"] = _drifting(rng, [what for _, _, what in rows], sequence, size)
    elif sequence:
        arrays["sequence"] = rng.integers(0, 256, (len(rows), sequence, size, size), np.uint8)
    if sequence:
        arrays["frames"] = np.ascontiguousarray(arrays["sequence"][:, [0, sequence // 2, sequence - 1]])
    save_pack(path, arrays, {"settings": {}})


def _drifting(rng, emotions, length, size):
    """A still texture a clip; in the quarter of its emotion, of at most four, it moves a pixel to the left a frame."""
    kinds, half = sorted(set(emotions)), size // 2
    clips = np.empty((len(emotions), length, size, size), np.uint8)
    for clip, emotion in zip(clips, emotions, strict=True):
        texture = np.kron(rng.integers(0, 256, (half, half + length), np.uint8), np.ones((2, 2), np.uint8))
        row, column = divmod(kinds.index(emotion), 2)
        y, x = slice(half * row, half * (row + 1)), half * column
        clip[:] = texture[:, :size]
        for t in range(length):
            clip[t, y, x : x + half] = texture[y, x + t : x + t + half]
    return clips


def _upright_face(size):
    """68 landmarks of a face that fills the picture."""

    def ring(n, x, y, across, down):
        turn = np.pi - 2 * np.pi * np.arange(n) / n
        return np.column_stack([x + across * np.cos(turn), y - down * np.sin(turn)])

    def line(n, first, last):
        return np.linspace(first, last, n)

    jaw = np.pi * np.arange(17) / 16
    points = [np.column_stack([0.5 - 0.35 * np.cos(jaw), 0.45 + 0.45 * np.sin(jaw)])]
    points += [line(5, (0.22, 0.3), (0.42, 0.3)), line(5, (0.58, 0.3), (0.78, 0.3))]
    points += [line(4, (0.5, 0.4), (0.5, 0.58)), line(5, (0.43, 0.62), (0.57, 0.62))]
    points += [ring(6, 0.33, 0.4, 0.07, 0.03), ring(6, 0.67, 0.4, 0.07, 0.03)]
    points += [ring(12, 0.5, 0.75, 0.13, 0.05), ring(8, 0.5, 0.75, 0.1, 0.02)]
    return (size * np.concatenate(points)).astype(np.float32)
