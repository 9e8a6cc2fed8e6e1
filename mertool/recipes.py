"""Recipes: named sets of training settings. Every value can be overridden by its own option."""

from __future__ import annotations

from typing import Any

__all__ = ["RECIPES"]

# Recipe -> the fields of `mertool.settings.Settings` that it sets; all others have their default.
RECIPES: dict[str, dict[str, Any]] = {
    "modern": {},
    # Table 3 of Hata et al.: SGD 1e-3, batch 16, 100 epochs, ten augmented copies. The paper is silent on momentum,
    # where 0 does not even fit the training set in 50 epochs (docs/methods.md, section 7.3), and on the schedule,
    # which is taken as constant.
    "paper": {
        "epochs": 100,
        "optimizer": "sgd",
        "lr": 1e-3,
        "weight_decay": 0.0,
        "warmup": 0.0,
        "schedule": "constant",
        "max_grad_norm": 0.0,
        "augmentations": 10,
        "pool": "global",
        "blocks": 2,
        "dropout": 0.0,
        "fresh_augmentations": False,
    },
}
