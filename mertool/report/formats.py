"""A report as Markdown, CSV or JSON, and a run's log in the format of MEGC2019."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from ..clips import natural_key, split_id
from ..csv_text import csv_text
from ..errors import DataError
from ..evaluation.metrics import hits_by_subject
from ..evaluation.statistics import spread
from ..runs.finished import Run
from ..runs.methods.options import relevant_settings
from .blocks import Block, Heading, KeyValues, Notes, Table, flat_header, without_control_chars
from .compare import compare_runs

__all__ = [
    "blocks_markdown",
    "render_csv",
    "render_json",
    "render_megc",
]


def blocks_markdown(blocks: Sequence[Block]) -> str:
    """Blocks as GitHub-flavoured Markdown."""
    return "\n\n".join(map(_block_markdown, map(without_control_chars, blocks))) + "\n"


def render_json(runs: Sequence[Run]) -> str:
    """`{"runs": [...], "comparisons": [...]}`, always in the same order.

    For each run the metrics, intervals, subject overlap and settings; then each further run compared with the first.
    """
    values = {
        "runs": [_run_values(run) for run in runs],
        "comparisons": [{**c._asdict(), "paired": c.paired._asdict()} for c in compare_runs(runs)],
    }
    return json.dumps(values, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def render_csv(runs: Sequence[Run]) -> str:
    """One line per run: scores with the ends of their intervals (0..1), then every setting that its method uses."""
    settings = list(runs[0].settings.as_dict())
    rows: list[list[object]] = [[*_CSV_SCORES, *settings]]
    for run in runs:
        cells, relevant = _csv_cells(run), relevant_settings(run.settings)
        rows.append([*(cells.get(name, "") for name in _CSV_SCORES), *(relevant.get(name, "") for name in settings)])
    return csv_text(rows)


def _csv_cells(run: Run) -> dict[str, Any]:
    values = _run_values(run)
    cells = {
        **values,
        "accuracy_low": run.wilson_ci[0],
        "accuracy_high": run.wilson_ci[1],
        "class_counts": ", ".join(f"{name} {part['support']}" for name, part in run.metrics["per_class"].items()),
        "packs": " ".join(run.packs),
        "alignments": " ".join(run.alignments),
        "members": " ".join(run.members),
        "designs": "; ".join(f"{one['features']} of {one['of']}, C {one['cost']:g}" for one in run.designs),
        "weights": "; ".join(" ".join(f"{weight:.4f}" for weight in fold) for fold in run.weights),
    }
    for name, (low, high) in run.bootstrap_ci.items():
        cells |= {f"{name}_subjects_low": low, f"{name}_subjects_high": high}
    for name, found in values["over_seeds"].items():
        cells |= {f"{name}_seeds_mean": found["mean"], f"{name}_seeds_sd": found["sd"]}
    return cells


def render_megc(run: Run) -> str:
    """The log that the organisers of MEGC2019 ask for: per subject, one line per clip with truth and prediction.

    Codes are 0 negative, 1 positive, 2 surprise; subjects are separated by a blank line.

    Raises:
        DataError: The run has other classes than these three.

    Source: docs/evaluation.md, section 1; names as in the organisers' list of clips (docs/datasets.md, section 7).
    """
    if run.predictions.classes != _MEGC_CODES:
        raise DataError(
            f"report: {run.name}: the log of MEGC2019 needs the classes {', '.join(_MEGC_CODES)}, but this run has "
            f"{', '.join(run.predictions.classes)}; run cv with --classes megc3"
        )
    lines_of: dict[tuple[str, str], list[str]] = {}
    rows = zip(run.predictions.clip, run.predictions.truth, run.predictions.prediction, strict=True)
    for clip_id, truth, prediction in sorted(rows, key=lambda row: [natural_key(part) for part in split_id(row[0])]):
        dataset, subject, clip = split_id(clip_id)
        if dataset == "smic-hs":
            dataset, subject, clip = "smic", _padded(subject), _padded(clip)
        elif dataset == "samm":
            subject = subject.lstrip("0")
        codes = f"{_MEGC_CODES.index(truth)} {_MEGC_CODES.index(prediction)}"
        lines_of.setdefault((dataset, subject), []).append(f"{clip} {codes}")
    return "\n\n".join("\n".join([" ".join(subject), *lines]) for subject, lines in lines_of.items()) + "\n"


def _padded(name: str) -> str:
    """s1_ne_01 -> s01_ne_01, as the organisers write SMIC's subjects."""
    return re.sub("^s([0-9])(?![0-9])", r"s0\1", name)


