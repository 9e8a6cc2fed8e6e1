"""Motion as input: known movements are found, and vectors turn and mirror with the picture."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
import pytest

from mertool.inputs.channels import render_input
from mertool.inputs.motion import flow_of_pack, strain_of
from mertool.inputs.rendering import Augmentation, input_shape, render
from mertool.pack import load_pack, save_pack
from mertool.regions import face_frame, region_centres
from tests.support.samples import samples_of


@pytest.fixture(scope="module")
def pack(pack_path):
    return load_pack(pack_path)


def moved(picture, field):
    """The picture whose point x of the onset is at x + field(x); fields are smooth and small."""
    y, x = np.mgrid[: picture.shape[0], : picture.shape[1]].astype(np.float32)
    back = (x - field[0]).astype(np.float32), (y - field[1]).astype(np.float32)
    return cv2.remap(picture, *back, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)


def bump(size, centre, radius, shift):
    """(2, size, size) movement of one place of the face, smoothly to nothing around it."""
    y, x = np.mgrid[:size, :size]
    weight = np.exp(-((x - centre[0]) ** 2 + (y - centre[1]) ** 2) / (2 * radius**2))
    return np.stack([shift[0] * weight, shift[1] * weight]).astype(np.float32)


def pack_of(path, pack, fields, size=None):
    """A pack of one clip per pair of fields: an onset of `pack`, moved by them to middle and apex."""
    frames, landmarks = [], []
    for row, (middle, apex) in enumerate(fields):
        onset, points = np.asarray(pack.frames[row % len(pack.ids), 0]), pack.landmarks[row % len(pack.ids)]
        own = [onset, moved(onset, middle), moved(onset, apex)]
        if size is not None:
            scale = size / onset.shape[0]
            own = [cv2.resize(one, (size, size), interpolation=cv2.INTER_AREA) for one in own]
            points = (points + 0.5) * scale - 0.5
        frames.append(own)
        landmarks.append(points)
    n = len(frames)
    arrays: dict[str, np.ndarray] = {"frames": np.array(frames, np.uint8)}
    arrays["landmarks"] = np.array(landmarks, np.float32)
    arrays |= {name: np.array([f"{name}{k}" for k in range(n)]) for name in ("clip", "subject")}
    arrays |= {"dataset": np.array(["made"] * n), "emotion": np.array(["fear", "anger"] * n)[:n]}
    arrays |= {name: np.zeros(n, np.int64) for name in ("onset", "middle", "apex", "offset")}
    save_pack(path, arrays, {})
    return load_pack(path)


def still(pack):
    return np.zeros((2, *pack.frames.shape[-2:]), np.float32)


def place(pack, row, region):
    """A region's centre in stored pixels and the distance of the outer eye corners."""
    points = pack.landmarks[row, 0]
    return region_centres(points)[region], float(face_frame(points).outer)


def channels(pack, settings, samples, augmentation=None):
    rows = np.arange(len(samples.ids))
    out = np.empty((len(rows), settings.channels, *input_shape(settings)), np.float32)
    render_input(samples, rows, augmentation or Augmentation.identity(len(rows)), settings, out)
    return out


# The flow


@pytest.mark.parametrize("length", [0.3, 0.6, 1.2, 2.5])
@pytest.mark.parametrize("direction", [(1, 0), (0, -1), (-0.6, 0.8)])
def test_a_known_movement_is_found(pack, tmp_path, length, direction):
    """At the mouth, where it moves most: within a quarter (smoothing takes of so narrow a movement), half and whole."""
    size = pack.frames.shape[-1]
    fields = []
    for row in range(3):
        centre, outer = place(pack, row, 7)
        whole = bump(size, centre, 0.2 * outer, np.array(direction) * length)
        fields.append((whole / 2, whole))
    made = pack_of(tmp_path / "a.npz", pack, fields)
    flow = flow_of_pack(made).astype(np.float64)
    for row in range(3):
        centre, outer = place(made, row, 7)
        x, y = np.rint(centre / 2).astype(int)
        for number, part in enumerate((0.5, 1.0)):
            found = flow[row, number, :, y - 2 : y + 3, x - 2 : x + 3].mean((1, 2)) * outer / 100
            wanted = np.array(direction) * length * part
            assert np.linalg.norm(found - wanted) < 0.25 * length + 0.03


def test_what_does_not_move_has_no_flow(pack, tmp_path):
    made = pack_of(tmp_path / "a.npz", pack, [(still(pack), still(pack))])
    assert not flow_of_pack(made).any()


