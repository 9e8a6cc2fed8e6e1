"""Settings: recipes, overrides, and a refusal for everything out of range."""

from __future__ import annotations

import dataclasses

import pytest

from mertool.declarations import Setting
from mertool.errors import UsageError
from mertool.recipes import RECIPES
from mertool.settings import Settings


def test_the_paper_recipe_is_table_3():
    settings = Settings.from_recipe("paper")
    assert (settings.batch_size, settings.epochs, settings.optimizer, settings.lr) == (16, 100, "sgd", 1e-3)
    assert (settings.augmentations, settings.fresh_augmentations, settings.momentum) == (10, False, 0.9)


def test_options_override_the_recipe_and_none_does_not_count():
    settings = Settings.from_recipe("paper", epochs=7, lr=None, abn=True)
    assert (settings.epochs, settings.lr, settings.abn, settings.recipe) == (7, 1e-3, True, "paper")


def test_values_survive_a_round_trip():
    settings = Settings.from_recipe("paper", region="roi", frames=1)
    assert Settings.from_dict(settings.as_dict()) == settings


def test_whole_numbers_may_stand_for_fractions():
    assert Settings(lr=1).lr == 1.0


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"epochs": 0}, "--epochs: expected 1 to 100000, got 0"),
        ({"epochs": 2.5}, "--epochs: expected int, got 2.5"),
        ({"epochs": True}, "--epochs: expected int, got True"),
        ({"frames": 2}, "--frames: expected one of 1, 3, got 2"),
        ({"region": "nose"}, "--region: expected one of face, roi, got 'nose'"),
        ({"lr": float("nan")}, "--lr: expected 1e-09 to 100, got nan"),
        ({"batch_size": 1}, "--batch-size: expected 2 to 65536, got 1"),
        ({"rotation_deg": 11.0}, "--rotation: expected 0 to 10, got 11.0"),
        ({"epoch": 3}, "settings: unknown name 'epoch'; did you mean 'epochs'?"),
        ({"zzz": 3}, "settings: unknown name 'zzz'; was it written by a newer mertool?"),
    ],
)
def test_refusals(values, message):
    with pytest.raises(UsageError) as caught:
        Settings.from_dict(values)
    assert str(caught.value) == message


def test_an_unknown_recipe_is_refused():
    with pytest.raises(UsageError, match="--recipe: expected one of modern, paper, got 'old'"):
        Settings.from_recipe("old")


def test_recipes_name_real_fields_only():
    names = {field.name for field in dataclasses.fields(Settings)}
    assert all(set(fixed) <= names for fixed in RECIPES.values())


def test_differences_are_told_field_by_field():
    assert Settings(seed=1).differences(Settings(seed=2, abn=True)) == [
        "abn: False here, True there",
        "seed: 1 here, 2 there",
    ]
    assert Settings().differences(Settings()) == []


# Texture features.

RADII = "--radii: expected three numbers of 1 to 64 for x,y,t, got "
GRID_NUMBERS = "--grid: expected three numbers of 1 to 64 for x,y,t, got "
COUNT = "--n-features: expected a number from 1, all or auto, got "
COST = "--cost: expected a number above 0 and up to 1e9, or auto, got "


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"interpolation": "cubic"}, "--interpolation: expected one of tim, linear, got 'cubic'"),
        ({"points": 6}, "--points: expected one of 4, 8, 16, got 6"),
        ({"sampling": "cubic"}, "--sampling: expected one of bilinear, nearest, got 'cubic'"),
        ({"mapping": "ri"}, "--mapping: expected one of u2, full, got 'ri'"),
        ({"fuse_weights": "best"}, "--fuse-weights: expected one of equal, fitted, got 'best'"),
        ({"length": -1}, "--length: expected 0 to 1000, got -1"),
        ({"length": 1001}, "--length: expected 0 to 1000, got 1001"),
        ({"length": 10.0}, "--length: expected int, got 10.0"),
        ({"threshold": 256}, "--threshold: expected 0 to 255, got 256"),
        ({"threshold": -1}, "--threshold: expected 0 to 255, got -1"),
        ({"normalise": 1}, "--normalise: expected bool, got 1"),
        ({"cost": 10}, "--cost: expected str, got 10"),
        *[
            ({"radii": text}, f"{RADII}{text!r}")
            for text in ("", "1", "1,1", "1,1,1,1", "0,1,1", "1,1,65", "1,-1,1", "1,1,1.5", "a,b,c", "1;1;1", "1,1,٣")
        ],
        *[({"grid": text}, f"{GRID_NUMBERS}{text!r}") for text in ("", "5", "5,5", "0,5,2", "65,1,1", "5x5x2", "Auto")],
        *[
            ({"n_features": text}, f"{COUNT}{text!r}")
            for text in ("", "0", "000", "-5", "1.5", "1e3", "many", "1000000000", " 5", "٣")
        ],
        *[({"cost": text}, f"{COST}{text!r}") for text in ("", "0", "-1", "nan", "inf", "1.1e9", "1e-400", "C")],
        *[({"cost": text}, f"{COST}{text!r}") for text in ("1_0", "٣")],
        (
            {"length": 4},
            "--length: 4 frames are too few for a radius of 2 in time; expected at least 5, or a smaller third number "
            "of --radii",
        ),
        (
            {"length": 10, "radii": "1,1,5"},
            "--length: 10 frames are too few for a radius of 5 in time; expected at least 11, or a smaller third "
            "number of --radii",
        ),
    ],
)
def test_settings_that_make_no_sense_are_refused(values, message):
    with pytest.raises(UsageError) as caught:
        Settings(**{"method": "lbp-top", **values})
    assert str(caught.value) == message


@pytest.mark.parametrize(
    "values",
    [
        {"radii": "64,1,4", "length": 9},
        {"radii": "1, 1, 2"},
        {"radii": "1,1,64", "length": 0},
        {"grid": "64,64,64"},
        {"n_features": "1"},
        {"n_features": "999999999"},
        {"cost": "1e9"},
        {"cost": "1e-9"},
        {"cost": "0.5"},
        {"length": 5},
    ],
)
def test_settings_at_the_edge_are_let_pass(values):
    settings = Settings(**{"method": "lbp-top", **values})
    assert Settings.from_dict(settings.as_dict()) == settings


def test_a_range_may_be_open_at_one_end():
    assert Setting("", "Input", low=1).allows(10**9)
    assert not Setting("", "Input", low=1).allows(0)
    assert not Setting("", "Input", high=1).allows(float("nan"))
    texts = [Setting("", "Input", low=low, high=high).range_text for low, high in ((1, 2), (1, None), (None, 2))]
    assert texts == ["1 to 2", "at least 1", "at most 2"]