_SEED_SCORES = ("accuracy", "fold_accuracy_mean", "uf1", "uar")
_MEGC_CODES = ("negative", "positive", "surprise")
_CSV_SCORES = (
    "run",
    "hits",
    "n",
    "n_subjects",
    "class_counts",
    "accuracy",
    "accuracy_low",
    "accuracy_high",
    "accuracy_subjects_low",
    "accuracy_subjects_high",
    "uf1",
    "uf1_subjects_low",
    "uf1_subjects_high",
    "uar",
    "uar_subjects_low",
    "uar_subjects_high",
    "fold_accuracy_mean",
    "fold_accuracy_sd",
    "n_seeds",
    "accuracy_seeds_mean",
    "accuracy_seeds_sd",
    "uf1_seeds_mean",
    "uf1_seeds_sd",
    "fold_accuracy_mean_seeds_mean",
    "fold_accuracy_mean_seeds_sd",
    "uar_seeds_mean",
    "uar_seeds_sd",
    "majority",
    "random",
    "subject_independent",
    "packs",
    "alignments",
    "members",
    "designs",
    "weights",
    "init",
)


def _run_values(run: Run) -> dict[str, Any]:
    overlap = [{"fold": part.fold, "n_shared": part.n_shared, "subjects": list(part.subjects)} for part in run.overlap]
    return {
        "run": run.name,
        "mertool": run.version,
        "started": run.started,
        "finished": run.finished,
        "seconds": run.seconds,
        "command": run.command_line,
        **run.metrics,
        "accuracy_interval": list(run.wilson_ci),
        "intervals_over_subjects": {name: list(ends) for name, ends in run.bootstrap_ci.items()},
        "protocol": run.folds.protocol,
        "folds_seed": run.folds.seed,
        "subject_independent": not run.shared_subjects and not run.init_subjects,
        "n_subjects_shared": len(run.shared_subjects),
        "fold_names": list(run.folds.names()),
        "overlap": overlap,
        "packs": list(run.packs),
        "alignments": list(run.alignments),
        "key_frames": run.key_frames,
        "init": run.init,
        "init_loaded": list(run.init_layers[0]),
        "init_not_loaded": list(run.init_layers[1]),
        "n_subjects_seen_by_init": len(run.init_subjects),
        "per_subject": {name: list(pair) for name, pair in hits_by_subject(run.predictions).items()},
        "epochs": list(run.epochs),
        "designs": list(run.designs),
        "members": list(run.members),
        "weights": [list(weights) for weights in run.weights],
        "n_seeds": len(run.repeats) + 1,
        "over_seeds": {name: spread(run.over_seeds(name))._asdict() for name in _SEED_SCORES if run.repeats},
        "repeats": [
            {"run": one.name, "seed": one.settings.seed, "split_seed": one.settings.split_seed}
            | {name: one.metrics[name] for name in ("hits", *_SEED_SCORES)}  # type: ignore[literal-required]
            for one in run.repeats
        ],
        "settings": run.settings.as_dict(),
    }


def _block_markdown(block: Block) -> str:
    if isinstance(block, Heading):
        return f"## {_escape_markdown(block.text)}"
    if isinstance(block, Notes):
        return "\n\n".join(map(_escape_markdown, block.lines))
    if isinstance(block, KeyValues):
        block = Table("", ("", ""), block.rows, n_left=2)
    marks = [":--"] * block.n_left + ["--:"] * (len(block.header) - block.n_left)
    header, *rows = (list(map(_escape_markdown, row)) for row in (flat_header(block), *block.rows))
    lines = [f"| {' | '.join(row)} |" for row in (header, marks, *rows)]
    if block.title:
        lines = [f"**{_escape_markdown(block.title)}**", "", *lines]
    return "\n".join(lines)


def _escape_markdown(text: str) -> str:
    """Text that Markdown shows unchanged, also in a cell of a table."""
    for mark in "\\`*_|<":
        text = text.replace(mark, f"\\{mark}")
    return text.replace("](", "]\\(")  # a name is not a link
