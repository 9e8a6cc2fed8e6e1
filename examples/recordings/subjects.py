"""The subjects: portraits, and the persons made up from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import cv2
import numpy as np
from numpy.typing import NDArray

from mertool.errors import DataError, FileError, MertoolError
from mertool.extraction.faces import FaceFinder
from mertool.extraction.image_files import read_picture
from mertool.regions import FLIP68

Array = NDArray[np.float32]

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")


@dataclass(frozen=True)
class Pull:
    """One Gaussian of an action unit, for the subject's right side; the left side mirrors it.

    Attributes:
        points: Landmarks whose mean is the centre.
        lift: How far above them the centre lies, in distances of the inner eye corners.
        out, up: Direction and relative strength of the movement: away from the midline, towards the forehead.
        sigma: Extent in inter-ocular distances.
    """

    points: tuple[int, ...]
    lift: float
    out: float
    up: float
    sigma: float


# How one face becomes another person's: where, and how far (in inter-ocular distances, standard deviation).
SHAPE = (
    (Pull((36, 39), 0.0, 1.0, 0.0, 0.30), 0.045),  # eyes further apart
    (Pull((37, 38), 0.1, 0.0, 1.0, 0.12), 0.015),  # eyes more open
    (Pull((19,), 0.2, 0.0, 1.0, 0.25), 0.050),  # brows higher
    (Pull((31,), 0.0, 1.0, 0.0, 0.18), 0.030),  # nose wider
    (Pull((33,), 0.0, 0.0, 1.0, 0.25), 0.030),  # nose shorter
    (Pull((48,), 0.0, 1.0, 0.0, 0.22), 0.050),  # mouth wider
    (Pull((50,), 0.0, 0.0, 1.0, 0.15), 0.020),  # upper lip fuller
    (Pull((58,), 0.0, 0.0, 1.0, 0.18), 0.025),  # lower lip higher
    (Pull((4,), 0.0, 1.0, 0.0, 0.45), 0.080),  # jaw broader
    (Pull((1,), 0.0, 1.0, 0.0, 0.45), 0.060),  # cheekbones broader
    (Pull((7,), 0.0, 0.0, 1.0, 0.40), 0.060),  # chin shorter
)


@dataclass(frozen=True)
class Portrait:
    """A picture with a face.

    Attributes:
        name: For README.txt.
        picture: (h, w) float32 grey.
        chroma: (h, w, 3) float32, blue, green and red minus grey.
        landmarks: (68, 2) in pixels of `picture`.
    """

    name: str
    picture: Array
    chroma: Array
    landmarks: NDArray[np.float64]


@dataclass(frozen=True)
class Subject:
    """One made-up person: the portrait, and how it is shown.

    Attributes:
        portrait: Where the face comes from, for README.txt.
        picture: (h, w) float32 grey portrait with this subject's skin.
        chroma: (h, w, 3) float32, blue, green and red minus grey; zeros for a grey portrait.
        landmarks: (68, 2) in pixels of `picture`.
        iod_px: Inter-ocular distance in the recordings.
        stretch: Width over height, 1 for the portrait's own.
        shape: One number for each entry of `SHAPE`, in its standard deviations; zeros for the portrait's own face.
        light: Brightness slope to the right and downwards, as a share of the mean over half the picture.
        strength: How strongly this person moves, about 1.
    """

    portrait: str
    picture: Array
    chroma: Array
    landmarks: NDArray[np.float64]
    iod_px: float
    stretch: float
    shape: NDArray[np.float64]
    light: tuple[float, float]
    strength: float


def load_portraits(folder: Path | None, finder: FaceFinder) -> list[Portrait]:
    """Every portrait with a face; the others are named on stderr and left out."""
    if folder is None:
        import skimage.data

        pictures = {"scikit-image's astronaut": np.ascontiguousarray(skimage.data.astronaut()[..., ::-1])}
    else:
        pictures = {}
        for path in portrait_files(folder):
            try:
                pictures[path.relative_to(folder).as_posix()] = read_picture(path)
            except MertoolError as error:
                click.echo(f"left out: {error}", err=True)
    portraits = []
    for name, picture in pictures.items():
        grey = picture if picture.ndim == 2 else cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
        colour = cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR) if picture.ndim == 2 else picture
        face = finder.find(grey)
        if face is None:
            click.echo(f"left out: {name}: no face found", err=True)
            continue
        points = face.landmarks.astype(np.float64)
        shrink = 150.0 / inter_ocular(points)
        if shrink < 1:  # a frame never shows more detail; and one remap cannot shrink without aliasing
            grey = cv2.resize(grey, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
            colour = cv2.resize(colour, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
            points = (points + 0.5) * shrink - 0.5
        portraits.append(
            Portrait(
                name, grey.astype(np.float32), colour.astype(np.float32) - grey[..., None].astype(np.float32), points
            )
        )
    if not portraits:
        raise DataError(f"{folder}: no usable portrait; expected pictures with a frontal face, or SUBJECT/neutral.jpg")
    return portraits


def portrait_files(folder: Path) -> list[Path]:
    """`folder`/SUBJECT/neutral.* where there are such files, else every picture in `folder`."""
    try:
        neutral = sorted(path for path in folder.glob("*/neutral.*") if path.suffix.lower() in SUFFIXES)
        return neutral or sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    except OSError as error:
        raise FileError(f"{folder}: cannot read this folder: {(error.strerror or str(error)).lower()}") from error


def inter_ocular(points: NDArray[np.float64]) -> float:
    """Distance of the eyes' centres in pixels."""
    return float(np.linalg.norm(points[36:42].mean(0) - points[42:48].mean(0)))


