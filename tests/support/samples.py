"""The clips of a pack as samples, with settings of their own."""

from __future__ import annotations

from mertool.datasets.labels import resolve_classes
from mertool.inputs.samples import load_samples
from mertool.settings import Settings


def samples_of(packs, **settings):
    chosen = Settings(**{"classes": "basic6", **settings})
    return load_samples(packs, resolve_classes(chosen.classes, packs[0].emotion), chosen), chosen
