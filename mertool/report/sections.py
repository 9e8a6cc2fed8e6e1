"""What a report says, as blocks: summary, comparisons, and each run in detail."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..evaluation.protocols import DRAWN
from ..evaluation.statistics import min_discordant, spread
from ..runs.environment import as_date
from ..runs.finished import Run
from ..runs.methods import method_of
from ..settings import Settings, settings_table
from ..text import duration, plural
from .blocks import Block, Heading, KeyValues, Notes, Table
from .compare import compare_runs, labels_of
from .distinctions import distinguish
from .fold_table import short_fold_table

__all__ = [
    "CONFUSION",
    "baseline_sentence",
    "blocks_of",
    "comparison_blocks",
    "confusion_table",
    "details_of",
    "overlap_sentence",
    "protocol_of",
    "seeds_of",
    "summary_notes",
    "summary_of",
]

CONFUSION = "Confusion matrix: rows = truth, columns = prediction"

_LEVEL = 0.05
_MAX_REGIONS = 30  # rows of a table that is still read; the page shows any number in a picture
_FEW_SUBJECTS = 10  # resampling fewer subjects than this gives intervals that are far too narrow
# Score of `Metrics`, its name, the factor it is shown with, and its digits.
_SCORES = (
    ("accuracy", "accuracy, pooled, %", 100, 2),
    ("fold_accuracy_mean", "accuracy, mean of folds, %", 100, 2),
    ("uf1", "UF1", 1, 4),
    ("uar", "UAR", 1, 4),
)


def blocks_of(runs: Sequence[Run]) -> list[Block]:
    """A whole report: with several runs a summary and comparisons first, then each run."""
    blocks: list[Block] = []
    if len(runs) > 1:
        blocks += summary_of(runs)
    for run in runs:
        blocks += details_of(run)
    return blocks


# Several runs


def summary_of(runs: Sequence[Run]) -> list[Block]:
    """A heading, a table with one row per run, and comparisons of each further run with the first."""
    header = ["run", "differs in", "hits/N", "mean of folds (sd)", "pooled [95 %]", "UF1", "UAR", "majority"]
    own, shared = distinguish(runs)
    rows = [_summary_row(run, words) for run, words in zip(runs, own, strict=True)]
    if any(run.repeats for run in runs):
        header.append("pooled, mean of seeds (sd)")
        rows = [[*row, _over_seeds(run)] for row, run in zip(rows, runs, strict=True)]
    blocks: list[Block] = [
        Heading("Summary"),
        Table("Accuracies in %", tuple(header), tuple(map(tuple, rows)), n_left=2),
        *([Notes((f"All runs: {', '.join(shared)}.",))] if shared else []),
        *comparison_blocks(runs),
    ]
    notes = tuple(summary_notes(runs))
    if notes:
        blocks.append(Notes(notes))
    return blocks


def _summary_row(run: Run, words: Sequence[str]) -> list[str]:
    scores = run.metrics
    low, high = run.wilson_ci
    return [
        run.name,
        ", ".join(words) or "-",
        f"{scores['hits']}/{scores['n']}",
        f"{_percent(scores['fold_accuracy_mean'])} ({_percent(scores['fold_accuracy_sd'])})",
        f"{_percent(scores['accuracy'])} [{100 * low:.1f}, {100 * high:.1f}]",
        f"{scores['uf1']:.4f}",
        f"{scores['uar']:.4f}",
        _percent(scores["majority"]),
    ]


def _over_seeds(run: Run) -> str:
    if not run.repeats:
        return "-"
    found = spread(run.over_seeds("accuracy"))
    return f"{_percent(found.mean)} ({_percent(found.sd)}), {len(run.repeats) + 1} seeds"


def summary_notes(runs: Sequence[Run]) -> Iterator[str]:
    """What makes a comparison of the runs impossible or unfair."""
    first = runs[0]
    for run in runs:
        if run.changed:
            yield f"{run.name}: {_changed_sentence(run)}"
    others = [run.name for run in runs if labels_of(run) != labels_of(first)]
    if others:
        yield (
            f"These runs test different clips or classes, so their scores are not comparable. Different from "
            f"{first.name}: {', '.join(others)}."
        )
    splits = [
        run.name
        for run in runs
        if labels_of(run) == labels_of(first)
        and set(map(frozenset, run.folds.tests)) != set(map(frozenset, first.folds.tests))
    ]
    if splits:
        yield f"These runs split the clips into different folds. Different from {first.name}: {', '.join(splits)}."
    dependent = [run.name for run in runs if run.subject_dependent]
    if 0 < len(dependent) < len(runs):
        yield f"Subject-dependent and therefore easier than the others: {', '.join(dependent)}."


def _changed_sentence(run: Run) -> str:
    return (
        f"changed since it was made: {', '.join(run.changed)}; these are not the run's own results (see mertool report "
        "--audit)."
    )


def comparison_blocks(runs: Sequence[Run]) -> list[Block]:
    """Each further run compared with the first, and what the test can find; nothing where none can be compared."""
    found = compare_runs(runs)
    if not found:
        return []
    header = ("run", "only this right", "only first right", "difference", "p", "p (Holm)", "detectable")
    rows = tuple(
        (
            c.run,
            str(c.paired.discordant_second),
            str(c.paired.discordant_first),
            f"{100 * c.paired.difference:+.2f}",
            _p(c.paired.p),
            _p(c.p_holm),
            "-" if c.detectable is None else f"{100 * c.detectable:.1f}",
        )
        for c in found
    )
    title = f"Compared with {runs[0].name} clip by clip: exact McNemar test; differences in percentage points"
    different = [c.run for c in found if c.p_holm < _LEVEL]
    verdict = f"None of these runs differs significantly from {runs[0].name} at the 5 % level."
    if different:
        verdict = f"Significantly different from {runs[0].name} at the 5 % level: {', '.join(different)}."
    n, fewest = found[0].paired.n, min_discordant(_LEVEL / len(found))
    corrected = ""
    if len(found) > 1:
        corrected = f", at the strictest level of Holm's correction ({_LEVEL:g}/{len(found)})"
    detectable = (
        "Detectable: the true difference, in percentage points, that the test detects with a power of 80 % if the runs "
        f"differ on as many clips{corrected}. It can never detect a difference of fewer than {fewest} clips (here "
        f"{100 * fewest / n:.1f} points)."
    )
    seeds = "one training seed of each run"
    if any(run.repeats for run in runs):
        seeds += ", the first"
    assumed = f"The test assumes independent clips and uses {seeds}."
    return [Table(title, header, rows), Notes((verdict, detectable, assumed))]


def _p(value: float) -> str:
    return "<0.0001" if value < 0.0001 else f"{value:.4f}"


# One run


def details_of(run: Run) -> list[Block]:
    """A heading and everything that a report says about one run."""
    facts = (*_origin(run), *_course(run), *_results(run))
    blocks: list[Block] = [Heading(run.name), KeyValues(facts, whole=("command",))]
    if run.changed:
        blocks.append(Notes((f"This run has {_changed_sentence(run)}",)))
    rule = method_of(run.settings).choice_rule(run)
    blocks += [
        *_seed_blocks(run),
        Notes((baseline_sentence(run), overlap_sentence(run), rule, run.key_frames)),
        confusion_table(run),
        _class_table(run),
    ]
    if run.metrics["absent_classes"]:
        absent = ", ".join(run.metrics["absent_classes"])
        blocks.append(Notes((f"Classes without a clip, left out of UF1 and UAR: {absent}.",)))
    if len(run.metrics["per_dataset"]) > 1:
        blocks.append(_dataset_table(run))
    return [*blocks, short_fold_table(run), *_selection_table(run)]


def _origin(run: Run) -> Iterator[tuple[str, str]]:
    """What a run was made from."""
    method, scores = method_of(run.settings), run.metrics
    if run.folder.name and run.name != run.folder.as_posix():
        yield "run folder", run.folder.as_posix()
    yield "settings", ", ".join(method.describe(run))
    seen = method.input_in_words(run.settings)
    if seen:
        yield "input", seen
    defaults = "recipe" if method.has_network else "defaults"
    yield f"changes to the {defaults}", _overrides(run.settings) or "none"
    if run.init:
        yield "initial weights", _initial_weights(run)
    yield "protocol", protocol_of(run)
    yield "packs", ", ".join(run.packs)
    yield "alignment", run.alignment
    yield "clips", f"{scores['n']} of {plural(scores['n_subjects'], 'subject')}"
    yield "classes", ", ".join(f"{name} {scores['per_class'][name]['support']}" for name in scores["classes"])


def _course(run: Run) -> Iterator[tuple[str, str]]:
    """When a run was made, how long it took, and the command that makes it again; old runs do not say all of it."""
    dates = [f"{verb} {as_date(date)}" for verb, date in (("started", run.started), ("finished", run.finished)) if date]
    if dates:
        yield "date (UTC)", ", ".join(dates)
    seconds = run.seconds
    if seconds is not None:
        yield "duration", f"{duration(seconds)}, the sum over {plural(len(run.folds.tests), 'fold')}"
    yield "command", run.command_line


def _results(run: Run) -> Iterator[tuple[str, str]]:
    """Scores with their intervals, and baselines."""
    scores = run.metrics
    low, high = run.wilson_ci
    mean = f"{_percent(scores['fold_accuracy_mean'])} %, sd {_percent(scores['fold_accuracy_sd'])}"
    if run.folds.protocol == "stratified":
        mean += " (as in the paper's tables)"
    interval = f"95 % interval {_percent(low)} to {_percent(high)}"
    subjects = plural(scores["n_subjects"], "subject")
    yield "hits/N", f"{scores['hits']}/{scores['n']} ({_percent(scores['accuracy'])} %)"
    yield "accuracy, mean of folds", mean
    yield "accuracy, pooled", f"{_percent(scores['accuracy'])} %, {interval} (Wilson, assumes independent clips)"
    yield "... over subjects", _bootstrap_interval(run, "accuracy", 100, 2, f"bootstrap over {subjects}")
    yield "UF1", f"{scores['uf1']:.4f}, {_bootstrap_interval(run, 'uf1', 1, 4, 'over subjects')}"
    yield "UAR", f"{scores['uar']:.4f}, {_bootstrap_interval(run, 'uar', 1, 4, 'over subjects')}"
    yield "majority baseline", f"{_percent(scores['majority'])} %, always predicting '{scores['majority_class']}'"
    yield "random baseline", f"{_percent(scores['random'])} %, predicting at random with the frequencies of the classes"


def _bootstrap_interval(run: Run, score: str, factor: int, digits: int, how: str) -> str:
    """`95 % interval 0.40 to 0.66 (how)`, with a warning where there are too few subjects for it."""
    low, high = run.bootstrap_ci[score]
    subjects = run.metrics["n_subjects"]
    if subjects < 2:
        return "no interval from one subject"
    if subjects < _FEW_SUBJECTS:
        how += "; too narrow with so few"
    return f"95 % interval {factor * low:.{digits}f} to {factor * high:.{digits}f} ({how})"


def _initial_weights(run: Run) -> str:
    loaded, not_loaded = ("; ".join(layers) or "nothing" for layers in run.init_layers)
    return f"{run.init_name}: loaded {loaded}; not loaded: {not_loaded}"


def protocol_of(run: Run) -> str:
    """`stratified, 5 folds, split seed 0`."""
    words = [run.folds.protocol, plural(len(run.folds.tests), "fold")]
    if run.folds.protocol in DRAWN:
        words.append(f"split seed {run.folds.seed}")
    return ", ".join(words)


def _overrides(settings: Settings) -> str:
    """Settings that differ from the recipe and are not in another line of the report."""
    told = {"classes", *method_of(settings).described_settings()}
    told |= {name for name, declared in settings_table().items() if declared.panel == "Protocol"}
    recipe = Settings.from_recipe(settings.recipe).as_dict()
    changed = [
        f"{name} {value}" for name, value in settings.as_dict().items() if value != recipe[name] and name not in told
    ]
    return ", ".join(changed)


def _seed_blocks(run: Run) -> list[Block]:
    """How much the result varies with the seed alone, where the run has repeats."""
    if not run.repeats:
        return []
    rows = []
    for name, label, factor, digits in _SCORES:
        found = spread([factor * value for value in run.over_seeds(name)])
        rows.append((label, *(f"{value:.{digits}f}" for value in found)))
    return [
        Table(seeds_of(run), ("score", "mean", "sd", "lowest", "highest"), tuple(rows)),
        Notes((f"Everything else here is for the first of them, seed {run.settings.seed}.",)),
    ]


def seeds_of(run: Run) -> str:
    """`Over 3 seeds, with the same folds`."""
    splits = "each with its own folds" if run.settings.new_splits else "with the same folds"
    return f"Over {len(run.repeats) + 1} seeds, {splits}"


def baseline_sentence(run: Run) -> str:
    """Whether a run is better than always predicting the most frequent class."""
    scores = run.metrics
    # Clips of one subject are correlated, so a verdict needs both intervals; from one subject there is only one.
    intervals, which = [run.wilson_ci], "the whole interval lies"
    if scores["n_subjects"] > 1:
        intervals, which = [run.wilson_ci, run.bootstrap_ci["accuracy"]], "both intervals lie"
    baseline = f"always predicting '{scores['majority_class']}' ({_percent(scores['majority'])} %)"
    if all(low > scores["majority"] for low, _ in intervals):
        return f"Better than {baseline}: {which} above it."
    if all(high < scores["majority"] for _, high in intervals):
        return f"Worse than {baseline}: {which} below it."
    return f"This accuracy is not distinguishable from {baseline}: an interval includes it."


def overlap_sentence(run: Run) -> str:
    """Whether subjects are in both training and test."""
    n_shared, subjects = len(run.shared_subjects), plural(run.metrics["n_subjects"], "subject")
    if n_shared:
        verb = "has" if n_shared == 1 else "have"
        return (
            f"Subject-dependent: {n_shared} of {subjects} {verb} clips in both training and test parts; accuracy on "
            "new subjects will be lower."
        )
    if run.init_subjects:
        return (
            f"Subject-dependent through --init: the initial weights were trained on other clips of "
            f"{len(run.init_subjects)} of {subjects}; accuracy on new subjects will be lower."
        )
    return f"Subject-independent: none of {subjects} has clips in both training and test parts."


def confusion_table(run: Run) -> Table:
    """Counts with their share of the row; where these do not fit, counts, and then counts in numbered columns."""
    classes, confusion = run.metrics["classes"], run.metrics["confusion"]
    shares = tuple(
        (name, *(f"{count} ({100 * count / max(sum(counts), 1):.0f})" for count in counts), str(sum(counts)))
        for name, counts in zip(classes, confusion, strict=True)
    )
    rows = [(name, *map(str, counts), str(sum(counts))) for name, counts in zip(classes, confusion, strict=True)]
    numbered = tuple((f"{number} {row[0]}", *row[1:]) for number, row in enumerate(rows, 1))
    header, numbers = ("truth", *classes, "all"), ("truth", *map(str, range(1, len(classes) + 1)), "all")
    counted = Table(CONFUSION, header, tuple(rows), narrow=Table(CONFUSION, numbers, numbered))
    return Table(f"{CONFUSION}; in brackets % of the row", header, shares, narrow=counted)


def _class_table(run: Run) -> Table:
    rows = tuple(
        (name, _ratio(part["precision"]), _ratio(part["recall"]), _ratio(part["f1"]), str(part["support"]))
        for name, part in run.metrics["per_class"].items()
    )
    return Table("Per class (-: undefined)", ("class", "precision", "recall", "F1", "support"), rows)


def _dataset_table(run: Run) -> Table:
    rows = []
    for name, part in run.metrics["per_dataset"].items():
        scores = (f"{part['accuracy']:.4f}", f"{part['uf1']:.4f}", f"{part['uar']:.4f}", str(part["n"]))
        rows.append((name, *scores, ", ".join(part["absent_classes"]) or "-"))
    header = ("data set", "accuracy", "UF1", "UAR", "clips", "classes without a clip")
    return Table("Per data set, from the same predictions", header, tuple(rows))


def _selection_table(run: Run) -> list[Block]:
    """Which share of each region's texture features was selected."""
    shares = run.selected_shares()
    if not 1 < len(shares) <= _MAX_REGIONS:
        return []
    planes = tuple(next(iter(shares.values())))
    rows = tuple(
        (region, *(f"{100 * share[plane]:.1f}" for plane in planes), f"{100 * sum(share.values()) / len(planes):.1f}")
        for region, share in shares.items()
    )
    what = "region" if run.settings.region == "roi" else "block"
    return [Table(f"Selected features of each {what}, mean of folds, %", (what, *planes, "all"), rows)]


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.2f}"


def _ratio(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
