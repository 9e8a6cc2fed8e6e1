"""Make up recordings of micro-expressions, shaped like SAMM on disk, by moving the faces of still portraits.

Nobody in these recordings feels anything: smooth displacement fields, placed by landmarks, move the skin as action
units do, by 0.5 to 3 pixels at an inter-ocular distance of 100. They are good for trying the commands, for tests, and
for seeing that a method finds tiny movements at all; they say nothing about accuracy on real recordings.
"""

from __future__ import annotations

import importlib.util
import io
import re
import sys
import zipfile
from collections.abc import Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

import click
import cv2
import numpy as np
from numpy.typing import NDArray

from mertool.errors import DataError, FileError, MertoolError
from mertool.faces import FaceFinder, find_landmark_model
from mertool.pictures import read_picture
from mertool.regions import FLIP68, face_frame
from mertool.workers import available_cores, worker_pool

Array = NDArray[np.float32]

WIDTH, HEIGHT = 960, 650  # of SAMM's released frames
TABLE = "SAMM_Micro_FACS_Codes_v2.xlsx"
SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")

# Share of each emotion, as unbalanced as SAMM; then what SAMM has beside the six.
BASIC = {"Anger": 0.40, "Happiness": 0.21, "Surprise": 0.13, "Disgust": 0.09, "Fear": 0.09, "Sadness": 0.08}
FEWEST = 6  # clips of an emotion, so that five folds can hold it
FURTHER = ("Other", "Contempt")

# Which action units an emotion shows, with probability; the first is shown if none of them is drawn.
PROTOTYPES = {
    "Anger": {4: 0.9, 7: 0.6, 5: 0.4, 23: 0.5},
    "Happiness": {12: 0.95, 6: 0.6, 25: 0.2},
    "Surprise": {1: 0.8, 2: 0.8, 5: 0.5, 26: 0.5},
    "Disgust": {9: 0.7, 10: 0.7, 4: 0.2, 15: 0.2},
    "Fear": {20: 0.7, 5: 0.7, 1: 0.6, 2: 0.4, 4: 0.5, 25: 0.2},
    "Sadness": {15: 0.8, 1: 0.7, 4: 0.4, 17: 0.5},
    "Contempt": {14: 1.0, 12: 0.3},
    "Other": {17: 0.3, 4: 0.3, 7: 0.3, 12: 0.3, 14: 0.3, 24: 0.3, 2: 0.3},
}
OBJECTIVE = {"Happiness": 1, "Surprise": 2, "Anger": 3, "Disgust": 4, "Sadness": 5, "Fear": 6}  # all others: 7


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


