"""Movements: what an emotion does to a face, as smooth displacement fields, and frames that show it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mertool.regions import FLIP68, face_frame

from .people import SHAPE, Array, Pull, Subject, inter_ocular
from .plan import Move, Recording

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
    "Repression": {17: 0.7, 15: 0.5, 14: 0.5, 24: 0.4},
    "Tense": {24: 0.6, 7: 0.5, 4: 0.4, 23: 0.4},
    "Negative": {4: 0.6, 9: 0.3, 15: 0.4, 7: 0.3, 20: 0.3},
    "Positive": {12: 0.95, 6: 0.5, 25: 0.2},
}
MACRO = 4  # times the displacement of a micro-expression


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


def gaussian_field(
    pulls: Sequence[tuple[Pull, float, float]], landmarks: NDArray[np.float64], iod_px: float, size: tuple[int, int]
) -> Array:
    """(H, W, 2) displacement in pixels: sum of Gaussians, each with a gain in pixels for the right and left side."""
    frame = face_frame(landmarks)
    width, height = size
    field = np.zeros((height, width, 2), np.float32)
    for pull, *gains in pulls:
        for side, gain in enumerate(gains):
            points = landmarks[list(pull.points) if side == 0 else FLIP68[list(pull.points)]]
            centre = points.mean(0) + pull.lift * frame.inner * frame.up
            outwards = -frame.across if side == 0 else frame.across
            move = gain * (pull.out * outwards + pull.up * frame.up)
            x = np.exp(-0.5 * ((np.arange(width) - centre[0]) / (pull.sigma * iod_px)) ** 2).astype(np.float32)
            y = np.exp(-0.5 * ((np.arange(height) - centre[1]) / (pull.sigma * iod_px)) ** 2).astype(np.float32)
            bell = np.multiply.outer(y, x)
            for axis in range(2):
                if move[axis] != 0:
                    field[..., axis] += np.float32(move[axis]) * bell
    return field


def pose(
    subject: Subject, size: tuple[int, int], rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """How this clip shows the portrait: (2, 3) portrait pixel -> frame pixel, the landmarks there, their IOD."""
    frame = face_frame(subject.landmarks)
    iod_px = subject.iod_px * rng.uniform(0.98, 1.02)
    roll = np.deg2rad(rng.uniform(-2.5, 2.5))
    turn = np.array([[np.cos(roll), -np.sin(roll)], [np.sin(roll), np.cos(roll)]])
    upright = np.stack([frame.across, -frame.up])
    linear = iod_px / inter_ocular(subject.landmarks) * turn @ np.diag([1.0, 1 / subject.stretch]) @ upright
    eyes = subject.landmarks[36:48].mean(0)
    place = np.array([size[0] / 2, 0.42 * size[1]]) + rng.uniform(-12, 12, 2)
    transform = np.concatenate([linear, (place - linear @ eyes)[:, None]], 1)
    return transform, subject.landmarks @ linear.T + transform[:, 2], iod_px


def shape_field(
    subject: Subject, landmarks: NDArray[np.float64], iod_px: float, size: tuple[int, int]
) -> tuple[Array, NDArray[np.float64]]:
    """The other person's shape: (H, W, 2) frame pixel -> displacement into the portrait, and the landmarks after it."""
    pulls = []
    for (pull, deviation), value in zip(SHAPE, subject.shape, strict=True):
        gain = float(-value * deviation * iod_px)
        pulls.append((pull, gain, gain))
    field = gaussian_field(pulls, landmarks, iod_px, size)
    moved = landmarks.copy()
    for _ in range(20):  # landmark = moved + field(moved)
        x, y = np.clip(np.rint(moved).astype(int), 0, [size[0] - 1, size[1] - 1]).T
        moved = landmarks - field[y, x]
    return field, moved


def slow(rng: np.random.Generator, n_frames: int) -> NDArray[np.float64]:
    """(n_frames,) smooth random drift that starts at 0 and reaches about +-1 within 0.2 s (40 frames)."""
    time = np.arange(n_frames) / 40
    waves = [np.sin(2 * np.pi * (rng.uniform(0.3, 0.9) * time + rng.random())) for _ in range(3)]
    course = np.sum(waves, 0) / 2
    return np.asarray(course - course[0])


