"""Pictures for the report of a run: attention maps, selected features, most and least confident predictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
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
from .blocks import ColourScale, Gallery, Picture
from .drawing import Scale, attention_sheet, colour_bar, face_heat, input_heat, sketch

__all__ = ["draw_attention", "draw_gallery"]

Image = NDArray[np.uint8]

_CLIPS = 4  # of each kind: as many as a reader looks at
_FRAME_PX, _FACE_PX, _MOSAIC_HEIGHT_PX = 112, 256, 192
_GAIN = 4  # factor of the difference between apex and onset: a micro-expression changes it by a few grey levels
_PAPER = 235  # grey level of the background of a line drawing
_QUALITY = 85
_BAR_PX = 256  # colours of a scale
_LICENCES = "The licences of SAMM, CASME II and others restrict publishing their faces."


@dataclass(frozen=True, slots=True)
class _View:
    """What all pictures of a run share: its clips, its configuration, and whether recordings are shown."""

    samples: Samples
    config: RunConfig
    faces: bool


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
    view = _View(samples, config, faces)
    chosen = choose_clips(run.predictions)
    if not method_of(config.settings).has_network:
        return _gallery_of_features(view, run, chosen)
    attention: dict[str, NDArray[np.float32]] = {}
    notes = []
    if not config.settings.abn:
        notes.append("No attention maps: the run has no attention branch.")
    else:
        try:
            attention = dict(zip(*read_run_maps(run.folder), strict=True))
        except MertoolError as error:
            notes.append(f"No attention maps: {error}.")
    if not attention:
        return Gallery((), _clips(view, run.predictions, chosen), " ".join([*notes, _faces_note(faces)]))
    if config.settings.region == "roi":
        notes.append(f"Regions of the mosaic, row by row: {', '.join(region.name for region in REGIONS)}.")
    means = _class_means(view, attention)
    single = [attention[run.predictions.clip[row]] for rows in chosen.values() for row in rows if faces]
    scale = Scale.of([mean for _, _, mean in means] + single)
    maps = tuple(
        _heat_picture(view, rows, mean, scale, f"{name}, mean of {plural(len(rows), 'clip')}, map {_span(mean)}")
        for name, rows, mean in means
    )
    clips = _clips(view, run.predictions, chosen, attention, scale)
    return Gallery(maps, clips, " ".join([*notes, _faces_note(faces, True)]), scale=_bar(*scale.texts()))


def _gallery_of_features(view: _View, run: Run, chosen: dict[str, list[int]]) -> Gallery:
    """The pictures of a run of texture features, or of a fusion."""
    selected, bar = _selection_maps(view, run)
    clips = _clips(view, run.predictions, chosen)
    return Gallery((), clips, _faces_note(view.faces, bool(selected)), selected, bar)


def _faces_note(faces: bool, drawn: bool = False) -> str:
    if faces:
        return f"This page shows faces. {_LICENCES}"
    instead = ", and maps are drawn over a line drawing" if drawn else ""
    return f"Faces are left out{instead}; report --faces shows them. {_LICENCES}"


def _bar(low: str, high: str) -> ColourScale:
    return ColourScale(_png(colour_bar(_BAR_PX, 1)), low, high)


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


def _selection_maps(view: _View, run: Run) -> tuple[tuple[Picture, ...], ColourScale | None]:
    """For each plane the share of each region's texture features that was selected, over the input and over a face."""
    shares = run.selected_shares()
    if not shares:
        return (), None
    shape = layout_of(view.config.settings).map_shape
    if len(shares) != shape[0] * shape[1]:
        return (), None
    rows = view.samples.rows_of(run.predictions.clip)
    percents = {region: {plane: 100 * share for plane, share in planes.items()} for region, planes in shares.items()}
    scale = Scale.of([np.array(list(planes.values()), np.float32) for planes in percents.values()])
    shown = []
    for plane in next(iter(percents.values())):
        share = {region: values[plane] for region, values in percents.items()}
        heat = np.array(list(share.values()), np.float32).reshape(shape)
        least, most = min(share, key=share.__getitem__), max(share, key=share.__getitem__)
        caption = f"plane {plane}: from {share[least]:.1f} % of {least} to {share[most]:.1f} % of {most}"
        # Nearest neighbour gives each region one colour that does not blend into its neighbours'.
        blocks = cv2.resize(heat, (32 * shape[1], 32 * shape[0]), interpolation=cv2.INTER_NEAREST)
        shown.append(_heat_picture(view, rows, np.asarray(blocks, np.float32), scale, caption))
    return tuple(shown), _bar(*(f"{end} %" for end in scale.texts()))