# Centres after JAA-Net's rule (brow, lid, cheek, nose, lip and chin points of FACS), extents by eye.
ACTION_UNITS = {
    1: (Pull((20, 21), 0.15, 0.0, 1.0, 0.20),),  # inner brow raised
    2: (Pull((18,), 0.15, 0.1, 1.0, 0.20),),  # outer brow raised
    4: (Pull((20, 21), 0.0, -0.6, -0.8, 0.20), Pull((19,), 0.0, -0.2, -0.5, 0.20)),  # brows lowered and together
    5: (Pull((37, 38), 0.05, 0.0, 1.0, 0.09),),  # upper lid raised
    6: (Pull((41,), -0.8, 0.1, 1.0, 0.25), Pull((36,), -0.1, -0.3, 0.3, 0.12)),  # cheek raised
    7: (Pull((40, 41), 0.0, 0.0, 1.0, 0.09), Pull((37, 38), 0.0, 0.0, -0.5, 0.09)),  # lids tightened
    9: (Pull((31,), 0.4, 0.2, 1.0, 0.16), Pull((21,), 0.0, -0.2, -0.5, 0.15)),  # nose wrinkled
    10: (Pull((50,), 0.1, 0.0, 1.0, 0.15), Pull((31, 48), 0.0, 0.1, 0.6, 0.18)),  # upper lip raised
    12: (Pull((48,), 0.0, 0.9, 0.7, 0.20), Pull((41,), -0.9, 0.1, 0.4, 0.25)),  # lip corner pulled up and out
    14: (Pull((48,), 0.0, -0.9, 0.1, 0.12),),  # lip corner tightened inwards
    15: (Pull((48,), -0.05, 0.1, -1.0, 0.17),),  # lip corner lowered
    17: (Pull((58, 7), 0.0, 0.0, 1.0, 0.20), Pull((58,), 0.0, 0.0, 0.6, 0.14)),  # chin raised
    20: (Pull((48,), -0.1, 1.0, -0.25, 0.22),),  # lips stretched
    23: (Pull((50,), 0.0, 0.0, -0.7, 0.12), Pull((58,), 0.0, 0.0, 0.7, 0.12), Pull((48,), 0.0, -0.4, 0.0, 0.12)),
    24: (Pull((50,), 0.0, 0.0, -1.0, 0.13), Pull((58,), 0.0, 0.0, 1.0, 0.13)),  # lips pressed (23: tightened)
    25: (Pull((58,), 0.0, 0.0, -1.0, 0.13), Pull((50,), 0.0, 0.0, 0.3, 0.12)),  # lips parted
    26: (Pull((58, 7), 0.0, 0.0, -1.0, 0.28),),  # jaw dropped
}

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
class Subject:
    """One made-up person: the portrait, and how it is shown.

    Attributes:
        name: Three digits, as in SAMM.
        portrait: Where the face comes from, for README.txt.
        picture: (h, w) float32 grey portrait with this subject's skin.
        landmarks: (68, 2) in pixels of `picture`.
        iod_px: Inter-ocular distance in the recordings.
        stretch: Width over height, 1 for the portrait's own.
        shape: One number for each entry of `SHAPE`, in its standard deviations; zeros for the portrait's own face.
        light: Brightness slope to the right and downwards, as a share of the mean over half the picture.
        strength: How strongly this person moves, about 1.
    """

    name: str
    portrait: str
    picture: Array
    landmarks: NDArray[np.float64]
    iod_px: float
    stretch: float
    shape: NDArray[np.float64]
    light: tuple[float, float]
    strength: float


@dataclass(frozen=True)
class Recording:
    """One clip to make: a row of the table, and the numbers that its random generator starts from."""

    subject: int
    name: str
    inducement: int
    emotion: str
    onset: int
    apex: int
    offset: int
    digits: int
    seed: tuple[int, ...]


# Portraits and subjects


def load_portraits(folder: Path | None, finder: FaceFinder) -> list[tuple[str, Array, NDArray[np.float64]]]:
    """(name, grey picture, landmarks) of every portrait with a face; the others are named on stderr and left out."""
    if folder is None:
        import skimage.data

        pictures = {"scikit-image's astronaut": cv2.cvtColor(skimage.data.astronaut(), cv2.COLOR_RGB2GRAY)}
    else:
        pictures = {}
        for path in portrait_files(folder):
            try:
                picture = read_picture(path)
            except MertoolError as error:
                click.echo(f"left out: {error}", err=True)
                continue
            grey = picture if picture.ndim == 2 else cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
            pictures[path.relative_to(folder).as_posix()] = grey
    portraits = []
    for name, grey in pictures.items():
        face = finder.find(grey)
        if face is None:
            click.echo(f"left out: {name}: no face found", err=True)
            continue
        points = face.landmarks.astype(np.float64)
        shrink = 150.0 / inter_ocular(points)
        if shrink < 1:  # a frame never shows more detail; and one remap cannot shrink without aliasing
            grey = cv2.resize(grey, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
            points = (points + 0.5) * shrink - 0.5
        portraits.append((name, grey.astype(np.float32), points))
    if not portraits:
        raise DataError(f"{folder}: no usable portrait; expected pictures with a frontal face, or PERSON/neutral.jpg")
    return portraits


def portrait_files(folder: Path) -> list[Path]:
    """`folder`/PERSON/neutral.* where there are such files, else every picture in `folder`."""
    try:
        neutral = sorted(path for path in folder.glob("*/neutral.*") if path.suffix.lower() in SUFFIXES)
        return neutral or sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    except OSError as error:
        raise FileError(f"{folder}: cannot read this folder: {(error.strerror or str(error)).lower()}") from error


def inter_ocular(points: NDArray[np.float64]) -> float:
    """Distance of the eyes' centres in pixels."""
    return float(np.linalg.norm(points[36:42].mean(0) - points[42:48].mean(0)))


def make_subjects(portraits: Sequence[tuple[str, Array, NDArray[np.float64]]], count: int, seed: int) -> list[Subject]:
    """`count` subjects: each portrait as it is, or, where there are too few, each several times as other persons."""
    numbers = [n for n in range(6, 7 + count + 4) if n not in (8, 27, 29)][:count]  # SAMM has no 008, 027 and 029
    subjects = []
    for index, number in enumerate(numbers):
        rng = np.random.default_rng([seed, 1, index])
        name, picture, points = portraits[index % len(portraits)]
        altered = count > len(portraits)
        shape, stretch, gamma, bias = np.zeros(len(SHAPE)), 1.0, rng.uniform(0.85, 1.15), 0.0
        if altered:
            if rng.random() < 0.5:
                picture = np.ascontiguousarray(picture[:, ::-1])
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
                name=f"{number:03d}",
                portrait=name,
                picture=tone.astype(np.float32),
                landmarks=points,
                iod_px=rng.uniform(95, 115) if small else rng.uniform(105, 135),
                stretch=stretch,
                shape=shape,
                light=tuple(rng.uniform(-0.25, 0.25, 2) * (1.0 if altered else 0.5)),
                strength=rng.uniform(0.75, 1.3),
            )
        )
    return subjects


