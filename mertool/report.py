"""From run folders to text, Markdown and JSON.

`load_run` recomputes everything from folds.json and the folds' predictions.csv, which are joined by clip id; it never
reads results.json. The tables are built once as a list of blocks; a format is one function from blocks to text.
"""

from __future__ import annotations

import json
import textwrap
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from .config import RECIPES, Settings
from .errors import DataError, FileError, MertoolError
from .files import read_json
from .folds import Folds, Overlap, subject_overlap
from .metrics import Metrics, confusions_by_person, evaluate
from .predictions import Predictions
from .stats import FEWEST_ONE_WAY, Paired, bootstrap_intervals, compare_paired, holm, minimal_detectable, wilson

__all__ = ["Run", "find_newest_run", "load_run", "render_json", "render_markdown", "render_text"]

_FORMAT = 1
_BOOTSTRAP_SEED = 0  # the same report every time
_WIDTH = 96  # columns of running text, and the widest confusion matrix that still spells its columns out
_LEVEL = 0.05
_EPOCH_RULE = "Epoch rule: last epoch; the test fold is never looked at during training."
_ORACLE = "Oracle key frames: onset and apex are human annotations, not found by a program."


@dataclass(frozen=True, slots=True)
class Run:
    """A finished cross-validation and its scores.

    Attributes:
        name: The run folder as it was given.
        version: mertool's version that made it.
        settings: All its settings.
        init: Where its first weights came from (`--init`); "" for random ones.
        init_layers: What of these weights was loaded, and what not and why.
        init_people: People of the run whom these weights have seen.
        packs: Names of its packs.
        folds: Which clips were tested in which fold.
        predictions: One row for each of those clips.
        metrics: `mertool.metrics.evaluate(predictions)`.
        interval: 95 % Wilson interval of the pooled accuracy, 0..1.
        by_people: 95 % intervals of "accuracy", "uf1" and "uar" over resampled people.
        overlap: `mertool.folds.subject_overlap(folds)`.
    """

    name: str
    version: str
    settings: Settings
    init: str
    init_layers: tuple[tuple[str, ...], tuple[str, ...]]
    init_people: tuple[str, ...]
    packs: tuple[str, ...]
    folds: Folds
    predictions: Predictions
    metrics: Metrics
    interval: tuple[float, float]
    by_people: dict[str, tuple[float, float]]
    overlap: tuple[Overlap, ...]

    @property
    def shared_subjects(self) -> tuple[str, ...]:
        """Subjects with clips in both the training and the test part of some fold, sorted."""
        return tuple(sorted({subject for fold in self.overlap for subject in fold.subjects}))


def load_run(folder: Path) -> Run:
    """Read the run folder of a finished `mertool cv`.

    Raises:
        FileError: A file is missing or cannot be read.
        DataError: An unfinished run, a clip predicted twice, in another fold than folds.json says, or not at all;
            other classes than config.json's; or a file that is not mertool's.
    """
    name = folder.as_posix() if folder.name else folder.resolve().name
    where = f"report: {name}"
    if not (folder / "config.json").is_file():
        raise FileError(f'{where}: no config.json; expected a folder made by "mertool cv"')
    config = read_json(folder / "config.json")
    if not isinstance(config, dict) or config.get("format") != _FORMAT:
        found = config.get("format") if isinstance(config, dict) else type(config).__name__
        raise DataError(
            f"{where}: config.json: expected format {_FORMAT}, got {found!r}; was it made by a newer mertool?"
        )
    if config.get("command") == "train":
        raise DataError(f'{where}: made by "mertool train", which tests nothing; give a run of "mertool cv"')
    settings, classes, packs = _read_config(config, where)
    folds = Folds.load(folder / "folds.json")
    predictions = _join_folds(folder, folds, classes, where)
    try:
        metrics = evaluate(predictions)
    except DataError as error:
        raise DataError(f"{where}: {error}") from error
    init = config.get("init") or {}
    init = init if isinstance(init, dict) else {"path": init}
    return Run(
        name=name,
        version=str(config.get("mertool", "")),
        settings=settings,
        init=str(init.get("path", "")),
        init_layers=(tuple(map(str, init.get("loaded") or ())), tuple(map(str, init.get("not_loaded") or ()))),
        init_people=tuple(map(str, init.get("people") or ())),
        packs=packs,
        folds=folds,
        predictions=predictions,
        metrics=metrics,
        interval=wilson(metrics["hits"], metrics["n"]),
        by_people=bootstrap_intervals(confusions_by_person(predictions), _BOOTSTRAP_SEED),
        overlap=tuple(subject_overlap(folds)),
    )


