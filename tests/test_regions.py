"""The fifteen regions, on a real face and by their symmetries."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data

from mertool import _core, regions

REFERENCE = Path(__file__).parent / "data" / "roi15.json"


@pytest.fixture(scope="module")
def face(finder):
    grey = cv2.cvtColor(skimage.data.astronaut(), cv2.COLOR_RGB2GRAY)
    found = finder.find(grey)
    transform = regions.crop_transform(found.landmarks, 256)
    return _core.align(grey, transform, (256, 256)), _core.transform_points(found.landmarks, regions.invert(transform))


def mirrored(points, size=256):
    flipped = points[..., regions.FLIP68, :].copy()
    flipped[..., 0] = size - 1 - flipped[..., 0]
    return flipped


def test_the_tables_are_those_of_the_reference():
    reference = json.loads(REFERENCE.read_text())
    assert regions.FLIP68.tolist() == reference["flip68"]
    assert regions.REGION_FLIP.tolist() == reference["roi_flip"]
    assert [region.name for region in regions.REGIONS] == [roi["name"] for roi in reference["rois"]]
    assert [region.action_units for region in regions.REGIONS] == [roi["AUs"] for roi in reference["rois"]]


def test_flips_are_involutions():
    assert (regions.FLIP68[regions.FLIP68] == np.arange(68)).all()
    assert (regions.REGION_FLIP[regions.REGION_FLIP] == np.arange(15)).all()


def test_centres_follow_their_written_rules(face):
    """Each rule of the table is evaluated as it is written, independently of the code."""
    p = face[1].astype(float)
    frame = regions.face_frame(p)
    names = {f"p{k}": p[k] for k in range(68)} | {"r": frame.inner, "up": frame.up}
    centres = regions.region_centres(p)
    for centre, region in zip(centres, regions.REGIONS, strict=True):
        rule = region.centre.replace("r/3 up", "r/3*up").replace("r/4 up", "r/4*up").replace("r up", "r*up")
        if rule.startswith("mean("):
            inside = rule[5:-1]
            if ".." in inside:
                first, last = (int(end[1:]) for end in inside.split(".."))
                expected = p[first : last + 1].mean(0)
            else:
                expected = np.mean([names[name] for name in inside.split(",")], 0)
        else:
            expected = eval(rule, {}, names)
        np.testing.assert_allclose(centre, expected, atol=1e-9, err_msg=region.name)


def test_regions_of_the_mirrored_face_are_the_mirrored_regions(face):
    centres = regions.region_centres(face[1])
    there = regions.region_centres(mirrored(face[1]))
    expected = centres[regions.REGION_FLIP]
    expected[:, 0] = 255 - expected[:, 0]
    np.testing.assert_allclose(there, expected, atol=1e-9)


@pytest.mark.parametrize("turn_deg", [0, 17, -31, 90])
def test_regions_turn_move_and_grow_with_the_face(face, turn_deg):
    angle = np.deg2rad(turn_deg)
    matrix = 1.7 * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    moved = face[1].astype(float) @ matrix.T + [11, -5]
    np.testing.assert_allclose(
        regions.region_centres(moved), regions.region_centres(face[1].astype(float)) @ matrix.T + [11, -5], atol=1e-6
    )


def test_the_crop_has_room_for_all_squares_after_ten_degrees(face):
    squares = regions.region_squares(face[1].astype(float))
    centres = squares.mean(1, keepdims=True)
    for turn_deg in (-10, 0, 10):
        angle = np.deg2rad(turn_deg)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        turned = (squares - centres) @ turn.T + centres
        assert turned.min() >= 0
        assert turned.max() <= 255


def test_the_crop_is_upright_and_the_inverse_inverts(face):
    frame = regions.face_frame(face[1].astype(float))
    assert abs(frame.across[1]) < 2e-3  # landmarks are on a grid of 1/1024 px
    transform = np.array([[0.8, -0.3, 5.0], [0.3, 0.8, -7.0]])
    both = np.vstack([transform, [0, 0, 1]]) @ np.vstack([regions.invert(transform), [0, 0, 1]])
    np.testing.assert_allclose(both, np.eye(3), atol=1e-12)


@pytest.mark.parametrize("angle_deg", [0.0, 7.5, -10.0])
def test_mirror_of_the_mosaic_is_the_mosaic_of_the_mirrored_face_exactly(face, angle_deg):
    frames = np.stack([face[0], np.roll(face[0], 1, 0), np.roll(face[0], 1, 1)])[None]
    tone = np.array([[1.1, -4]], np.float32)

    def mosaic(pictures, points, angle, mirror):
        transforms = regions.region_transforms(points[None], 32, angle, mirror)
        return _core.render(pictures, transforms, tone, regions.GRID, (32, 32))

    plain = mosaic(frames, face[1], angle_deg, False)
    assert (mosaic(frames, face[1], angle_deg, True) == plain[..., ::-1]).all()
    other = mosaic(np.ascontiguousarray(frames[..., ::-1]), mirrored(face[1]), -angle_deg, False)
    assert (other == plain[..., ::-1]).all()


def test_mirror_of_the_face_is_the_face_of_the_mirror_exactly(face):
    frames, tone = face[0][None, None], np.array([[1, 0]], np.float32)

    def picture(pictures, points, mirror):
        return _core.render(pictures, regions.face_transforms(points[None], 128, 4.0, mirror), tone, (1, 1), (128, 128))

    plain = picture(frames, face[1], False)
    assert (picture(frames, face[1], True) == plain[..., ::-1]).all()


def test_rotation_turns_each_square_about_its_own_centre(face):
    straight = regions.region_transforms(face[1][None], 32).astype(float)
    turned = regions.region_transforms(face[1][None], 32, 10.0).astype(float)
    middle = np.array([15.5, 15.5, 1])
    np.testing.assert_allclose(straight @ middle, turned @ middle, atol=1e-3)
    cosine = (straight[..., 0] * turned[..., 0]).sum(-1) / (
        np.linalg.norm(straight[..., 0], axis=-1) * np.linalg.norm(turned[..., 0], axis=-1)
    )
    np.testing.assert_allclose(np.rad2deg(np.arccos(cosine)), 10, atol=0.05)
