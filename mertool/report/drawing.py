"""Pictures for inspection: the contact sheet of a pack, the network's input, and attention maps over a face."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from ..extraction.image_files import write_png
from ..inputs.channels import render_input
from ..inputs.rendering import Augmentation, input_shape, render
from ..inputs.samples import Samples
from ..network.batches import sample_augmentation
from ..pack import Pack
from ..regions import GRID, region_squares, region_transforms
from ..settings import Settings
from .motion_colours import motion_pictures

__all__ = [
    "Scale",
    "attention_sheet",
    "colour_bar",
    "contact_sheet",
    "face_heat",
    "input_heat",
    "input_sheet",
    "on_face",
    "sketch",
]

Image = NDArray[np.uint8]

_WHITE, _INK, _LINE, _DOT = (255, 255, 255), (40, 40, 40), (80, 200, 80), (60, 60, 255)
_CAPTION_PX = 18
_THUMB_PX = 160
_BAR_PX = 320  # width of the bar of colours above attention maps
_HEADS_SHOWN = 6
_CLIPS_PER_SHEET = 180  # about 1500 x 10,000 pixels
# First landmark, the one after the last, whether closed: jaw, brows, nose, eyes, lips (in the numbering of 300-W).
_CONTOURS = (
    (0, 17, False),
    (17, 22, False),
    (22, 27, False),
    (27, 31, False),
    (31, 36, False),
    (36, 42, True),
    (42, 48, True),
    (48, 60, True),
    (60, 68, True),
)


class Scale(NamedTuple):
    """The values that the first and the last colour of a map stand for; one scale for all maps of a run."""

    low: float
    high: float

    @classmethod
    def of(cls, maps: Sequence[NDArray[np.float32]]) -> Scale:
        """From the lowest to the highest value of these maps."""
        return cls(min(float(one.min()) for one in maps), max(float(one.max()) for one in maps))

    def relative(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Values as 0..1 of the scale."""
        return np.asarray(((values - self.low) / max(self.high - self.low, 1e-6)).clip(0, 1), np.float32)

    def texts(self) -> tuple[str, str]:
        """Both ends, with as many digits as it takes to tell values of the scale apart."""
        digits = 2
        if self.high > self.low:
            digits = min(max(2, 1 + math.ceil(-math.log10(self.high - self.low))), 6)
        return f"{self.low:.{digits}f}", f"{self.high:.{digits}f}"


def colour_bar(width: int, height: int) -> Image:
    """The colours of a scale, from its lowest value on the left to its highest on the right."""
    values = np.linspace(0, 255, width).round().astype(np.uint8)
    return np.asarray(cv2.applyColorMap(np.tile(values, (height, 1)), cv2.COLORMAP_VIRIDIS), np.uint8)


def contact_sheet(pack: Pack, path: Path) -> list[Path]:
    """Draw every clip's three frames with landmarks and region outlines.

    If frames were stabilised, the first sheet begins with the clips whose heads moved most: apex minus onset with the
    head's motion left in, and with it taken out.

    Args:
        pack: The clips.
        path: A .png; with more than 180 clips the further sheets are named NAME-2.png, NAME-3.png ...

    Returns:
        The files written.
    """
    written = []
    for number, start in enumerate(range(0, len(pack.ids), _CLIPS_PER_SHEET), 1):
        rows = range(start, min(start + _CLIPS_PER_SHEET, len(pack.ids)))
        cells = _head_cells(pack) if number == 1 else []
        cells += [_captioned(_clip_strip(pack, row), f"{pack.ids[row]}  {pack.emotion[row]}") for row in rows]
        target = path if number == 1 else path.with_name(f"{path.stem}-{number}{path.suffix}")
        write_png(target, _grid(cells, 3))
        written.append(target)
    return written


