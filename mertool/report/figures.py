"""Pictures for the report of a run: attention maps, selected features, most and least confident predictions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, MertoolError
from ..evaluation.predictions import Predictions
from ..inputs.rendering import Augmentation, render
from ..inputs.samples import Samples
from ..regions import REGIONS, face_transforms, invert
from ..runs.attention import read_run_maps
from ..runs.config import RunConfig, open_samples
from ..runs.finished import Run
from ..runs.methods import method_of
from ..text import plural
from ..texture.features import layout_of
from .blocks import Gallery, Picture
from .drawing import attention_sheet, face_heat, input_heat, sketch

__all__ = ["draw_attention", "draw_gallery"]

Image = NDArray[np.uint8]
AttentionMaps = tuple[list[str], NDArray[np.float32]]  # clip ids, and a map per clip

_CLIPS = 4  # of each kind: as many as a reader looks at
_FRAME_PX, _FACE_PX, _MOSAIC_HEIGHT_PX = 112, 256, 192
_GAIN = 4  # factor of the difference between apex and onset: a micro-expression changes it by a few grey levels
_PAPER = 235  # grey level of the background of a line drawing
_QUALITY = 85
_RANGE = "Each map is coloured from its lowest value (violet) to its highest (yellow)."
_LICENCES = "The licences of SAMM, CASME II and others restrict publishing their faces."


def draw_attention(run: Path, path: Path) -> None:
    """Draw the attention maps of a finished cross-validation, each by the network that did not see the clip.

    Raises:
        DataError: The run has no attention branch, or a fold is not finished.
    """
    config = RunConfig.read(run)
    if not method_of(config.settings).has_network:
        raise DataError(f"{run}: made with --method {config.settings.method}, which has no attention maps")
    if not config.settings.abn:
        raise DataError(f"{run}: trained without an attention branch, so there are no maps; run cv with --abn")
    ids, maps = read_run_maps(run)
    samples = open_samples(run, config)
    attention_sheet(samples, samples.rows_of(ids), maps, config.settings, path)


def draw_gallery(run: Run, faces: bool) -> Gallery:
    """Draw a finished run's pictures.

    Args:
        run: The run.
        faces: Show the recordings. False draws attention over line drawings, and gives single clips without pictures.

    Returns:
        The pictures; if a pack is missing or has changed, none and the reason.
    """
    try:
        config = RunConfig.read(run.folder)
        samples = open_samples(run.folder, config)
        samples.rows_of(run.predictions.clip)
    except MertoolError as error:
        return Gallery((), (), f"No pictures: {error}")
    maps: AttentionMaps | None = None
    notes: list[str] = []
    selected: tuple[Picture, ...] = ()
    if not method_of(config.settings).has_network:
        selected = _selection_maps(samples, run, config, faces)
        if selected:
            notes.append(_RANGE)
    elif not config.settings.abn:
        notes.append("No attention maps: the run has no attention branch.")
    else:
        try:
            maps = read_run_maps(run.folder)
            notes.append(_RANGE)
            if config.settings.region == "roi":
                notes.append(f"Regions of the mosaic, row by row: {', '.join(region.name for region in REGIONS)}.")
        except MertoolError as error:
            notes.append(f"No attention maps: {error}.")
    if faces:
        notes.append(f"This page shows faces. {_LICENCES}")
    else:
        drawn = ", and maps are drawn over a line drawing" if maps is not None or selected else ""
        notes.append(f"Faces are left out{drawn}; report --faces shows them. {_LICENCES}")
    shown = tuple(
        (title, tuple(_clip(samples, maps, config, run.predictions, row, faces) for row in rows))
        for title, rows in choose_clips(run.predictions).items()
    )
    return Gallery(_class_maps(samples, maps, config, faces), shown, " ".join(notes), selected)


def choose_clips(predictions: Predictions) -> dict[str, list[int]]:
    """Rows of the clips to show, by title; no clip appears twice."""
    confidence = predictions.probabilities.max(1)
    correct = [t == p for t, p in zip(predictions.truth, predictions.prediction, strict=True)]
    found: dict[str, list[int]] = {}
    for name, wanted in (("correct", True), ("wrong", False)):
        rows = [row for row, hit in enumerate(correct) if hit == wanted]
        rows.sort(key=lambda row: (-confidence[row], predictions.clip[row]))
        most = rows[:_CLIPS]
        least = rows[len(most) :][::-1][:_CLIPS]
        for title, chosen in ((f"Most confident, {name}", most), (f"Least confident, {name}", least)):
            if chosen:
                found[title] = chosen
    return found


def _selection_maps(samples: Samples, run: Run, config: RunConfig, faces: bool) -> tuple[Picture, ...]:
    """For each plane the share of each region's texture features that was selected, over the input and over a face."""
    shares = run.selected_shares()
    if not shares:
        return ()
    shape = layout_of(config.settings).map_shape
    if len(shares) != shape[0] * shape[1]:
        return ()
    rows = samples.rows_of(run.predictions.clip)
    shown = []
    for plane in next(iter(shares.values())):
        share = {region: values[plane] for region, values in shares.items()}
        heat = np.array(list(share.values()), np.float32).reshape(shape)
        least, most = min(share, key=share.__getitem__), max(share, key=share.__getitem__)
        caption = f"plane {plane}: from {100 * share[least]:.1f} % of {least} to {100 * share[most]:.1f} % of {most}"
        # Nearest neighbour gives each region one colour that does not blend into its neighbours'.
        blocks = cv2.resize(heat, (32 * shape[1], 32 * shape[0]), interpolation=cv2.INTER_NEAREST)
        shown.append(_heat_picture(samples, rows, np.asarray(blocks, np.float32), config, faces, caption))
    return tuple(shown)