def find_newest_run(folder: Path) -> Path:
    """The cross-validation below `folder`/runs whose config.json was written last.

    Raises:
        FileError: There is none.
    """
    runs = folder / "runs"
    found = [path for path in runs.rglob("config.json") if (path.parent / "folds.json").is_file()]
    if not found:
        raise FileError(f'report: no run below {runs}; make one with "mertool cv" or name its folder')
    return max(found, key=lambda path: (path.stat().st_mtime_ns, path)).parent


def render_text(runs: Sequence[Run]) -> str:
    """Tables for a terminal: with several runs a summary first, then each run."""
    return "\n\n".join(_block_text(block) for block in _blocks(runs)) + "\n"


def render_markdown(runs: Sequence[Run]) -> str:
    """The same as GitHub-flavoured Markdown."""
    return "\n\n".join(_block_markdown(block) for block in _blocks(runs)) + "\n"


def render_json(runs: Sequence[Run]) -> str:
    """`{"runs": [...], "comparisons": [...]}`, always in one order.

    Of each run the metrics, the intervals, the overlap and the settings; then each further run against the first.
    """
    values = {"runs": [_run_values(run) for run in runs], "comparisons": [_asdict(c) for c in _comparisons(runs)]}
    return json.dumps(values, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _read_config(config: dict[str, Any], where: str) -> tuple[Settings, tuple[str, ...], tuple[str, ...]]:
    """Settings, classes and names of the packs."""
    values, classes, packs = (config.get(key) for key in ("settings", "classes", "packs"))
    if (
        not isinstance(values, dict)
        or not (isinstance(classes, list) and all(isinstance(name, str) for name in classes))
        or not (isinstance(packs, list) and all(isinstance(pack, dict) for pack in packs))
    ):
        raise DataError(f"{where}: config.json: expected settings, a list of classes and one of packs; was it edited?")
    try:
        settings = Settings.from_dict(values)
    except MertoolError as error:
        raise DataError(f"{where}: config.json: {error}") from error
    return settings, tuple(classes), tuple(str(pack.get("name", "")) for pack in packs)


def _join_folds(folder: Path, folds: Folds, classes: tuple[str, ...], where: str) -> Predictions:
    """The predictions of all folds, each clip exactly once and in the fold that folds.json gives it."""
    files = [folder / f"fold_{fold}" / "predictions.csv" for fold in range(len(folds.tests))]
    missing = [fold for fold, path in enumerate(files) if not path.is_file()]
    if missing:
        listed = f"fold {missing[0]} has" if len(missing) == 1 else f"folds {', '.join(map(str, missing))} have"
        raise DataError(f'{where}: {listed} no predictions.csv; run "mertool cv -o {folder.as_posix()} --resume"')
    for path in sorted(folder.glob("fold_*/predictions.csv")):
        if path not in files:
            raise DataError(
                f"{where}: {path.parent.name} is not a fold of folds.json, which has {len(files)}; move it away"
            )

    fold_of = folds.fold_of()
    parts = []
    for fold, path in enumerate(files):
        part = Predictions.read(path)
        if part.classes != classes:
            raise DataError(f"{path}: expected the classes {', '.join(classes)}, got {', '.join(part.classes)}")
        for clip, number in zip(part.clip, part.fold, strict=True):
            if clip not in fold_of:
                raise DataError(f"{path}: clip {clip} is not in folds.json; the run was mixed with another or edited")
            if fold_of[clip] != fold:
                raise DataError(
                    f"{path}: clip {clip} is predicted in fold {fold}, but folds.json tests it in {fold_of[clip]}"
                )
            if number != fold:
                raise DataError(f"{path}: clip {clip}: expected fold {fold}, got {number}; was it edited?")
        left = sorted(set(folds.tests[fold]) - set(part.clip))
        if left:
            count = f"{_count(len(left), 'clip')} of fold {fold} {'has' if len(left) == 1 else 'have'}"
            raise DataError(f"{path}: {count} no prediction, first {left[0]}; was it edited?")
        parts.append(part)
    return Predictions.join(parts)


def _run_values(run: Run) -> dict[str, Any]:
    overlap = [{"fold": part.fold, "n_shared": part.n_shared, "subjects": list(part.subjects)} for part in run.overlap]
    return {
        "run": run.name,
        "mertool": run.version,
        **run.metrics,
        "accuracy_interval": list(run.interval),
        "intervals_by_people": {name: list(ends) for name, ends in run.by_people.items()},
        "protocol": run.folds.protocol,
        "folds_seed": run.folds.seed,
        "subject_independent": not run.shared_subjects and not run.init_people,
        "n_subjects_shared": len(run.shared_subjects),
        "overlap": overlap,
        "packs": list(run.packs),
        "init": run.init,
        "init_loaded": list(run.init_layers[0]),
        "init_not_loaded": list(run.init_layers[1]),
        "n_subjects_seen_by_init": len(run.init_people),
        "settings": run.settings.as_dict(),
    }


# What a report says, independent of the format.


@dataclass(frozen=True, slots=True)
class _Heading:
    text: str


@dataclass(frozen=True, slots=True)
class _Facts:
    """Label and value, one pair a line."""

    rows: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class _Table:
    """Cells as text; the first `n_left` columns are names, the others numbers."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    n_left: int = 1


@dataclass(frozen=True, slots=True)
class _Notes:
    """Sentences, each a paragraph of its own."""

    lines: tuple[str, ...]


_Block = _Heading | _Facts | _Table | _Notes


def _blocks(runs: Sequence[Run]) -> list[_Block]:
    blocks: list[_Block] = _summary(runs) if len(runs) > 1 else []
    for run in runs:
        blocks += _details(run)
    return blocks


def _summary(runs: Sequence[Run]) -> list[_Block]:
    header = ("run", "settings", "hits/N", "mean of folds (sd)", "pooled [95 %]", "UF1", "UAR", "majority")
    rows = []
    for run in runs:
        scores = run.metrics
        low, high = run.interval
        rows.append(
            (
                run.name,
                _short_settings(run),
                f"{scores['hits']}/{scores['n']}",
                f"{_percent(scores['fold_accuracy_mean'])} ({_percent(scores['fold_accuracy_sd'])})",
                f"{_percent(scores['accuracy'])} [{100 * low:.1f}, {100 * high:.1f}]",
                f"{scores['uf1']:.4f}",
                f"{scores['uar']:.4f}",
                _percent(scores["majority"]),
            )
        )
    blocks: list[_Block] = [
        _Heading("Summary"),
        _Table("Accuracies in %", header, tuple(rows), n_left=2),
        *_comparison_blocks(runs),
    ]
    if any(_labels(run) != _labels(runs[0]) for run in runs):
        blocks.append(_Notes(("These runs test different clips or classes: their scores do not compare.",)))
    elif any(set(map(frozenset, run.folds.tests)) != set(map(frozenset, runs[0].folds.tests)) for run in runs):
        blocks.append(_Notes(("These runs split the clips into different folds.",)))
    return blocks


class _Comparison(NamedTuple):
    """A run against the first of a report, on the same clips.

    Attributes:
        run, with_run: Names.
        paired: Both clip by clip; "first" is the run compared with.
        p_holm: Its p, adjusted for all comparisons of the report.
        detectable: The smallest difference that this many differing clips would show four times in five; None for none.
    """

    run: str
    with_run: str
    paired: Paired
    p_holm: float
    detectable: float | None


def _asdict(comparison: _Comparison) -> dict[str, Any]:
    return {**comparison._asdict(), "paired": comparison.paired._asdict()}


def _comparisons(runs: Sequence[Run]) -> list[_Comparison]:
    """Every further run against the first; those that test other clips or classes are left out."""
    alike = [run for run in runs[1:] if _labels(run) == _labels(runs[0])]
    paired = [compare_paired(_hits(runs[0]), _hits(run)) for run in alike]
    adjusted = holm([pair.p for pair in paired])
    return [
        _Comparison(run.name, runs[0].name, pair, p, minimal_detectable(pair.n, pair.only_first + pair.only_second))
        for run, pair, p in zip(alike, paired, adjusted, strict=True)
    ]


def _hits(run: Run) -> dict[str, bool]:
    rows = run.predictions
    return {clip: t == p for clip, t, p in zip(rows.clip, rows.truth, rows.prediction, strict=True)}


def _comparison_blocks(runs: Sequence[Run]) -> list[_Block]:
    found = _comparisons(runs)
    if not found:
        return []
    header = ("run", "only it right", "only the first", "difference", "p", "p (Holm)", "detectable")
    rows = [
        (
            c.run,
            str(c.paired.only_second),
            str(c.paired.only_first),
            f"{100 * c.paired.difference:+.2f}",
            _p(c.paired.p),
            _p(c.p_holm),
            "-" if c.detectable is None else f"{100 * c.detectable:.1f}",
        )
        for c in found
    ]
    told = [c.run for c in found if c.p_holm < _LEVEL]
    apart = (
        f"Told apart from {runs[0].name} at 5 %: {', '.join(told)}."
        if told
        else (f"None of these runs can be told apart from {runs[0].name} at 5 %.")
    )
    n = found[0].paired.n
    return [
        _Table(f"Against {runs[0].name}, clip by clip: exact McNemar test; differences in points", header, tuple(rows)),
        _Notes(
            (
                apart,
                "Detectable: the true difference, in points, that such a test finds four times in five when as many "
                f"clips differ. Less than {FEWEST_ONE_WAY} clips (here {100 * FEWEST_ONE_WAY / n:.1f} points) it never "
                "finds.",
            )
        ),
    ]


def _p(value: float) -> str:
    return "<0.0001" if value < 0.0001 else f"{value:.4f}"


def _labels(run: Run) -> tuple[tuple[str, ...], frozenset[tuple[str, str]]]:
    return run.predictions.classes, frozenset(zip(run.predictions.clip, run.predictions.truth, strict=True))


def _details(run: Run) -> list[_Block]:
    scores = run.metrics
    low, high = run.interval
    people = scores["n_subjects"]
    counts = ", ".join(f"{name} {scores['per_class'][name]['support']}" for name in scores["classes"])
    facts = [
        ("settings", _short_settings(run)),
        ("beyond the recipe", _overrides(run.settings) or "nothing"),
        *([("initial weights", _initial_weights(run))] if run.init else []),
        ("protocol", _protocol(run)),
        ("packs", ", ".join(run.packs)),
        ("clips", f"{scores['n']} of {_count(scores['n_subjects'], 'subject')}"),
        ("classes", counts),
        ("hits/N", f"{scores['hits']}/{scores['n']}"),
        (
            "accuracy, mean of folds",
            f"{_percent(scores['fold_accuracy_mean'])} %, sd {_percent(scores['fold_accuracy_sd'])} "
            "(the paper's figure)",
        ),
        (
            "accuracy, pooled",
            f"{_percent(scores['accuracy'])} %, 95 % interval {_percent(low)} to {_percent(high)} "
            "(Wilson, clips taken as independent)",
        ),
        (
            "... over people",
            f"95 % interval {_ends(run, 'accuracy', 100, 2)} (bootstrap of {_count(people, 'subject')})",
        ),
        ("UF1", f"{scores['uf1']:.4f}, 95 % interval {_ends(run, 'uf1', 1, 4)} (over people)"),
        ("UAR", f"{scores['uar']:.4f}, 95 % interval {_ends(run, 'uar', 1, 4)} (over people)"),
        ("majority baseline", f"{_percent(scores['majority'])} %, always answering '{scores['majority_class']}'"),
        ("random baseline", f"{_percent(scores['random'])} %, at random in the classes' own shares"),
    ]
    blocks: list[_Block] = [
        _Heading(run.name),
        _Facts(tuple(facts)),
        _Notes((_baseline_sentence(run), _overlap_sentence(run), _EPOCH_RULE, _ORACLE)),
        _confusion_table(run),
        _class_table(run),
    ]
    if scores["absent_classes"]:
        absent = ", ".join(scores["absent_classes"])
        blocks.append(_Notes((f"Without a clip, so left out of UF1 and UAR: {absent}.",)))
    if len(scores["per_dataset"]) > 1:
        blocks.append(_dataset_table(run))
    blocks.append(_fold_table(run))
    return blocks


def _ends(run: Run, score: str, factor: int, digits: int) -> str:
    low, high = run.by_people[score]
    return f"{factor * low:.{digits}f} to {factor * high:.{digits}f}"


def _short_settings(run: Run) -> str:
    settings = run.settings
    words = [settings.region, f"{settings.frames} frame{'s' if settings.frames > 1 else ''}"]
    words += [name for name, on in (("abn", settings.abn), ("arcface", settings.arcface)) if on]
    return ", ".join([*words, settings.recipe, *([f"init {run.init}"] if run.init else [])])


def _initial_weights(run: Run) -> str:
    loaded, not_loaded = ("; ".join(layers) or "nothing" for layers in run.init_layers)
    return f"{run.init}: loaded {loaded}; not loaded: {not_loaded}"


def _protocol(run: Run) -> str:
    drawn = "" if run.folds.protocol == "loso" else f", seed {run.folds.seed}"
    return f"{run.folds.protocol}, {len(run.folds.tests)} folds{drawn}"


def _overrides(settings: Settings) -> str:
    """Settings that neither the recipe nor another line of the report tells."""
    told = {"classes", "region", "frames", "abn", "arcface", "recipe", "protocol", "folds", "seed"}
    recipe = Settings.from_dict({**RECIPES[settings.recipe], "recipe": settings.recipe}).as_dict()
    changed = [
        f"{name} {value}" for name, value in settings.as_dict().items() if value != recipe[name] and name not in told
    ]
    return ", ".join(changed)


def _baseline_sentence(run: Run) -> str:
    scores = run.metrics
    low, high = run.interval
    baseline = f"always answering '{scores['majority_class']}' ({_percent(scores['majority'])} %)"
    if low > scores["majority"]:
        return f"Better than {baseline}: the whole interval lies above it."
    if high < scores["majority"]:
        return f"Worse than {baseline}: the whole interval lies below it."
    return f"This accuracy is not distinguishable from {baseline}: the interval includes it."


def _overlap_sentence(run: Run) -> str:
    n_subjects, n_shared = run.metrics["n_subjects"], len(run.shared_subjects)
    if n_shared:
        return (
            f"Subject-dependent: {n_shared} of {_count(n_subjects, 'subject')} {'has' if n_shared == 1 else 'have'} "
            "clips in both training and test parts; accuracy on new people will be lower."
        )
    if run.init_people:
        return (
            f"Subject-dependent by way of --init: its weights have seen {len(run.init_people)} of "
            f"{_count(n_subjects, 'subject')}, in other clips; accuracy on new people will be lower."
        )
    return f"Subject-independent: none of {_count(n_subjects, 'subject')} has clips in both training and test parts."


def _confusion_table(run: Run) -> _Table:
    classes, confusion = run.metrics["classes"], run.metrics["confusion"]
    rows = [(name, *map(str, counts), str(sum(counts))) for name, counts in zip(classes, confusion, strict=True)]
    table = _Table("Confusion matrix: rows = truth, columns = prediction", ("truth", *classes, "all"), tuple(rows))
    if sum(width + 2 for width in _column_widths(table)) <= _WIDTH + 2:
        return table
    numbered = tuple((f"{number} {row[0]}", *row[1:]) for number, row in enumerate(rows, 1))
    return _Table(table.title, ("truth", *map(str, range(1, len(classes) + 1)), "all"), numbered)


def _class_table(run: Run) -> _Table:
    rows = [
        (name, _share(part["precision"]), _share(part["recall"]), _share(part["f1"]), str(part["support"]))
        for name, part in run.metrics["per_class"].items()
    ]
    return _Table("Per class (-: nothing to divide by)", ("class", "precision", "recall", "F1", "support"), tuple(rows))


def _dataset_table(run: Run) -> _Table:
    rows = []
    for name, part in run.metrics["per_dataset"].items():
        scores = (f"{part['accuracy']:.4f}", f"{part['uf1']:.4f}", f"{part['uar']:.4f}", str(part["n"]))
        rows.append((name, *scores, ", ".join(part["absent_classes"]) or "-"))
    header = ("data set", "accuracy", "UF1", "UAR", "clips", "classes without a clip")
    return _Table("Per data set, from the same predictions", header, tuple(rows))


def _fold_table(run: Run) -> _Table:
    rows = [
        (str(fold), f"{hits}/{n}", f"{hits / n:.4f}", str(part.n_shared))
        for (fold, hits, n), part in zip(run.metrics["fold_hits"], run.overlap, strict=True)
    ]
    return _Table("Per fold", ("fold", "hits/n", "accuracy", "subjects also in training"), tuple(rows))


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.2f}"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}{'' if n == 1 else 's'}"


# The formats.


def _block_text(block: _Block) -> str:
    if isinstance(block, _Heading):
        return f"{block.text}\n{'=' * _display_width(block.text)}"
    if isinstance(block, _Facts):
        margin = max(_display_width(label) for label, _ in block.rows) + 2
        return "\n".join(_wrap(value, _pad(label, margin), " " * margin) for label, value in block.rows)
    if isinstance(block, _Notes):
        return "\n".join(_wrap(line) for line in block.lines)
    widths = _column_widths(block)
    lines = [
        "  ".join(
            _pad(cell, width, right=k >= block.n_left) for k, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in (block.header, *block.rows)
    ]
    rule = "-" * (sum(widths) + 2 * (len(widths) - 1))
    return "\n".join([block.title, *(line.rstrip() for line in (lines[0], rule, *lines[1:]))])


def _block_markdown(block: _Block) -> str:
    if isinstance(block, _Heading):
        return f"## {_escape(block.text)}"
    if isinstance(block, _Notes):
        return "\n\n".join(map(_escape, block.lines))
    if isinstance(block, _Facts):
        block = _Table("", ("", ""), block.rows, n_left=2)
    marks = [":--" if k < block.n_left else "--:" for k in range(len(block.header))]
    rows = [block.header, marks, *block.rows]
    lines = [f"| {' | '.join(map(_escape, row) if row is not marks else row)} |" for row in rows]
    return "\n".join([*([f"**{_escape(block.title)}**", ""] if block.title else []), *lines])


def _escape(text: str) -> str:
    """Text that Markdown shows as it is, also within a table's cell."""
    for mark in "\\`*_|<":
        text = text.replace(mark, f"\\{mark}")
    return text


def _wrap(text: str, first: str = "", indent: str = "") -> str:
    lines = textwrap.wrap(text, _WIDTH - len(indent), break_long_words=False, break_on_hyphens=False)
    return "\n".join((indent if number else first) + line for number, line in enumerate(lines or [""])).rstrip()


def _column_widths(table: _Table) -> list[int]:
    return [max(map(_display_width, column)) for column in zip(table.header, *table.rows, strict=True)]


def _pad(text: str, width: int, right: bool = False) -> str:
    space = " " * (width - _display_width(text))
    return space + text if right else text + space


def _display_width(text: str) -> int:
    """Columns of a terminal: wide East Asian characters take two, combining marks none."""
    marks = sum(unicodedata.combining(c) > 0 for c in text)
    return len(text) - marks + sum(unicodedata.east_asian_width(c) in "WF" for c in text)