def input_sheet(samples: Samples, settings: Settings, path: Path, clips: int = 6, augmentations: int = 5) -> None:
    """Draw the network's input for a few clips, as face and as mosaic: frames, their stack, and augmentations.

    A stack of three frames is drawn as the paper describes it, one frame per colour channel (onset red, middle green,
    apex blue): what moves is tinted.
    """
    chosen = np.unique(np.linspace(0, len(samples.ids) - 1, clips).round().astype(np.int64))
    regions = ["face"]
    if all(pack.has_landmarks for pack in samples.packs):
        regions.append("roi")
    cells = []
    for row in chosen:
        sampled = sample_augmentation([samples.ids[row]] * augmentations, np.arange(augmentations), 0, settings)
        augmentation = _join(Augmentation.identity(1), sampled)
        name = f"{samples.ids[row]}  {samples.classes[samples.labels[row]]}"
        for region in regions:
            view = Settings.from_dict({**settings.as_dict(), "region": region})
            rows = np.full(augmentations + 1, row)
            pictures = render(samples, rows, augmentation, view, "uint8")
            frames = [cv2.cvtColor(frame, cv2.COLOR_GRAY2BGR) for frame in pictures[0]]
            if settings.frames == 3:
                what, augmented = "frames, stack, augmentations", [_stack(picture) for picture in pictures]
            else:
                what, augmented = "apex, augmentations", [cv2.cvtColor(p[0], cv2.COLOR_GRAY2BGR) for p in pictures[1:]]
            cells.append(_captioned(_row([*frames, *augmented]), f"{name}  {region}: {what}"))
            if settings.input != "gray":
                moved = _moved(samples, rows, augmentation, view)
                apex = -len(moved[0]) // max(1, settings.frames - 1)  # where the pictures of the apex begin
                what = f"{settings.input} of each further frame, and of the apex in augmentations"
                shown = _row([*moved[0], *(one[apex] for one in moved[1:])])
                cells.append(_captioned(shown, f"{name}  {region}: {what}"))
    write_png(path, _grid(cells, 1))


def _moved(
    samples: Samples, rows: NDArray[np.int64], augmentation: Augmentation, settings: Settings
) -> list[list[Image]]:
    """Pictures of what moved in each rendering."""
    channels = np.empty((len(rows), settings.channels, *input_shape(settings)), np.float32)
    render_input(samples, rows, augmentation, settings, channels)
    return [motion_pictures(one, settings) for one in channels]


def _join(first: Augmentation, second: Augmentation) -> Augmentation:
    return Augmentation(
        np.concatenate([first.angle_deg, second.angle_deg]),
        np.concatenate([first.mirror, second.mirror]),
        np.concatenate([first.tone, second.tone]),
    )


def attention_sheet(
    samples: Samples,
    rows: NDArray[np.int64],
    maps: NDArray[np.float32],
    settings: Settings,
    path: Path,
    examples: int = 4,
) -> None:
    """Draw the mean attention map of each class over the class's mean picture, then some clips with their own.

    All maps have one colour scale, which is drawn above them with its values.

    Args:
        samples: The clips.
        rows: (N,) rows of `samples`.
        maps: (N, h, w) attention maps of those clips, 0..1, each by the network that did not see the clip.
        settings: How the input is rendered.
        path: A .png.
        examples: Clips per class.
    """
    pictures = render(samples, rows, Augmentation.identity(len(rows)), settings, "uint8")[:, -1]
    labels = samples.labels[rows]
    members_of = {name: np.flatnonzero(labels == label) for label, name in enumerate(samples.classes)}
    members_of = {name: members for name, members in members_of.items() if len(members)}
    averages = {name: np.asarray(maps[members].mean(0)) for name, members in members_of.items()}
    shown = [maps[k] for members in members_of.values() for k in members[:examples]]
    scale = Scale.of([*averages.values(), *shown])
    low, high = scale.texts()
    cells = [_captioned(colour_bar(_BAR_PX, _CAPTION_PX), f"attention, colours of all maps: {low} (left) to {high}")]
    for name, members in members_of.items():
        mean = pictures[members].mean(0).round().astype(np.uint8)
        average = averages[name]
        parts = [input_heat(mean, average, scale, settings)]
        parts += [input_heat(pictures[k], maps[k], scale, settings) for k in members[:examples]]
        span = f"map {average.min():.2f} to {average.max():.2f}"
        cells.append(_captioned(_row(parts), f"{name}: mean of {len(members)} clips ({span}), then single clips"))
    write_png(path, _grid(cells, 1))