def _class_means(
    view: _View, attention: dict[str, NDArray[np.float32]]
) -> list[tuple[str, NDArray[np.int64], NDArray[np.float32]]]:
    """Name, rows and mean map of each class that has clips."""
    rows, maps = view.samples.rows_of(list(attention)), np.array(list(attention.values()))
    labels = view.samples.labels[rows]
    found = [(name, labels == label) for label, name in enumerate(view.samples.classes)]
    return [(name, rows[members], np.asarray(maps[members].mean(0))) for name, members in found if members.any()]


def _span(attention: NDArray[np.float32]) -> str:
    return " to ".join(Scale.of([attention]).texts())


def _heat_picture(
    view: _View, rows: NDArray[np.int64], heat: NDArray[np.float32], scale: Scale, caption: str
) -> Picture:
    """A map over the mean input of these clips, and over a face where the input is the mosaic."""
    samples, settings = view.samples, view.config.settings
    picture = _mean_input(samples, rows, view.config)
    landmarks = _mean_landmarks(samples, rows)
    if settings.region == "face":
        if not view.faces:
            picture = _face_sketch(landmarks, settings.face_size)
        return Picture(_jpeg(_scaled(input_heat(picture, heat, scale, settings), _FACE_PX)), caption)
    if view.faces:
        face = _mean_face(samples, rows)
    else:
        picture = np.full_like(picture, _PAPER)
        face = sketch(landmarks, samples.packs[0].frames.shape[-1])
    mosaic, on_face = input_heat(picture, heat, scale, settings), face_heat(face, landmarks, heat, scale, settings)
    image = _side_by_side([mosaic, on_face], _MOSAIC_HEIGHT_PX)
    return Picture(_jpeg(image), f"{caption}; over the mosaic and over a face")


def _clips(
    view: _View,
    predictions: Predictions,
    chosen: dict[str, list[int]],
    attention: dict[str, NDArray[np.float32]] | None = None,
    scale: Scale | None = None,
) -> tuple[tuple[str, tuple[Picture, ...]], ...]:
    """The chosen clips by title; with attention maps if there are any."""
    found = []
    for title, rows in chosen.items():
        pictures = []
        for row in rows:
            heat = attention[predictions.clip[row]] if attention else None
            pictures.append(_clip(view, predictions, row, heat, scale))
        found.append((title, tuple(pictures)))
    return tuple(found)


def _clip(
    view: _View, predictions: Predictions, row: int, attention: NDArray[np.float32] | None, scale: Scale | None
) -> Picture:
    """A clip's onset, middle and apex, what moved, and where the network looked; without faces only its caption."""
    clip_id, truth, predicted = predictions.clip[row], predictions.truth[row], predictions.prediction[row]
    caption = f"{clip_id}: {predicted} {100 * predictions.probabilities[row].max():.1f} %"
    if predicted != truth:
        caption += f", truth {truth}"
    if not view.faces:
        return Picture(b"", caption)
    samples, settings = view.samples, view.config.settings
    sample = samples.rows_of([clip_id])
    pack, pack_row = samples.pack_row[sample[0]]
    frames = np.asarray(samples.packs[pack].frames[pack_row])
    moved = np.clip(128 + _GAIN * (frames[2].astype(np.int16) - frames[0]), 0, 255).astype(np.uint8)
    tiles = [cv2.cvtColor(part, cv2.COLOR_GRAY2BGR) for part in (*frames, moved)]
    caption += f". Onset, middle, apex; apex minus onset, times {_GAIN}"
    if attention is not None and scale is not None:
        apex = np.asarray(render(samples, sample, Augmentation.identity(1), settings, "uint8")[0, -1], np.uint8)
        tiles.append(input_heat(apex, attention, scale, settings))
        caption += f"; attention, {_span(attention)}"
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


def _png(image: Image) -> bytes:
    encoded: Sequence[object] = cv2.imencode(".png", image)
    return np.asarray(encoded[1], np.uint8).tobytes()