def test_what_all_of_the_face_shares_is_taken_out(pack, tmp_path):
    shift = still(pack) + np.array([0.8, -0.5], np.float32)[:, None, None]
    made = pack_of(tmp_path / "a.npz", pack, [(shift / 2, shift)] * 3)
    inner = flow_of_pack(made)[..., 12:-12, 12:-12].astype(np.float64)
    assert np.median(np.abs(inner)) < 0.1  # percent of the distance of the eye corners, of which the shift was 1.5


def test_flow_does_not_depend_on_the_size_of_the_pack(pack, tmp_path):
    centre, outer = place(pack, 0, 7)
    whole = bump(pack.frames.shape[-1], centre, 0.2 * outer, (0, 1.5))
    large = pack_of(tmp_path / "a.npz", pack, [(whole / 2, whole)])
    small = pack_of(tmp_path / "b.npz", pack, [(whole / 2, whole)], size=96)
    found = []
    for made in (large, small):
        x, y = np.rint(place(made, 0, 7)[0] / 2).astype(int)
        found.append(float(flow_of_pack(made)[0, 1, 1, y, x]))
    assert found[1] == pytest.approx(found[0], rel=0.15)
    assert found[0] == pytest.approx(100 * 1.5 / outer, rel=0.15)


def test_the_flow_is_kept_and_read_again(pack, tmp_path, monkeypatch):
    made = pack_of(tmp_path / "a.npz", pack, [(still(pack), still(pack))] * 2)
    told = []
    first = flow_of_pack(made, lambda done, total: told.append((done, total)))
    assert told == [(1, 2), (2, 2)]
    (path,) = (tmp_path / "a.features").iterdir()
    assert path.name.startswith("flow-")
    monkeypatch.setattr("mertool.inputs.motion._flow_of_clip", None)
    np.testing.assert_array_equal(flow_of_pack(made), first)


def test_strain_is_the_norm_of_the_tensor():
    """Of stretching along x by 2 % and of shear; none of a rotation, and the same for a field that is turned."""
    y, x = np.mgrid[:20, :20].astype(np.float64)
    outer = np.array([50.0])

    def strain(u, v):
        field = np.stack([u, v])[None, None] * 2 * (100 / 50)  # every second pixel, and in percent of `outer`
        return strain_of(field, outer)[0, 0, 10, 10]

    assert strain(0.02 * x, 0 * x) == pytest.approx(2, rel=1e-3)
    assert strain(0.02 * y, 0 * x) == pytest.approx(2 / np.sqrt(2), rel=1e-3)
    assert strain(-0.02 * y, 0.02 * x) == pytest.approx(0, abs=1e-3)
    cos, sin = np.cos(0.4), np.sin(0.4)
    along = 0.02 * (cos * x + sin * y)
    assert strain(cos * along, sin * along) == pytest.approx(2, rel=1e-3)


# The channels


@pytest.mark.parametrize(
    ("kind", "frames", "count"),
    [
        *(("gray", 1, 1), ("gray", 3, 3), ("diff", 1, 1), ("diff", 3, 2), ("flow", 1, 2), ("flow", 3, 4)),
        *(("flow+strain", 1, 3), ("flow+strain", 3, 6), ("gray+flow", 1, 3), ("gray+flow", 3, 7)),
    ],
)
@pytest.mark.parametrize("region", ["face", "roi"])
def test_channels_of_one_frame_are_those_of_the_apex(pack, kind, frames, count, region):
    samples, settings = samples_of([pack], input=kind, frames=frames, region=region)
    x = channels(pack, settings, samples)
    assert x.shape == (len(samples.ids), count, *input_shape(settings))
    assert np.isfinite(x).all()
    n_grey = frames * ("gray" in kind)
    if n_grey:
        grey = render(samples, np.arange(len(x)), Augmentation.identity(len(x)), settings)
        np.testing.assert_array_equal(x[:, :n_grey], grey)
    if frames == 1 and kind != "gray":
        three = channels(pack, dataclasses.replace(settings, frames=3), samples)
        np.testing.assert_array_equal(x[:, n_grey:], three[:, -(count - n_grey) :])


def test_differences_are_those_of_the_rendered_frames(pack):
    samples, settings = samples_of([pack], input="diff", region="roi")
    rows = np.arange(len(samples.ids))
    grey = render(samples, rows, Augmentation.identity(len(rows)), settings, "uint8").astype(np.float64)
    found = 8 * channels(pack, settings, samples)
    assert np.abs(found - (grey[:, 1:] - grey[:, :1])).max() <= 2  # each of the two was rounded