def _clip_strip(pack: Pack, row: int) -> Image:
    frames = []
    for frame, points in zip(pack.frames[row], pack.landmarks[row], strict=True):
        image = cv2.cvtColor(np.asarray(frame), cv2.COLOR_GRAY2BGR)
        if not np.isnan(points).any():
            squares = np.round(region_squares(points) * 8).astype(np.int32)
            cv2.polylines(image, list(squares), True, _LINE, 1, cv2.LINE_AA, 3)
            for x, y in points:
                cv2.circle(image, (round(float(x)), round(float(y))), 1, _DOT, -1, cv2.LINE_AA)
        frames.append(_thumb(image))
    return _row(frames)


def _head_cells(pack: Pack) -> list[Image]:
    """Apex minus onset before and after, for the clips whose heads moved most; none if nothing was stabilised."""
    if pack.head is None:
        return []
    moved = np.abs(pack.head[:, 2] - np.eye(2, 3)).max((1, 2))
    cells = []
    for row in np.argsort(-moved, kind="stable")[:_HEADS_SHOWN]:
        onset, _, apex = (np.asarray(frame) for frame in pack.frames[row])
        before = cv2.warpAffine(apex, pack.head[row, 2], apex.shape, borderMode=cv2.BORDER_REPLICATE)
        parts = [apex, _difference(before, onset), _difference(apex, onset)]
        strip = [cv2.cvtColor(_thumb(part), cv2.COLOR_GRAY2BGR) for part in parts]
        cells.append(_captioned(_row(strip), f"{pack.ids[row]}  apex - onset: head left in, taken out"))
    return cells


def _difference(image: Image, other: Image) -> Image:
    """Grey where two pictures are equal; four times the difference, so that a small one is visible."""
    return np.asarray(np.clip(128.0 + 4.0 * (image.astype(np.float32) - other), 0, 255), np.uint8)


def _thumb(image: Image) -> Image:
    return np.asarray(cv2.resize(image, (_THUMB_PX, _THUMB_PX), interpolation=cv2.INTER_AREA), np.uint8)


def _stack(picture: Image) -> Image:
    return np.ascontiguousarray(picture[::-1].transpose(1, 2, 0))  # OpenCV's order is blue, green, red


def sketch(landmarks: NDArray[np.floating], size: int) -> Image:
    """(size, size, 3) line drawing of 68 landmarks, given in its pixels: shows where a face is without showing one."""
    image = np.full((size, size, 3), 235, np.uint8)
    points = np.round(np.asarray(landmarks) * 8).astype(np.int32)
    for start, end, closed in _CONTOURS:
        cv2.polylines(image, [points[start:end]], closed, (120, 120, 120), 1, cv2.LINE_AA, 3)
    return image