def render(subject: Subject, recording: Recording, out: Path) -> list[str]:
    """Write the frames of a recording that lie on disk; returns the action units of each move as text."""
    rngs = move_generators(recording)
    expressions = [draw_expression(move.emotion, own) for move, own in zip(recording.moves, rngs, strict=True)]
    rng = rngs[0] if rngs else np.random.default_rng(recording.seed)
    width, height = recording.size
    transform, landmarks, iod_px = pose(subject, recording.size, rng)
    shape, landmarks = shape_field(subject, landmarks, iod_px, recording.size)

    n_frames = len(recording.files)
    actions, courses = [], []
    for move, expression, own in zip(recording.moves, expressions, rngs, strict=True):
        pulls = []
        for unit, strength in expression.units.items():
            right, left = (strength * share for share in expression.sides)
            pulls += [(pull, right, left) for pull in ACTION_UNITS[unit]]
        action = gaussian_field(pulls, landmarks, iod_px, recording.size)
        # Peak displacement in pixels at an inter-ocular distance of 100: median 1.4.
        peak = float(np.clip(1.4 * subject.strength * np.exp(own.normal(0, 0.3)), 0.6, 2.8))
        peak *= MACRO if move.macro else 1
        action *= np.float32(peak * iod_px / 100 / np.sqrt((action**2).sum(-1).max()))
        actions.append(action)
        courses.append(course_in_recording(move, n_frames, own.uniform(0.1, 0.4)))
    sway = 0.3 * iod_px / 100 * np.stack([slow(rng, n_frames), slow(rng, n_frames)], 1)
    roll = np.deg2rad(0.08) * slow(rng, n_frames)
    gain, bias = 1 + 0.012 * slow(rng, n_frames), 1.2 * slow(rng, n_frames)
    slope = 0.01 * slow(rng, n_frames)

    # Frame pixel -> portrait pixel is linear in what changes: base - M (a(t) action + sway(t) + roll(t) turn).
    to_portrait = np.linalg.inv(transform[:, :2])
    grid = np.stack(np.meshgrid(np.arange(width), np.arange(height)), -1).astype(np.float32)
    middle = landmarks[27:36].mean(0)
    turn = np.stack([middle[1] - grid[..., 1], grid[..., 0] - middle[0]], -1).astype(np.float32)
    base = cv2.transform(grid + shape - transform[:, 2].astype(np.float32), to_portrait)
    actions = [cv2.transform(action, to_portrait) for action in actions]
    turn = cv2.transform(turn, to_portrait)
    shift = (sway @ to_portrait.T).astype(np.float32)
    across = grid[..., 0] / (width / 2) - 1
    down = grid[..., 1] / (height / 2) - 1
    light = (1 + subject.light[0] * across + subject.light[1] * down).astype(np.float32)
    noise_sd = rng.uniform(1.0, 1.4)
    cv2.setRNGSeed(int(rng.integers(2**31)))

    place, shade, noise = np.empty_like(base), np.empty_like(light), np.empty_like(light)
    for k in range(n_frames) if recording.written is None else recording.written:
        np.subtract(base, shift[k], out=place)
        for action, course in zip(actions, courses, strict=True):
            if course[k]:
                cv2.scaleAdd(action, -course[k], place, place)
        cv2.scaleAdd(turn, -roll[k], place, place)
        frame = cv2.remap(subject.picture, place, None, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        cv2.scaleAdd(across, slope[k], light, shade)
        cv2.randn(noise, bias[k], noise_sd)
        cv2.multiply(frame, shade, frame, gain[k])
        if recording.colour:
            chroma = cv2.remap(subject.chroma, place, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            image = cv2.add(cv2.merge([cv2.add(frame, noise)] * 3), chroma, dtype=cv2.CV_8U)
        else:
            image = cv2.add(frame, noise, dtype=cv2.CV_8U)  # rounds and clips
        path = out / recording.files[k]
        path.parent.mkdir(parents=True, exist_ok=True)
        quality = [cv2.IMWRITE_JPEG_QUALITY, 90] if path.suffix == ".jpg" else []
        path.write_bytes(cv2.imencode(path.suffix, image, quality)[1].tobytes())
    return [str(expression) for expression in expressions]


def move_generators(recording: Recording) -> list[np.random.Generator]:
    """One random generator a move; the first one serves the rest of the recording as well."""
    return [
        np.random.default_rng(recording.seed if k == 0 else (*recording.seed, k)) for k in range(len(recording.moves))
    ]


def action_units(recording: Recording) -> list[str]:
    """The action units of each move as text, as `render` returns them, without rendering."""
    rngs = move_generators(recording)
    return [str(draw_expression(move.emotion, rng)) for move, rng in zip(recording.moves, rngs, strict=True)]


def course_in_recording(move: Move, n_frames: int, rest: float) -> NDArray[np.float64]:
    """(n_frames,) share of a move: 0 before its onset, and back to 0 behind its offset."""
    course = np.zeros(n_frames)
    span = move.offset - move.onset + 1
    course[move.onset : move.offset + 1] = time_course(span, move.apex - move.onset, rest)
    behind = np.arange(1, n_frames - move.offset)
    course[move.offset + 1 :] = course[move.offset] * ease(1 - behind / max(6, span // 2))
    return course


def time_course(n_frames: int, apex: int, rest: float) -> NDArray[np.float64]:
    """(n_frames,) share of the movement: from 0 smoothly to 1 at the apex, and back to `rest`."""
    k = np.arange(n_frames)
    rise = ease(k / apex) if apex else np.ones(n_frames)
    fall = ease((n_frames - 1 - k) / (n_frames - 1 - apex)) if apex < n_frames - 1 else np.ones(n_frames)
    return np.asarray(np.where(k <= apex, rise, rest + (1 - rest) * fall))


def ease(share: NDArray[np.float64]) -> NDArray[np.float64]:
    """A smooth way from 0 to 1; shares outside are clipped."""
    return np.asarray(0.5 - 0.5 * np.cos(np.pi * np.clip(share, 0, 1)))