@pytest.mark.parametrize("kind", ["diff", "flow", "flow+strain", "gray+flow"])
@pytest.mark.parametrize("region", ["face", "roi"])
def test_the_mirrored_face_moves_to_the_other_side(pack, kind, region):
    """Mirror of the mosaic = mosaic of the mirror image, and a movement to the left is one to the right in it."""
    samples, settings = samples_of([pack], input=kind, region=region)
    n = len(samples.ids)
    plain = channels(pack, settings, samples)
    mirrored = dataclasses.replace(Augmentation.identity(n), mirror=np.ones(n, bool))
    found = channels(pack, settings, samples, mirrored)[..., ::-1]
    sign = {"diff": [1], "flow": [-1, 1], "flow+strain": [-1, 1, 1], "gray+flow": [-1, 1]}[kind] * 2
    signs = np.array([*[1] * (3 * (kind == "gray+flow")), *sign], np.float32)[:, None, None]
    grey = 3 * (kind == "gray+flow")
    np.testing.assert_allclose(found[:, grey:], (signs * plain)[:, grey:], atol=2e-3)
    if grey:
        np.testing.assert_array_equal(found[:, :grey], plain[:, :grey])
    # And there and back: what is mirrored twice is as it was.
    np.testing.assert_allclose((signs * found)[:, grey:], plain[:, grey:], atol=2e-3)


@pytest.mark.parametrize("region", ["face", "roi"])
@pytest.mark.parametrize("angle", [-10.0, 7.0, 90.0])
def test_vectors_turn_with_the_picture(pack, tmp_path, region, angle):
    """In the middle of the face and of each region, which a turn leaves where it is."""
    samples, settings = samples_of([pack], input="flow", region=region, frames=1, tile=33, face_size=129)
    n = len(samples.ids)
    plain = channels(pack, settings, samples)
    turned = channels(
        pack, settings, samples, dataclasses.replace(Augmentation.identity(n), angle_deg=np.full(n, angle))
    )
    side = 33 if region == "roi" else 129
    middle = np.s_[..., side // 2 :: side, side // 2 :: side]
    u, v = np.moveaxis(plain[middle], 1, 0)
    cos, sin = np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))
    found = np.moveaxis(turned[middle], 1, 0)
    np.testing.assert_allclose(found[0], cos * u + sin * v, atol=3e-3)
    np.testing.assert_allclose(found[1], cos * v - sin * u, atol=3e-3)
    assert np.abs(u).max() > 0.1


def test_contrast_makes_movements_larger_and_brightness_does_not_matter(pack):
    samples, settings = samples_of([pack], input="flow+strain", region="roi")
    n = len(samples.ids)
    tone = np.tile(np.array([1.25, 40], np.float32), (n, 1))
    found = channels(pack, settings, samples, dataclasses.replace(Augmentation.identity(n), tone=tone))
    np.testing.assert_allclose(found, 1.25 * channels(pack, settings, samples), rtol=1e-5, atol=1e-6)


def test_a_clip_looks_the_same_in_every_batch_and_pack(pack, tmp_path):
    centre, outer = place(pack, 0, 7)
    field = bump(pack.frames.shape[-1], centre, 0.2 * outer, (1, 1))
    other = pack_of(tmp_path / "b.npz", pack, [(field / 2, field)] * 2, size=96)
    samples, settings = samples_of([pack, other], input="flow", region="roi")
    together = channels(None, settings, samples)
    rows = np.arange(len(samples.ids))[::-3]
    out = np.empty((len(rows), *together.shape[1:]), np.float32)
    render_input(samples, rows, Augmentation.identity(len(rows)), settings, out)
    np.testing.assert_array_equal(out, together[rows])


def test_packs_without_landmarks_have_flow_too(pack, tmp_path):
    centre, outer = place(pack, 0, 7)
    field = bump(pack.frames.shape[-1], centre, 0.2 * outer, (0, 1.5))
    made = pack_of(tmp_path / "a.npz", pack, [(field / 2, field)])
    blind = pack_of(
        tmp_path / "b.npz", dataclasses.replace(pack, landmarks=pack.landmarks * np.nan), [(field / 2, field)]
    )
    with_points, without = flow_of_pack(made)[0, 1, 1], flow_of_pack(blind)[0, 1, 1]
    x, y = np.rint(centre / 2).astype(int)
    assert without[y, x] == pytest.approx(with_points[y, x], rel=0.3)
    samples, settings = samples_of([blind], input="flow+strain")
    assert np.isfinite(channels(blind, settings, samples)).all()