def on_face(
    landmarks: NDArray[np.floating], attention: NDArray[np.float32], tile: int, size: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Attention over the mosaic, moved to where the regions are on a face; where they overlap, the mean.

    Args:
        landmarks: (68, 2) in pixels of the face's picture.
        attention: (h, w) map over the mosaic.
        tile: Side of a region in the mosaic in pixels.
        size: Side of the picture.

    Returns:
        (size, size) attention, 0 outside all regions, and (size, size) number of regions that cover each pixel, which
        fades out at their edges.
    """
    mosaic = cv2.resize(attention, (GRID[1] * tile, GRID[0] * tile), interpolation=cv2.INTER_LINEAR)
    total, weight = np.zeros((size, size), np.float32), np.zeros((size, size), np.float32)
    for region, transform in enumerate(region_transforms(np.asarray(landmarks)[None], tile)[0]):
        top, left = region // GRID[1] * tile, region % GRID[1] * tile
        part = np.ascontiguousarray(mosaic[top : top + tile, left : left + tile])
        total += cv2.warpAffine(part, transform, (size, size))
        weight += cv2.warpAffine(np.ones_like(part), transform, (size, size))
    return np.asarray(total / np.maximum(weight, 1e-6), np.float32), weight


def face_heat(
    face: Image, landmarks: NDArray[np.floating], attention: NDArray[np.float32], scale: Scale, settings: Settings
) -> Image:
    """(S, S, 3) picture of a face, given as (S, S) grey or (S, S, 3), under the map over its mosaic (see `on_face`)."""
    relative, weight = on_face(landmarks, scale.relative(attention), settings.tile, face.shape[0])
    colours = cv2.applyColorMap(np.round(255 * relative).clip(0, 255).astype(np.uint8), cv2.COLORMAP_VIRIDIS)
    if face.ndim == 2:
        face = np.asarray(cv2.cvtColor(face, cv2.COLOR_GRAY2BGR), np.uint8)
    share = (0.55 * np.minimum(weight, 1))[..., None]
    return np.asarray(np.round((1 - share) * face + share * colours), np.uint8)


def input_heat(picture: Image, attention: NDArray[np.float32], scale: Scale, settings: Settings) -> Image:
    """A (H, W) input with its map on top; tiles are outlined."""
    height, width = picture.shape
    zoom = max(1, round(320 / width))
    size = (width * zoom, height * zoom)
    colours = cv2.applyColorMap(np.round(255 * scale.relative(attention)).astype(np.uint8), cv2.COLORMAP_VIRIDIS)
    colours = cv2.resize(colours, size, interpolation=cv2.INTER_LINEAR)
    grey = cv2.cvtColor(cv2.resize(picture, size, interpolation=cv2.INTER_LINEAR), cv2.COLOR_GRAY2BGR)
    image = cv2.addWeighted(grey, 0.5, colours, 0.5, 0)
    if settings.region == "roi":
        tile = settings.tile * zoom
        for k in range(1, GRID[1]):
            cv2.line(image, (k * tile, 0), (k * tile, size[1]), _WHITE, 1)
        for k in range(1, GRID[0]):
            cv2.line(image, (0, k * tile), (size[0], k * tile), _WHITE, 1)
    return np.asarray(image, np.uint8)


def _row(images: Sequence[Image], gap: int = 4) -> Image:
    height = max(image.shape[0] for image in images)
    parts: list[Image] = []
    for image in images:
        padded = np.full((height, image.shape[1] + gap, 3), 255, np.uint8)
        padded[: image.shape[0], : image.shape[1]] = image
        parts.append(padded)
    return np.concatenate(parts, 1)


def _captioned(image: Image, text: str) -> Image:
    strip = np.full((image.shape[0] + _CAPTION_PX, image.shape[1], 3), 255, np.uint8)
    strip[_CAPTION_PX:] = image
    ascii_text = text.encode("ascii", "replace").decode()  # OpenCV draws no other letters
    cv2.putText(strip, ascii_text, (2, 13), cv2.FONT_HERSHEY_SIMPLEX, 0.42, _INK, 1, cv2.LINE_AA)
    return strip


def _grid(cells: Sequence[Image], columns: int, gap: int = 6) -> Image:
    width = max(cell.shape[1] for cell in cells)
    rows = []
    for start in range(0, len(cells), columns):
        part = cells[start : start + columns]
        height = max(cell.shape[0] for cell in part) + gap
        line = np.full((height, columns * (width + gap), 3), 255, np.uint8)
        for k, cell in enumerate(part):
            line[: cell.shape[0], k * (width + gap) : k * (width + gap) + cell.shape[1]] = cell
        rows.append(line)
    return np.concatenate(rows, 0)
