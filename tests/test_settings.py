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


def test_a_range_may_be_open_at_one_end():
    assert Setting("", "Input", low=1).allows(10**9)
    assert not Setting("", "Input", low=1).allows(0)
    assert not Setting("", "Input", high=1).allows(float("nan"))
    texts = [Setting("", "Input", low=low, high=high).range_text for low, high in ((1, 2), (1, None), (None, 2))]
    assert texts == ["1 to 2", "at least 1", "at most 2"]
