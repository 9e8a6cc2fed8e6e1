"""Settings that mean nothing for a method are refused by name."""

from __future__ import annotations

import dataclasses

import pytest

from mertool.errors import UsageError
from mertool.runs.methods import method_named
from mertool.runs.methods.options import reject_irrelevant
from mertool.settings import Settings

SHARED = {"classes", "region", "tile", "face_size", "balanced_sampling", "method", "protocol", "folds", "split_seed"}
SHARED |= {"repeats", "new_splits", "threads"}
TEXTURE = {"length", "interpolation", "points", "radii", "normalise", "grid", "n_features", "cost"}
NETWORK_ONLY = {
    *("frames", "input", "width", "blocks", "stem_kernel", "stem_stride", "abn", "map_kernel", "arcface", "arc_scale"),
    *("arc_margin", "arc_ramp", "pool", "dropout", "temporal_init", "recipe", "epochs", "batch_size", "optimizer"),
    *("lr", "momentum", "weight_decay", "warmup", "schedule", "max_grad_norm", "augmentations"),
    *(
        "fresh_augmentations",
        "hflip",
        "rotation_deg",
        "contrast",
        "brightness",
        "epoch_selection",
        "seed",
        "device",
        "precision",
    ),
}
FIT = {
    "network": SHARED | NETWORK_ONLY,
    "lbp-top": SHARED | TEXTURE | {"sampling", "mapping"},
    "cbp-top": SHARED | TEXTURE | {"threshold", "signed"},
    "fusion": {"fuse_weights"},
}
WHY = {
    "network": "goes with --method lbp-top or cbp-top",
    "lbp-top": "means nothing for --method lbp-top; leave it out",
    "cbp-top": "means nothing for --method cbp-top; leave it out",
    "fusion": "--fuse takes all else from its runs; leave it out",
}


@pytest.mark.parametrize("features", FIT)
def test_options_of_other_features_are_refused_one_by_one(features):
    for field in dataclasses.fields(Settings):
        if field.name in FIT[features]:
            reject_irrelevant(method_named(features), [field.name])
            continue
        option = {"rotation_deg": "--rotation"}.get(field.name, "--" + field.name.replace("_", "-"))
        why = "goes with --fuse" if field.name == "fuse_weights" else WHY[features]
        if features == "network" and field.name not in {*TEXTURE, "fuse_weights"}:
            why = f"goes with --method {'lbp-top' if field.name in FIT['lbp-top'] else 'cbp-top'}"
        with pytest.raises(UsageError) as caught:
            reject_irrelevant(method_named(features), [*sorted(FIT[features])[:3], field.name])
        assert str(caught.value) == f"{option}: {why}"
    reject_irrelevant(method_named(features), FIT[features])
    reject_irrelevant(method_named(features), [])


@pytest.mark.parametrize(
    ("features", "given", "message"),
    [
        ("lbp-top", ["epochs", "threshold", "abn", "points"], f"--abn, --epochs, --threshold: {WHY['lbp-top']}"),
        ("network", ["epochs", "threshold", "cost"], f"--cost, --threshold: {WHY['network']}"),
        ("fusion", ["points", "fuse_weights", "folds"], f"--folds, --points: {WHY['fusion']}"),
        ("cbp-top", ["fuse_weights", "abn"], "--fuse-weights: goes with --fuse"),
    ],
)
def test_options_of_other_features_are_named_together(features, given, message):
    with pytest.raises(UsageError) as caught:
        reject_irrelevant(method_named(features), given)
    assert str(caught.value) == message
