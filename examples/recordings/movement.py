"""Movements: what an emotion does to a face, as smooth displacement fields, and frames that show it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mertool.regions import FLIP68, compose, face_frame, invert

from .conditions import DEFAULT, Conditions, blink_course, depth_map, drift, head_motion
from .plan import Move, Recording
from .subjects import SHAPE, Array, Pull, Subject, inter_ocular

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
BLINK = Pull((37, 38), 0.05, 0.0, -1.0, 0.10)  # upper lid lowered


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


def render(subject: Subject, recording: Recording, out: Path, conditions: Conditions = DEFAULT) -> list[str]:
    """Write the frames of a recording that exist on disk; returns the action units of each move as text."""
    scene = Scene(subject, recording, conditions)
    for k in range(len(recording.files)) if recording.written is None else recording.written:
        path = out / recording.files[k]
        path.parent.mkdir(parents=True, exist_ok=True)
        quality = [cv2.IMWRITE_JPEG_QUALITY, 90] if path.suffix == ".jpg" else []
        path.write_bytes(cv2.imencode(path.suffix, scene.frame(k), quality)[1].tobytes())
    return [str(expression) for expression in scene.expressions]


class Scene:
    """One recording about to be rendered: what moves where in which frame.

    Attributes:
        expressions: What each move shows.
        landmarks: (68, 2) in pixels of the first frame.
        iod_px: Inter-ocular distance in the frames.
        head: (n_frames, 2, 3) pixel of the first frame -> where the head's motion in the plane takes it.
        turns: (n_frames, 2) turn in depth in radians, to the side and up.
        depth: (H, W) towards the camera in pixels, at the pixels of the first frame.
    """

    def __init__(self, subject: Subject, recording: Recording, conditions: Conditions = DEFAULT) -> None:
        rngs = move_generators(recording)
        self.expressions = [draw_expression(move.emotion, own) for move, own in zip(recording.moves, rngs, strict=True)]
        rng = rngs[0] if rngs else np.random.default_rng(recording.seed)
        transform, landmarks, self.iod_px = pose(subject, recording.size, rng)
        shape, self.landmarks = shape_field(subject, landmarks, self.iod_px, recording.size)
        self._subject, self._recording = subject, recording

        n_frames = len(recording.files)
        self._actions: list[Array] = []
        self._courses = []
        for move, expression, own in zip(recording.moves, self.expressions, rngs, strict=True):
            self._actions.append(self._action(expression, self._peak_px(conditions, own, move.macro)))
            self._courses.append(course_in_recording(move, n_frames, own.uniform(0.1, 0.4)))
        if rng.random() < conditions.blinks:
            self._actions.append(blink_field(self.landmarks, self.iod_px, recording.size))
            self._courses.append(blink_course(n_frames, rng))

        self._pivot = self.landmarks[27:36].mean(0)
        self.head, self.turns = head_motion(conditions, n_frames, self.iod_px, self._pivot, rng)
        self.depth = depth_map(self.landmarks, self.iod_px, recording.size)
        self._axes = np.stack([face_frame(self.landmarks).across, face_frame(self.landmarks).up])
        change = conditions.light / 100
        self._gain, self._bias = 1 + change * drift(rng, n_frames), 100 * change * drift(rng, n_frames)
        self._slope = change * drift(rng, n_frames)
        self._noise_sd = conditions.noise * rng.uniform(0.85, 1.15)
        self._noise_seeds = rng.integers(2**31, size=n_frames)

        width, height = recording.size
        self._to_portrait = np.linalg.inv(transform[:, :2])
        self._start = transform[:, 2]
        self._still = cv2.transform(shape, self._to_portrait)
        self._actions = [cv2.transform(action, self._to_portrait) for action in self._actions]
        self._grid = np.stack(np.meshgrid(np.arange(width), np.arange(height)), -1).astype(np.float32)
        self._across = self._grid[..., 0] / (width / 2) - 1
        down = self._grid[..., 1] / (height / 2) - 1
        self._light = (1 + subject.light[0] * self._across + subject.light[1] * down).astype(np.float32)

    def frame(self, k: int, action: float = 1.0) -> NDArray[np.uint8]:
        """Frame k, (H, W) or (H, W, 3) uint8; `action` scales what the face itself does."""
        at = self._portrait_places(k, action)
        picture = cv2.remap(self._subject.picture, at, None, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        noise = np.empty_like(picture)
        cv2.setRNGSeed(int(self._noise_seeds[k]))
        cv2.randn(noise, self._bias[k], self._noise_sd)
        shade = cv2.scaleAdd(self._across, self._slope[k], self._light)
        cv2.multiply(picture, shade, picture, self._gain[k])
        if not self._recording.colour:
            return np.asarray(cv2.add(picture, noise, dtype=cv2.CV_8U))  # rounds and clips
        chroma = cv2.remap(self._subject.chroma, at, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(cv2.add(cv2.merge([cv2.add(picture, noise)] * 3), chroma, dtype=cv2.CV_8U))

    def rigid(self, k: int, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Where the head's motion, turns in depth included, takes (N, 2) points of the first frame in frame k."""
        x, y = np.rint(points).astype(int).T
        local = (points - self._pivot) @ self._axes.T
        turned = local * np.cos(self.turns[k]) + self.depth[y, x, None] * np.sin(self.turns[k])
        moved = turned @ self._axes + self._pivot
        return np.asarray(moved @ self.head[k, :, :2].T + self.head[k, :, 2])

    def _portrait_places(self, k: int, action: float) -> Array:
        """(H, W, 2) place in the portrait that each pixel of frame k shows."""
        field = self._still.copy()
        for own, course in zip(self._actions, self._courses, strict=True):
            if course[k]:
                cv2.scaleAdd(own, -course[k] * action, field, field)
        at = self._grid
        back = invert(self._in_plane(k))
        if (back != np.eye(2, 3)).any():
            at = cv2.transform(at, back)
        if self.turns[k].any():
            at = self._turned_back(at, self.turns[k])
        if at is not self._grid:
            field = cv2.remap(field, at, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        linear = np.concatenate([self._to_portrait, -self._to_portrait @ self._start[:, None]], 1)
        return np.asarray(cv2.add(cv2.transform(at, linear), field))

    def _in_plane(self, k: int) -> NDArray[np.float64]:
        """(2, 3) what the head's motion does to points of no depth: they come nearer together where it turns."""
        linear = self._axes.T @ np.diag(np.cos(self.turns[k])) @ self._axes
        nearer = np.concatenate([linear, (self._pivot - linear @ self._pivot)[:, None]], 1)
        return compose(self.head[k], nearer)

    def _turned_back(self, at: Array, turns: NDArray[np.float64]) -> Array:
        """The places that a turn in depth has moved to `at`; depth changes slowly, so two steps find them."""
        along = (self._axes.T @ np.tan(turns)).astype(np.float32)
        found = at
        for _ in range(2):
            depth = cv2.remap(self.depth, found, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            found = cv2.merge([cv2.scaleAdd(depth, -float(along[axis]), at[..., axis]) for axis in range(2)])
        return np.asarray(found)

    def _peak_px(self, conditions: Conditions, rng: np.random.Generator, macro: bool) -> float:
        """Largest displacement of a move in frame pixels; about `conditions.strength` at an IOD of 100."""
        usual = conditions.strength
        drawn = usual * self._subject.strength * np.exp(rng.normal(0, 0.3))
        peak = float(np.clip(drawn, 0.43 * usual, 2 * usual)) * self.iod_px / 100
        return peak * MACRO if macro else peak

    def _action(self, expression: Expression, peak_px: float) -> Array:
        """(H, W, 2) displacement of the whole expression at its apex."""
        pulls = []
        for unit, strength in expression.units.items():
            right, left = (strength * share for share in expression.sides)
            pulls += [(pull, right, left) for pull in ACTION_UNITS[unit]]
        action = gaussian_field(pulls, self.landmarks, self.iod_px, self._recording.size)
        return action * np.float32(peak_px / np.sqrt((action**2).sum(-1).max()))


def blink_field(landmarks: NDArray[np.float64], iod_px: float, size: tuple[int, int]) -> Array:
    """(H, W, 2) displacement of nearly closed lids."""
    opening = float(np.linalg.norm(landmarks[[37, 38, 43, 44]] - landmarks[[41, 40, 47, 46]], axis=1).mean())
    return gaussian_field([(BLINK, 0.8 * opening, 0.8 * opening)], landmarks, iod_px, size)


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
    """(n_frames,) share of a move: 0 before its onset, and back to 0 after its offset."""
    course = np.zeros(n_frames)
    span = move.offset - move.onset + 1
    course[move.onset : move.offset + 1] = time_course(span, move.apex - move.onset, rest)
    after = np.arange(1, n_frames - move.offset)
    course[move.offset + 1 :] = course[move.offset] * ease(1 - after / max(6, span // 2))
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
