"""What a report says: summary, comparisons, and each run in detail."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..evaluation.protocols import DRAWN
from ..evaluation.statistics import min_discordant, spread
from ..runs.finished import Run
from ..runs.methods import method_of
from ..settings import Settings, settings_table
from ..text import plural
from .blocks import Block, Facts, Heading, Notes, Table, column_widths
from .compare import compare_runs, labels_of

__all__ = ["CONFUSION", "WIDTH", "blocks_of", "details_of", "summary_of"]

CONFUSION = "Confusion matrix: rows = truth, columns = prediction"

WIDTH = 96  # columns of running text, and the widest confusion matrix that still spells its columns out
_LEVEL = 0.05
_MOST_PLACES = 30  # of which a table is still read; the page draws any number
_FEW_PEOPLE = 10  # resampling fewer people than this gives intervals that are far too narrow
_SCORES = (
    ("accuracy", "accuracy, pooled, %", 100),
    ("fold_accuracy_mean", "accuracy, mean of folds, %", 100),
    ("uf1", "UF1", 1),
    ("uar", "UAR", 1),
)


def blocks_of(runs: Sequence[Run]) -> list[Block]:
    """With several runs a summary and comparisons first, then each run."""
    blocks: list[Block] = summary_of(runs) if len(runs) > 1 else []
    for run in runs:
        blocks += details_of(run)
    return blocks


def summary_of(runs: Sequence[Run]) -> list[Block]:
    """A heading, a line a run, and each further run against the first."""
    repeated = any(run.repeats for run in runs)
    header = ("run", "settings", "hits/N", "mean of folds (sd)", "pooled [95 %]", "UF1", "UAR", "majority")
    seeds = ("pooled, mean of seeds (sd)",) if repeated else ()
    rows = []
    for run in runs:
        scores = run.metrics
        low, high = run.wilson_ci
        rows.append(
            (
                run.name,
                ", ".join([run.folds.protocol, method_of(run.settings).describe(run), *_ways(run)]),
                f"{scores['hits']}/{scores['n']}",
                f"{_percent(scores['fold_accuracy_mean'])} ({_percent(scores['fold_accuracy_sd'])})",
                f"{_percent(scores['accuracy'])} [{100 * low:.1f}, {100 * high:.1f}]",
                f"{scores['uf1']:.4f}",
                f"{scores['uar']:.4f}",
                _percent(scores["majority"]),
                *([_over_seeds(run)] if repeated else []),
            )
        )
    blocks: list[Block] = [
        Heading("Summary"),
        Table("Accuracies in %", (*header, *seeds), tuple(rows), n_left=2),
        *_comparison_blocks(runs),
    ]
    return [*blocks, Notes(notes)] if (notes := tuple(_summary_notes(runs))) else blocks


def _summary_notes(runs: Sequence[Run]) -> Iterator[str]:
    """What keeps runs from being compared, or makes it unfair."""
    first = runs[0]
    for run in runs:
        if run.changed:
            yield f"{run.name}: {_changed_sentence(run)}"
    others = [run.name for run in runs if labels_of(run) != labels_of(first)]
    if others:
        yield (
            f"These runs test different clips or classes: their scores do not compare. Other ones than {first.name}: "
            f"{', '.join(others)}."
        )
    splits = [
        run.name
        for run in runs
        if labels_of(run) == labels_of(first)
        and set(map(frozenset, run.folds.tests)) != set(map(frozenset, first.folds.tests))
    ]
    if splits:
        yield f"These runs split the clips into different folds. Other ones than {first.name}: {', '.join(splits)}."
    dependent = [run.name for run in runs if run.subject_dependent]
    if 0 < len(dependent) < len(runs):
        yield f"Subject-dependent, so easier than the others: {', '.join(dependent)}."


def _changed_sentence(run: Run) -> str:
    return (
        f"changed since it was made: {', '.join(run.changed)}; these are not the run's own results "
        "(mertool report --audit has more)."
    )


def _over_seeds(run: Run) -> str:
    if not run.repeats:
        return "-"
    found = spread(run.over_seeds("accuracy"))
    return f"{_percent(found.mean)} ({_percent(found.sd)}), {len(run.repeats) + 1} seeds"


def _comparison_blocks(runs: Sequence[Run]) -> list[Block]:
    found = compare_runs(runs)
    if not found:
        return []
    header = ("run", "only it right", "only the first", "difference", "p", "p (Holm)", "detectable")
    rows = [
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
    ]
    told = [c.run for c in found if c.p_holm < _LEVEL]
    apart = (
        f"Told apart from {runs[0].name} at 5 %: {', '.join(told)}."
        if told
        else (f"None of these runs can be told apart from {runs[0].name} at 5 %.")
    )
    n = found[0].paired.n
    fewest = min_discordant(_LEVEL / len(found))
    corrected = f", at the strictest level of Holm's correction ({_LEVEL:g}/{len(found)})" if len(found) > 1 else ""
    return [
        Table(f"Against {runs[0].name}, clip by clip: exact McNemar test; differences in points", header, tuple(rows)),
        Notes(
            (
                apart,
                "Detectable: the true difference, in points, that such a test finds four times in five when as many "
                f"clips differ{corrected}. Fewer than {fewest} clips (here {100 * fewest / n:.1f} points) it never "
                "finds.",
                "The test takes clips as independent, and knows one training seed of each run"
                + (", the first." if any(run.repeats for run in runs) else "."),
            )
        ),
    ]


def _p(value: float) -> str:
    return "<0.0001" if value < 0.0001 else f"{value:.4f}"


def details_of(run: Run) -> list[Block]:
    """A heading and all that is to be said of one run in words and numbers."""
    scores = run.metrics
    low, high = run.wilson_ci
    people = scores["n_subjects"]
    counts = ", ".join(f"{name} {scores['per_class'][name]['support']}" for name in scores["classes"])
    facts = [
        ("settings", method_of(run.settings).describe(run)),
        (
            f"beyond the {'recipe' if method_of(run.settings).has_network else 'defaults'}",
            _overrides(run.settings) or "nothing",
        ),
        *([("initial weights", _initial_weights(run))] if run.init else []),
        ("protocol", _protocol(run)),
        ("packs", ", ".join(run.packs)),
        ("alignment", run.alignment),
        ("clips", f"{scores['n']} of {plural(scores['n_subjects'], 'subject')}"),
        ("classes", counts),
        ("hits/N", f"{scores['hits']}/{scores['n']}"),
        (
            "accuracy, mean of folds",
            f"{_percent(scores['fold_accuracy_mean'])} %, sd {_percent(scores['fold_accuracy_sd'])}"
            + (" (what the paper's tables give)" if run.folds.protocol == "stratified" else ""),
        ),
        (
            "accuracy, pooled",
            f"{_percent(scores['accuracy'])} %, 95 % interval {_percent(low)} to {_percent(high)} "
            "(Wilson, clips taken as independent)",
        ),
        (
            "... over people",
            f"{_ends(run, 'accuracy', 100, 2)} (bootstrap of {plural(people, 'subject')})",
        ),
        ("UF1", f"{scores['uf1']:.4f}, {_ends(run, 'uf1', 1, 4)} (over people)"),
        ("UAR", f"{scores['uar']:.4f}, {_ends(run, 'uar', 1, 4)} (over people)"),
        ("majority baseline", f"{_percent(scores['majority'])} %, always answering '{scores['majority_class']}'"),
        ("random baseline", f"{_percent(scores['random'])} %, at random in the classes' own shares"),
    ]
    rule = method_of(run.settings).choice_rule(run)
    blocks: list[Block] = [
        Heading(run.name),
        Facts(tuple(facts)),
        *([Notes((f"This run {_changed_sentence(run)}",))] if run.changed else []),
        *_seed_blocks(run),
        Notes((_baseline_sentence(run), _overlap_sentence(run), rule, run.key_frames)),
        _confusion_table(run),
        _class_table(run),
    ]
    if scores["absent_classes"]:
        absent = ", ".join(scores["absent_classes"])
        blocks.append(Notes((f"Without a clip, so left out of UF1 and UAR: {absent}.",)))
    if len(scores["per_dataset"]) > 1:
        blocks.append(_dataset_table(run))
    return [*blocks, _fold_table(run), *_places_table(run)]


def _seed_blocks(run: Run) -> list[Block]:
    """What the seed alone makes of the result, where the run has repeats."""
    if not run.repeats:
        return []
    rows = []
    for name, label, factor in _SCORES:
        found = spread([factor * value for value in run.over_seeds(name)])
        rows.append((label, *(f"{value:.{2 if factor == 100 else 4}f}" for value in found)))
    seeds = len(run.repeats) + 1
    splits = "each with folds of its own" if run.settings.new_splits else "over the same folds"
    return [
        Table(f"Over {seeds} seeds, {splits}", ("score", "mean", "sd", "lowest", "highest"), tuple(rows)),
        Notes((f"All else here is of the first of them, seed {run.settings.seed}.",)),
    ]


def _places_table(run: Run) -> list[Block]:
    """Where the selected features lie, as shares of all features of a region."""
    shares = run.selected_shares()
    if not 1 < len(shares) <= _MOST_PLACES:
        return []
    planes = tuple(next(iter(shares.values())))
    rows = tuple(
        (place, *(f"{100 * share[plane]:.1f}" for plane in planes), f"{100 * sum(share.values()) / len(planes):.1f}")
        for place, share in shares.items()
    )
    what = "region" if run.settings.region == "roi" else "block"
    return [Table(f"Selected of each {what}'s features, mean of folds, %", (what, *planes, "all"), rows)]


def _ends(run: Run, score: str, factor: int, digits: int) -> str:
    """`95 % interval 0.40 to 0.66`, with a word where too few people make it."""
    low, high = run.bootstrap_ci[score]
    if (people := run.metrics["n_subjects"]) < 2:
        return "no interval from one subject"
    few = "" if people >= _FEW_PEOPLE else ", too narrow with so few"
    return f"95 % interval {factor * low:.{digits}f} to {factor * high:.{digits}f}{few}"


def _ways(run: Run) -> list[str]:
    """What else tells a run from others in a line: how its epoch, its folds and its key frames were chosen."""
    apexes = sorted(set(run.apexes) - {"table"})
    return [
        *(["inner"] if run.settings.epoch_selection == "inner" else []),
        *(["balanced"] if run.settings.balanced_sampling else []),
        *(f"apex {way}" for way in apexes),
        *(f"align {way}" for way in sorted(set(run.alignments) & {"clip", "frame"})),
        *(f"jitter {jitter}" for jitter in sorted(set(run.jitters) - {0})),
    ]


def _initial_weights(run: Run) -> str:
    loaded, not_loaded = ("; ".join(layers) or "nothing" for layers in run.init_layers)
    return f"{run.init_name}: loaded {loaded}; not loaded: {not_loaded}"


def _protocol(run: Run) -> str:
    drawn = f", split seed {run.folds.seed}" if run.folds.protocol in DRAWN else ""
    return f"{run.folds.protocol}, {len(run.folds.tests)} folds{drawn}"


def _overrides(settings: Settings) -> str:
    """Settings that neither the recipe nor another line of the report tells."""
    told = {"classes", *method_of(settings).described_settings()}
    told |= {name for name, declared in settings_table().items() if declared.panel == "Protocol"}
    recipe = Settings.from_recipe(settings.recipe).as_dict()
    changed = [
        f"{name} {value}" for name, value in settings.as_dict().items() if value != recipe[name] and name not in told
    ]
    return ", ".join(changed)


def _baseline_sentence(run: Run) -> str:
    scores = run.metrics
    # Two intervals, since clips of one person hang together: a verdict needs both (over people there is none of one).
    intervals = [run.wilson_ci, *([run.bootstrap_ci["accuracy"]] if scores["n_subjects"] > 1 else [])]
    which = "both intervals lie" if len(intervals) > 1 else "the whole interval lies"
    baseline = f"always answering '{scores['majority_class']}' ({_percent(scores['majority'])} %)"
    if all(low > scores["majority"] for low, _ in intervals):
        return f"Better than {baseline}: {which} above it."
    if all(high < scores["majority"] for _, high in intervals):
        return f"Worse than {baseline}: {which} below it."
    return f"This accuracy is not distinguishable from {baseline}: an interval includes it."


def _overlap_sentence(run: Run) -> str:
    n_subjects, n_shared = run.metrics["n_subjects"], len(run.shared_subjects)
    if n_shared:
        return (
            f"Subject-dependent: {n_shared} of {plural(n_subjects, 'subject')} {'has' if n_shared == 1 else 'have'} "
            "clips in both training and test parts; accuracy on new people will be lower."
        )
    if run.init_subjects:
        return (
            f"Subject-dependent by way of --init: its weights have seen {len(run.init_subjects)} of "
            f"{plural(n_subjects, 'subject')}, in other clips; accuracy on new people will be lower."
        )
    return f"Subject-independent: none of {plural(n_subjects, 'subject')} has clips in both training and test parts."


def _confusion_table(run: Run) -> Table:
    classes, confusion = run.metrics["classes"], run.metrics["confusion"]
    rows = [(name, *map(str, counts), str(sum(counts))) for name, counts in zip(classes, confusion, strict=True)]
    table = Table(CONFUSION, ("truth", *classes, "all"), tuple(rows))
    if sum(width + 2 for width in column_widths(table)) <= WIDTH + 2:
        return table
    numbered = tuple((f"{number} {row[0]}", *row[1:]) for number, row in enumerate(rows, 1))
    return Table(table.title, ("truth", *map(str, range(1, len(classes) + 1)), "all"), numbered)


def _class_table(run: Run) -> Table:
    rows = [
        (name, _share(part["precision"]), _share(part["recall"]), _share(part["f1"]), str(part["support"]))
        for name, part in run.metrics["per_class"].items()
    ]
    return Table("Per class (-: nothing to divide by)", ("class", "precision", "recall", "F1", "support"), tuple(rows))


def _dataset_table(run: Run) -> Table:
    rows = []
    for name, part in run.metrics["per_dataset"].items():
        scores = (f"{part['accuracy']:.4f}", f"{part['uf1']:.4f}", f"{part['uar']:.4f}", str(part["n"]))
        rows.append((name, *scores, ", ".join(part["absent_classes"]) or "-"))
    header = ("data set", "accuracy", "UF1", "UAR", "clips", "classes without a clip")
    return Table("Per data set, from the same predictions", header, tuple(rows))


def _fold_table(run: Run) -> Table:
    rows = [
        (str(fold), f"{hits}/{n}", f"{hits / n:.4f}", str(part.n_shared))
        for (fold, hits, n), part in zip(run.metrics["fold_hits"], run.overlap, strict=True)
    ]
    return Table("Per fold", ("fold", "hits/n", "accuracy", "subjects also in training"), tuple(rows))


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.2f}"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