def make_subjects(portraits: Sequence[Portrait], count: int, seed: int) -> list[Subject]:
    """`count` subjects: each portrait as it is, or, where there are too few, each several times as other persons."""
    subjects = []
    for index in range(count):
        rng = np.random.default_rng([seed, 1, index])
        portrait = portraits[index % len(portraits)]
        picture, chroma, points = portrait.picture, portrait.chroma, portrait.landmarks
        altered = count > len(portraits)
        shape, stretch, gamma, bias = np.zeros(len(SHAPE)), 1.0, rng.uniform(0.85, 1.15), 0.0
        if altered:
            if rng.random() < 0.5:
                picture, chroma = np.ascontiguousarray(picture[:, ::-1]), np.ascontiguousarray(chroma[:, ::-1])
                points = (points * [-1, 1] + [picture.shape[1] - 1, 0])[FLIP68]
            shape = np.clip(rng.standard_normal(len(SHAPE)), -1.2, 1.2)
            stretch, gamma, bias = rng.uniform(0.92, 1.08), rng.uniform(0.75, 1.6), rng.uniform(0, 25)
            blotches = rng.standard_normal((picture.shape[0] // 12 + 2, picture.shape[1] // 12 + 2)).astype(np.float32)
            size = (picture.shape[1], picture.shape[0])
            picture = picture * (1 + 0.035 * cv2.resize(blotches, size, interpolation=cv2.INTER_CUBIC))
        tone = 255 * np.clip(picture / 255, 0, 1) ** gamma * rng.uniform(0.75, 0.95) + bias
        small = inter_ocular(points) < 60  # little detail: do not blow it up further than a face needs
        subjects.append(
            Subject(
                portrait=portrait.name,
                picture=tone.astype(np.float32),
                chroma=0.8 * chroma,
                landmarks=points,
                iod_px=rng.uniform(95, 115) if small else rng.uniform(105, 135),
                stretch=stretch,
                shape=shape,
                light=tuple(rng.uniform(-0.25, 0.25, 2) * (1.0 if altered else 0.5)),
                strength=rng.uniform(0.75, 1.3),
            )
        )
    return subjects