def _class_maps(samples: Samples, maps: AttentionMaps | None, config: RunConfig, faces: bool) -> tuple[Picture, ...]:
    """The mean map of each class over the input, and over a face where the input is the mosaic."""
    if maps is None:
        return ()
    rows, attention = samples.rows_of(maps[0]), maps[1]
    shown = []
    for label, name in enumerate(samples.classes):
        members = np.flatnonzero(samples.labels[rows] == label)
        if len(members) == 0:
            continue
        mean = attention[members].mean(0)
        caption = f"{name}, mean of {plural(len(members), 'clip')}, map {mean.min():.2f} to {mean.max():.2f}"
        shown.append(_heat_picture(samples, rows[members], mean, config, faces, caption))
    return tuple(shown)


def _heat_picture(
    samples: Samples, rows: NDArray[np.int64], heat: NDArray[np.float32], config: RunConfig, faces: bool, caption: str
) -> Picture:
    """A map over the mean input of these clips, and over a face where the input is the mosaic."""
    settings = config.settings
    picture = _mean_input(samples, rows, config)
    landmarks = _mean_landmarks(samples, rows)
    if settings.region == "face":
        if not faces:
            picture = _face_sketch(landmarks, settings.face_size)
        return Picture(_jpeg(_scaled(input_heat(picture, heat, settings), _FACE_PX)), caption)
    if faces:
        face = _mean_face(samples, rows)
    else:
        picture = np.full_like(picture, _PAPER)
        face = sketch(landmarks, samples.packs[0].frames.shape[-1])
    mosaic, on_face = input_heat(picture, heat, settings), face_heat(face, landmarks, heat, settings)
    image = _side_by_side([mosaic, on_face], _MOSAIC_HEIGHT_PX)
    return Picture(_jpeg(image), f"{caption}; over the mosaic and over a face")


def _clip(
    samples: Samples,
    maps: AttentionMaps | None,
    config: RunConfig,
    predictions: Predictions,
    row: int,
    faces: bool,
) -> Picture:
    """A clip's onset, middle and apex, what moved, and where the network looked; without `faces` only its caption."""
    clip_id, truth, predicted = predictions.clip[row], predictions.truth[row], predictions.prediction[row]
    caption = f"{clip_id}: {predicted} {100 * predictions.probabilities[row].max():.1f} %"
    if predicted != truth:
        caption += f", truth {truth}"
    if not faces:
        return Picture(b"", caption)
    sample = samples.rows_of([clip_id])
    pack, pack_row = samples.pack_row[sample[0]]
    frames = np.asarray(samples.packs[pack].frames[pack_row])
    moved = np.clip(128 + _GAIN * (frames[2].astype(np.int16) - frames[0]), 0, 255).astype(np.uint8)
    tiles = [cv2.cvtColor(part, cv2.COLOR_GRAY2BGR) for part in (*frames, moved)]
    caption += f". Onset, middle, apex; apex minus onset, times {_GAIN}"
    if maps is not None:
        identity = Augmentation.identity(1)
        apex = np.asarray(render(samples, sample, identity, config.settings, "uint8")[0, -1], np.uint8)
        attention = maps[1][maps[0].index(clip_id)]
        tiles.append(input_heat(apex, attention, config.settings))
        caption += f"; attention, {attention.min():.2f} to {attention.max():.2f}"
    return Picture(_jpeg(_side_by_side(tiles, _FRAME_PX)), caption)


def _side_by_side(images: Sequence[Image], height: int) -> Image:
    gap = np.full((height, 2, 3), 255, np.uint8)
    parts = [part for image in images for part in (_scaled(image, height), gap)]
    return np.concatenate(parts[:-1], 1)


def _mean_input(samples: Samples, rows: NDArray[np.int64], config: RunConfig) -> Image:
    pictures = render(samples, rows, Augmentation.identity(len(rows)), config.settings, "uint8")[:, -1]
    return np.asarray(pictures.mean(0).round(), np.uint8)


def _mean_face(samples: Samples, rows: NDArray[np.int64]) -> Image:
    """Mean of the apex crops; if packs have crops of different sizes, of those with the size of the first pack."""
    size = samples.packs[0].frames.shape[-1]
    total, count = np.zeros((size, size)), 0
    for pack, pack_row in samples.pack_row[rows]:
        frame = samples.packs[pack].frames[pack_row, 2]
        if frame.shape[-1] == size:
            total += frame
            count += 1
    return np.asarray((total / max(count, 1)).round(), np.uint8)


def _mean_landmarks(samples: Samples, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """(68, 2) mean of the onset landmarks, in pixels of the first pack's crop."""
    size = samples.packs[0].frames.shape[-1]
    scaled = [
        samples.packs[pack].landmarks[pack_row, 0] * (size / samples.packs[pack].frames.shape[-1])
        for pack, pack_row in samples.pack_row[rows]
    ]
    return np.asarray(np.mean(scaled, 0), np.float64)


def _face_sketch(landmarks: NDArray[np.float64], side: int) -> Image:
    """(side, side) grey line drawing instead of the picture of a face; empty for packs without landmarks."""
    if np.isnan(landmarks).any():
        return np.full((side, side), _PAPER, np.uint8)
    inward = invert(np.asarray(face_transforms(landmarks[None], side)[0, 0], np.float64))
    return np.ascontiguousarray(sketch(landmarks @ inward[:, :2].T + inward[:, 2], side)[..., 0])


def _scaled(image: Image, height: int) -> Image:
    width = round(image.shape[1] * height / image.shape[0])
    how = cv2.INTER_AREA if height < image.shape[0] else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (width, height), interpolation=how), np.uint8)


def _jpeg(image: Image) -> bytes:
    encoded: Sequence[object] = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    return np.asarray(encoded[1], np.uint8).tobytes()
