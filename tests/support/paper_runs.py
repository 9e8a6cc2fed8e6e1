"""Runs for the cells of the paper's tables."""

from __future__ import annotations

from mertool.report.paper_tables import ARCFACE, CKPLUS, RESNET


def settings_of(cell):
    """Settings of a run that belongs to a cell, its initial weights among them."""
    network: dict[str, dict[str, object]] = {
        RESNET: {},
        CKPLUS: {"init": f"../ckplus-{cell.frames}f/final.pt"},
        ARCFACE: {"arcface": True},
    }
    region = {5: "roi", 6: "face"}[cell.table]
    return {"region": region, "frames": cell.frames, "abn": cell.abn, **network[cell.network]}