# The table's rows


def plan_recordings(subjects: Sequence[Subject], clips: int, length: tuple[int, int], seed: int) -> list[Recording]:
    """`clips` recordings of the six basic emotions a subject, and some of further ones, two with an impossible apex."""
    rng = np.random.default_rng([seed, 2])
    deck = np.array(deal(clips * len(subjects)))
    rng.shuffle(deck)
    hands = [list(deck[k :: len(subjects)]) for k in range(len(subjects))]
    further = max(2, len(subjects) // 3)
    for k, hand in enumerate(rng.choice(len(subjects), further, replace=further > len(subjects))):
        hands[hand].append(FURTHER[k % 2])
    recordings = []
    impossible = [10, -1000]  # how far the apex slips: behind the offset, far before the onset
    for index, (subject, hand) in enumerate(zip(subjects, hands, strict=True)):
        serials: dict[int, int] = {}
        frames: dict[int, int] = {}
        digits = {video: 5 if rng.random() < 0.25 else 4 for video in range(1, 8)}  # fixed for a source video
        for number, emotion in enumerate(hand):
            video = int(rng.integers(1, 8))
            serials[video] = serials.get(video, 0) + int(rng.integers(1, 5))
            onset = frames.get(video, int(rng.integers(1001, 3000))) + int(rng.integers(5, 300))
            duration = int(rng.integers(length[0], length[1] + 1))
            offset = onset + duration - 1
            apex = onset + round((duration - 1) * rng.uniform(0.36, 0.64))
            if emotion in FURTHER and impossible:
                slip = impossible.pop()
                apex = (offset if slip > 0 else onset) + slip
            frames[video] = offset
            recordings.append(
                Recording(
                    subject=index,
                    name=f"{subject.name}_{video}_{serials[video]}",
                    inducement=video,
                    emotion=str(emotion),
                    onset=onset,
                    apex=apex,
                    offset=offset,
                    digits=digits[video],
                    seed=(seed, 3, index, number),
                )
            )
    return sorted(recordings, key=lambda r: (r.subject, [int(part) for part in r.name.split("_")]))


def deal(total: int) -> list[str]:
    """`total` basic emotions: at least `FEWEST` of each where possible, the rest so that the shares are `BASIC`'s."""
    counts = dict.fromkeys(BASIC, min(FEWEST, total // len(BASIC)))
    while sum(counts.values()) < total:
        counts[max(BASIC, key=lambda emotion: BASIC[emotion] * total - counts[emotion])] += 1
    return [emotion for emotion, count in counts.items() for _ in range(count)]


# Movement


@dataclass(frozen=True)
class Expression:
    """Action units with strengths, and the share of the movement on the subject's right and left side."""

    units: dict[int, float]
    sides: tuple[float, float]

    def __str__(self) -> str:
        side = "R" if self.sides[1] < 0.5 * self.sides[0] else "L" if self.sides[0] < 0.5 * self.sides[1] else ""
        return "+".join(f"{side}{unit}" for unit in sorted(self.units))


def draw_expression(emotion: str, rng: np.random.Generator) -> Expression:
    """Some of an emotion's action units, as in SAMM rarely all of them, more or less one-sided."""
    chances = PROTOTYPES[emotion]
    shown = [unit for unit, chance in chances.items() if rng.random() < chance] or [next(iter(chances))]
    units = {unit: float(rng.uniform(0.5, 1.0)) for unit in shown}
    if rng.random() < 0.2:  # something else that the face does at the same time
        units.setdefault(int(rng.choice(list(ACTION_UNITS))), 0.35)
    one_sided = emotion == "Contempt" or rng.random() < 0.15
    weak = rng.uniform(0.0, 0.35) if one_sided else rng.uniform(0.65, 1.0)
    return Expression(units, (1.0, float(weak)) if rng.random() < 0.5 else (float(weak), 1.0))


def gaussian_field(pulls: Sequence[tuple[Pull, float, float]], landmarks: NDArray[np.float64], iod_px: float) -> Array:
    """(H, W, 2) displacement in pixels: sum of Gaussians, each with a gain in pixels for the right and left side."""
    frame = face_frame(landmarks)
    field = np.zeros((HEIGHT, WIDTH, 2), np.float32)
    for pull, *gains in pulls:
        for side, gain in enumerate(gains):
            points = landmarks[list(pull.points) if side == 0 else FLIP68[list(pull.points)]]
            centre = points.mean(0) + pull.lift * frame.inner * frame.up
            outwards = -frame.across if side == 0 else frame.across
            move = gain * (pull.out * outwards + pull.up * frame.up)
            x = np.exp(-0.5 * ((np.arange(WIDTH) - centre[0]) / (pull.sigma * iod_px)) ** 2).astype(np.float32)
            y = np.exp(-0.5 * ((np.arange(HEIGHT) - centre[1]) / (pull.sigma * iod_px)) ** 2).astype(np.float32)
            bell = np.multiply.outer(y, x)
            for axis in range(2):
                if move[axis] != 0:
                    field[..., axis] += np.float32(move[axis]) * bell
    return field


def pose(subject: Subject, rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """How this clip shows the portrait: (2, 3) portrait pixel -> frame pixel, the landmarks there, their IOD."""
    frame = face_frame(subject.landmarks)
    iod_px = subject.iod_px * rng.uniform(0.98, 1.02)
    roll = np.deg2rad(rng.uniform(-2.5, 2.5))
    turn = np.array([[np.cos(roll), -np.sin(roll)], [np.sin(roll), np.cos(roll)]])
    upright = np.stack([frame.across, -frame.up])
    linear = iod_px / inter_ocular(subject.landmarks) * turn @ np.diag([1.0, 1 / subject.stretch]) @ upright
    eyes = subject.landmarks[36:48].mean(0)
    place = np.array([WIDTH / 2, 0.42 * HEIGHT]) + rng.uniform(-12, 12, 2)
    transform = np.concatenate([linear, (place - linear @ eyes)[:, None]], 1)
    return transform, subject.landmarks @ linear.T + transform[:, 2], iod_px


def shape_field(subject: Subject, landmarks: NDArray[np.float64], iod_px: float) -> tuple[Array, NDArray[np.float64]]:
    """The other person's shape: (H, W, 2) frame pixel -> displacement into the portrait, and the landmarks after it."""
    pulls = []
    for (pull, deviation), value in zip(SHAPE, subject.shape, strict=True):
        gain = float(-value * deviation * iod_px)
        pulls.append((pull, gain, gain))
    field = gaussian_field(pulls, landmarks, iod_px)
    moved = landmarks.copy()
    for _ in range(20):  # landmark = moved + field(moved)
        x, y = np.clip(np.rint(moved).astype(int), 0, [WIDTH - 1, HEIGHT - 1]).T
        moved = landmarks - field[y, x]
    return field, moved


def slow(rng: np.random.Generator, n_frames: int) -> NDArray[np.float64]:
    """(n_frames,) smooth random drift that starts at 0 and reaches about +-1 within 0.2 s (40 frames)."""
    time = np.arange(n_frames) / 40
    waves = [np.sin(2 * np.pi * (rng.uniform(0.3, 0.9) * time + rng.random())) for _ in range(3)]
    course = np.sum(waves, 0) / 2
    return np.asarray(course - course[0])


def render_recording(subject: Subject, recording: Recording, folder: Path) -> Expression:
    """Write every frame of a recording from onset to offset as a grey jpg."""
    rng = np.random.default_rng(recording.seed)
    expression = draw_expression(recording.emotion, rng)
    transform, landmarks, iod_px = pose(subject, rng)
    shape, landmarks = shape_field(subject, landmarks, iod_px)

    pulls = []
    for unit, strength in expression.units.items():
        right, left = (strength * share for share in expression.sides)
        pulls += [(pull, right, left) for pull in ACTION_UNITS[unit]]
    action = gaussian_field(pulls, landmarks, iod_px)
    # Peak displacement in pixels at an inter-ocular distance of 100: median 1.4.
    peak = float(np.clip(1.4 * subject.strength * np.exp(rng.normal(0, 0.3)), 0.6, 2.8))
    action *= np.float32(peak * iod_px / 100 / np.sqrt((action**2).sum(-1).max()))

    n_frames = recording.offset - recording.onset + 1
    apex = recording.apex - recording.onset
    if not 0 < apex < n_frames - 1:  # an impossible one: the movement still has a middle
        apex = n_frames // 2
    rest = rng.uniform(0.1, 0.4)
    course = time_course(n_frames, apex, rest)
    sway = 0.3 * iod_px / 100 * np.stack([slow(rng, n_frames), slow(rng, n_frames)], 1)
    roll = np.deg2rad(0.08) * slow(rng, n_frames)
    gain, bias = 1 + 0.012 * slow(rng, n_frames), 1.2 * slow(rng, n_frames)
    slope = 0.01 * slow(rng, n_frames)

    # Frame pixel -> portrait pixel is linear in what changes: base - M (a(t) action + sway(t) + roll(t) turn).
    to_portrait = np.linalg.inv(transform[:, :2])
    grid = np.stack(np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT)), -1).astype(np.float32)
    middle = landmarks[27:36].mean(0)
    turn = np.stack([middle[1] - grid[..., 1], grid[..., 0] - middle[0]], -1).astype(np.float32)
    base = cv2.transform(grid + shape - transform[:, 2].astype(np.float32), to_portrait)
    action, turn = cv2.transform(action, to_portrait), cv2.transform(turn, to_portrait)
    shift = (sway @ to_portrait.T).astype(np.float32)
    across = grid[..., 0] / (WIDTH / 2) - 1
    down = grid[..., 1] / (HEIGHT / 2) - 1
    light = (1 + subject.light[0] * across + subject.light[1] * down).astype(np.float32)
    noise_sd = rng.uniform(1.0, 1.4)
    cv2.setRNGSeed(int(rng.integers(2**31)))

    folder.mkdir(parents=True)
    place, shade, noise = np.empty_like(base), np.empty_like(light), np.empty_like(light)
    for k in range(n_frames):
        np.subtract(base, shift[k], out=place)
        cv2.scaleAdd(action, -course[k], place, place)
        cv2.scaleAdd(turn, -roll[k], place, place)
        frame = cv2.remap(subject.picture, place, None, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        cv2.scaleAdd(across, slope[k], light, shade)
        cv2.randn(noise, bias[k], noise_sd)
        cv2.multiply(frame, shade, frame, gain[k])
        grey = cv2.add(frame, noise, dtype=cv2.CV_8U)  # rounds and clips
        name = f"{subject.name}_{recording.onset + k:0{recording.digits}d}.jpg"
        (folder / name).write_bytes(cv2.imencode(".jpg", grey, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes())
    return expression


def time_course(n_frames: int, apex: int, rest: float) -> NDArray[np.float64]:
    """(n_frames,) share of the movement: from 0 smoothly to 1 at the apex, and back to `rest`."""
    k = np.arange(n_frames)
    rise = 0.5 - 0.5 * np.cos(np.pi * np.clip(k / apex, 0, 1))
    fall = 0.5 - 0.5 * np.cos(np.pi * np.clip((n_frames - 1 - k) / (n_frames - 1 - apex), 0, 1))
    return np.asarray(np.where(k <= apex, rise, rest + (1 - rest) * fall))


# Files

COLUMNS = (
    "Subject",
    "Filename",
    "Inducement Code",
    "Onset Frame",
    "Apex Frame",
    "Offset Frame",
    "Duration",
    "Micro",
    "Action Units",
    "Estimated Emotion",
    "Objective Classes",
    "Notes",
)
PREAMBLE = {
    "A1": "Made-up recordings in the layout of the SAMM dataset - no row of SAMM is in this table",
    "E1": "200 frames a second",
    "A3": "Written by mertool's examples/make_recordings.py; see README.txt beside this table",
    "I3": "Action units: R and L are the subject's right and left side",
    "A4": "Frame numbers are those in the file names; only onset to offset are on disk",
    "E4": "Two apex frames are impossible on purpose, as in SAMM",
    "A6": "Micro - 1/2: micro-expression",
    "A8": "Duration = offset - onset + 1",
    "A10": "Objective Classes: 1 happiness, 2 surprise, 3 anger, 4 disgust, 5 sadness, 6 fear, 7 other",
}


def write_table(path: Path, subjects: Sequence[Subject], rows: Sequence[tuple[Recording, str]]) -> None:
    """Write the annotation table as SAMM has it: 13 lines of preamble, header in row 14, `Duration` as a formula."""
    import openpyxl

    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "MICRO_ONLY"
    for cell, text in PREAMBLE.items():
        sheet[cell] = text
    for column, title in enumerate(COLUMNS, 1):
        sheet.cell(14, column, title)
    for row, (recording, units) in enumerate(rows, 15):
        values = (
            subjects[recording.subject].name,
            recording.name,
            recording.inducement,
            recording.onset,
            recording.apex,
            recording.offset,
            f"=F{row}-D{row}+1",
            "Micro - 1/2",
            int(units) if units.isdigit() else units,
            recording.emotion,
            OBJECTIVE.get(recording.emotion, 7),
            None,
        )
        for column, value in enumerate(values, 1):
            sheet.cell(row, column, value)
    stream = io.BytesIO()
    book.save(stream)
    # The same bytes for the same seed: openpyxl writes the time of day into the archive and into core.xml.
    with zipfile.ZipFile(stream) as dated, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in dated.namelist():
            content = dated.read(name)
            if name == "docProps/core.xml":
                content = re.sub(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", b"2000-01-01T00:00:00Z", content)
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)


def write_readme(path: Path, subjects: Sequence[Subject], seed: int, n_clips: int) -> None:
    """Write what these recordings are, and from which portrait each subject comes."""
    lines = [
        "MADE-UP RECORDINGS",
        "",
        f"{n_clips} clips of {len(subjects)} subjects in the layout of SAMM, made by mertool's",
        f"examples/make_recordings.py (seed {seed}) from still portraits: smooth displacement fields move the skin as",
        "action units do, 0.5 to 3 pixels at an inter-ocular distance of 100. Nobody shown felt or showed these",
        "expressions. Good for trying commands and methods; results on them say nothing about real recordings.",
        "The portraits keep their own licences.",
        "",
        "subject  portrait",
        *(f"{subject.name}      {subject.portrait}" for subject in subjects),
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_junk(out: Path, recordings: Sequence[Recording], subjects: Sequence[Subject]) -> None:
    """Leave what real folders hold beside the recordings, and a reader must not trip over."""
    first = recordings[0]
    (out / ".DS_Store").write_bytes(b"\0\0\0\1Bud1" + bytes(100))
    (out / subjects[first.subject].name / first.name / "Thumbs.db").write_bytes(b"\xd0\xcf\x11\xe0" + bytes(100))
    (out / f"~${TABLE}").write_bytes(b"\5owner" + bytes(159))


# Worker processes: the subjects travel once

_subjects: Sequence[Subject]
_out: Path


def start(subjects: Sequence[Subject], out: Path) -> None:
    """Prepare a worker process."""
    global _subjects, _out
    cv2.setNumThreads(1)
    _subjects, _out = subjects, out


def make(recording: Recording) -> str:
    """Render one recording in a worker process; returns its action units as text."""
    subject = _subjects[recording.subject]
    return str(render_recording(subject, recording, _out / subject.name / recording.name))


def make_all(subjects: Sequence[Subject], recordings: Sequence[Recording], out: Path, jobs: int) -> list[str]:
    """Render all recordings, `jobs` at once; returns their action units."""
    units = []
    with worker_pool(min(jobs, len(recordings)), start, (subjects, out)) as pool:
        for done, text in enumerate(pool.map(make, recordings), 1):
            units.append(text)
            if sys.stderr.isatty() or done == len(recordings):
                click.echo(f"\r{done} of {len(recordings)} recordings", err=True, nl=done == len(recordings))
    return units


EPILOG = """\b
Example, 26 real people instead of twelve variants of one:
    python examples/make_recordings.py --portraits ../shared/data/faces/london_pairs recordings
"""


@click.command(epilog=EPILOG, context_settings={"show_default": True, "help_option_names": ["-h", "--help"]})
@click.argument("out", type=click.Path(path_type=Path))
@click.option(
    "--portraits",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder of portraits, one person each: PERSON/neutral.jpg, or any pictures.  [default: the astronaut]",
)
@click.option("--layout", type=click.Choice(["samm"]), default="samm", help="Whose folders and table to imitate.")
@click.option(
    "--subjects",
    "n_subjects",
    type=click.IntRange(1, 900),
    help="Subjects; more than portraits: variants of them.  [default: one a portrait, 12 if there is one portrait]",
)
@click.option("--clips-per-subject", type=click.IntRange(1, 100), default=6, help="Clips of the six basic emotions.")
@click.option("--length", type=(click.IntRange(8), click.IntRange(8, 400)), default=(24, 40), help="Frames of a clip.")
@click.option("--seed", type=click.IntRange(0), default=0, help="The same seed gives the same bytes.")
@click.option("--jobs", type=click.IntRange(1), default=available_cores, help="Processes.", show_default="all cores")
def main(
    out: Path,
    portraits: Path | None,
    layout: str,  # noqa: ARG001 - one layout so far
    n_subjects: int | None,
    clips_per_subject: int,
    length: tuple[int, int],
    seed: int,
    jobs: int,
) -> None:
    """Make up recordings of micro-expressions in the new folder OUT.

    Frames are grey jpgs of 960x650 at 200 a second in OUT/006/006_1_2/006_05562.jpg and so on, from onset to offset;
    OUT/SAMM_Micro_FACS_Codes_v2.xlsx annotates them as SAMM's table does.
    """
    if length[0] > length[1]:
        raise click.BadParameter(f"expected MIN <= MAX, got {length[0]} {length[1]}", param_hint="--length")
    for package in ("openpyxl", "skimage"):
        if importlib.util.find_spec(package) is None:
            raise click.ClickException(f"{package} is not installed; get it with `pip install mertool[demo]`")
    try:
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise FileError(f"{out}: already there and not an empty folder; remove it or choose another")
        found = load_portraits(portraits, FaceFinder(find_landmark_model()))
        subjects = make_subjects(found, n_subjects or (len(found) if len(found) > 1 else 12), seed)
        recordings = plan_recordings(subjects, clips_per_subject, length, seed)
        out.mkdir(parents=True, exist_ok=True)
        units = make_all(subjects, recordings, out, jobs)
        write_junk(out, recordings, subjects)
        write_readme(out / "README.txt", subjects, seed, len(recordings))
        write_table(
            out / TABLE, subjects, list(zip(recordings, units, strict=True))
        )  # last: a set without it is cut off
    except MertoolError as error:
        raise click.ClickException(str(error)) from error
    except BrokenProcessPool as error:
        raise click.ClickException(
            "a worker process was killed, perhaps for lack of memory; try fewer --jobs"
        ) from error
    except OSError as error:
        raise click.ClickException(f"{out}: cannot be written: {(error.strerror or str(error)).lower()}") from error
    click.echo(out)


if __name__ == "__main__":
    main()
