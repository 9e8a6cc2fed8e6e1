"""A run folder, read and scored.

`load_run` recomputes everything from folds.json and the folds' predictions.csv, which are joined by clip id; it never
reads results.json.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from ..errors import DataError, FileError, MertoolError
from ..evaluation.folds import Folds, Overlap, subject_overlap
from ..evaluation.metrics import Metrics, confusions_by_person, evaluate
from ..evaluation.predictions import Predictions
from ..evaluation.statistics import bootstrap_intervals, wilson
from ..files import file_sha256, read_json
from ..settings import Settings
from ..text import plural
from .layout import FoldFolder, FoldRecord, RunFolder
from .methods import method_of

__all__ = ["Run", "find_newest_run", "load_run"]

_FORMAT = 1
_APEXES = {
    "table": "annotated (the middle where it is not)",
    "middle": "the middle of the two",
    "difference": "the frame of largest movement",
}
_ALIGNMENTS = {
    "stabilised": "stabilised, by the onset's landmarks, with the head's motion taken out of each further frame",
    "clip": "one similarity per clip, from the onset's landmarks; the head's motion is left in",
    "frame": "each frame by its own landmarks",
    "none": "pictures taken as they are",
}
_MOST = 1e12  # of anything in a file: beyond it no count is real
_BOOTSTRAP_SEED = 0  # the same report every time


@dataclass(frozen=True, slots=True)
class Run:
    """A finished cross-validation and its scores.

    Attributes:
        name: The run folder as it was given.
        folder: Where it lies.
        version: mertool's version that made it.
        settings: All its settings.
        init: Where its first weights came from (`--init`); "" for random ones.
        init_layers: What of these weights was loaded, and what not and why.
        init_people: People of the run whom these weights have seen.
        packs: Names of its packs.
        apexes: How their apexes were chosen, see `mertool.runs.config.RunConfig`.
        jitters: By up to how many frames each pack's onsets and apexes were moved at random (`extract --jitter`).
        alignments: How each pack's frames were aligned, see `mertool.pack.Pack.alignment`.
        folds: Which clips were tested in which fold.
        predictions: One row for each of those clips.
        metrics: `mertool.evaluation.metrics.evaluate(predictions)`.
        wilson_ci: 95 % Wilson interval of the pooled accuracy, 0..1.
        bootstrap_ci: 95 % intervals of "accuracy", "uf1" and "uar" over resampled subjects, 0..1.
        overlap: `mertool.evaluation.folds.subject_overlap(folds)`.
        epochs: The epoch of each fold's weights, from 1; empty where unknown.
        repeats: The same run with other seeds (`--repeats`), this one excluded.
        changed: Predictions that are no longer as their fold left them, by their hashes.
        init_sha256: Hash of the initial weights; "" for random ones.
        pack_sha256: Hash of each pack.
        members: Names of the runs of a fusion.
        designs: Of texture features what each fold chose: "features", "of" how many, "cost" and, by region and plane,
            how many were chosen in "places"; empty where unknown.
        weights: Of a fusion the weights of its runs in each fold.
    """

    name: str
    folder: Path
    version: str
    settings: Settings
    init: str
    init_layers: tuple[tuple[str, ...], tuple[str, ...]]
    init_people: tuple[str, ...]
    packs: tuple[str, ...]
    apexes: tuple[str, ...]
    jitters: tuple[int, ...]
    alignments: tuple[str, ...]
    folds: Folds
    predictions: Predictions
    metrics: Metrics
    wilson_ci: tuple[float, float]
    bootstrap_ci: dict[str, tuple[float, float]]
    overlap: tuple[Overlap, ...]
    epochs: tuple[int, ...]
    repeats: tuple[Run, ...]
    changed: tuple[str, ...]
    init_sha256: str
    pack_sha256: tuple[str, ...]
    members: tuple[str, ...] = ()
    designs: tuple[dict[str, Any], ...] = ()
    weights: tuple[tuple[float, ...], ...] = ()

    @property
    def subject_dependent(self) -> bool:
        """Whether networks have seen people on whom they were tested, in training or by way of their first weights."""
        return bool(self.shared_subjects or self.init_people)

    @property
    def init_name(self) -> str:
        """`ckplus` for ../../ckplus/final.pt: the name that the user gave the training; "" for random weights."""
        path = PurePath(self.init)
        own = path.name == FoldFolder(Path()).final.name and path.parent.name
        return path.parent.name if own else path.name

    def over_seeds(self, score: str) -> list[float]:
        """A score of `metrics` of this run and of each repeat."""
        found = [run.metrics[score] for run in (self, *self.repeats)]  # type: ignore[literal-required]
        return [float(value) for value in found]

    def read_logs(self) -> list[dict[str, list[float]]]:
        """Of each fold the columns of log.csv that have a number in every epoch; empty unless all folds have a log."""
        logs = []
        for fold in range(len(self.folds.tests)):
            rows = RunFolder(self.folder).fold(fold).read_log()
            if not rows or not {"loss_perception", "accuracy"} <= set(rows[0]):
                return []
            logs.append({name: [row[name] for row in rows] for name in rows[0]})
        return logs

    def selected_shares(self) -> dict[str, dict[str, float]]:
        """Of texture features the share that was selected, 0..1, mean of the folds, by region and plane.

        Empty where nothing was selected, or it is not known.
        """
        if not self.designs or any(design["features"] == design["of"] for design in self.designs):
            return {}
        places = self.designs[0]["places"]
        shapes = [{place: {*planes} for place, planes in design["places"].items()} for design in self.designs]
        if any(shape != shapes[0] for shape in shapes) or len({*map(frozenset, shapes[0].values())}) > 1:
            return {}
        each = self.designs[0]["of"] / len(places)
        return {
            place: {
                plane: sum(design["places"][place].get(plane, 0) for design in self.designs)
                / (len(self.designs) * each / len(planes))
                for plane in planes
            }
            for place, planes in places.items()
        }

    @property
    def key_frames(self) -> str:
        """Where onset, apex and offset come from, in a sentence."""
        ways = {_APEXES[apex] for apex in self.apexes if apex in _APEXES and apex != "table"}
        if "table" in self.apexes or not ways:
            datasets = set(self.predictions.dataset)
            without = {name for name in datasets if name.startswith("smic-")}
            ways |= {_APEXES["table"]} if datasets - without else set()
            ways |= {f"{_APEXES['middle']} in {', '.join(sorted(without))}"} if without else set()
        return (
            "Oracle key frames: where an expression begins and ends is annotated or cut by hand, not found by a "
            f"program; its apex is {' or '.join(sorted(ways))}{self._jitter}."
        )

    @property
    def alignment(self) -> str:
        """How the frames were aligned, in words; by pack where these differ."""
        words = [_ALIGNMENTS.get(name, name) for name in self.alignments]
        if len(set(words)) > 1:
            words = [f"{name}: {said}" for name, said in zip(self.packs, words, strict=True)]
        return "; ".join(dict.fromkeys(words))

    @property
    def _jitter(self) -> str:
        """What `extract --jitter` did to the key frames, as the end of a sentence."""
        if not any(self.jitters):
            return ""
        amounts = [f"by up to {plural(jitter, 'frame')}" for jitter in self.jitters]
        if len(set(amounts)) > 1:
            amounts = [f"{amount} in {name}" for amount, name in zip(amounts, self.packs, strict=True)]
        return f"; onset and apex moved at random {', '.join(dict.fromkeys(amounts))}"

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
    if not RunFolder(folder).config.is_file():
        raise FileError(f'{where}: no config.json; expected a folder made by "mertool cv"')
    config = read_json(RunFolder(folder).config)
    if not isinstance(config, dict) or config.get("format") != _FORMAT:
        found = config.get("format") if isinstance(config, dict) else type(config).__name__
        raise DataError(
            f"{where}: config.json: expected format {_FORMAT}, got {found!r}; was it made by a newer mertool?"
        )
    if config.get("command") == "train":
        raise DataError(f'{where}: made by "mertool train", which tests nothing; give a run of "mertool cv"')
    settings, classes, packs = _read_config(config, where)
    folds = RunFolder(folder).read_folds()
    predictions = _join_folds(folder, folds, classes, where)
    try:
        metrics = evaluate(predictions)
    except DataError as error:
        raise DataError(f"{where}: {error}") from error
    init = config.get("init") or {}
    init = init if isinstance(init, dict) else {"path": init}
    members = config.get("members") or []
    if not isinstance(members, list) or not all(isinstance(member, dict) for member in members):
        raise DataError(f"{where}: config.json: expected a list of runs in 'members'; was it edited?")
    if not method_of(settings).trains and len(members) < 2:
        raise DataError(f"{where}: config.json: a fusion of fewer than two runs; was it edited?")
    records = _facts(folder, len(folds.tests))
    people = {*_texts(init, "people", where), *(name for one in members for name in _texts(one, "people", where))}
    return Run(
        name=name,
        folder=folder,
        version=str(config.get("mertool", "")),
        settings=settings,
        init=str(init.get("path", "")),
        init_layers=(_texts(init, "loaded", where), _texts(init, "not_loaded", where)),
        init_people=tuple(sorted(people)),
        packs=packs,
        apexes=tuple(sorted({str(pack.get("apex", "table")) for pack in config["packs"]})),
        jitters=tuple(pack.get("jitter", 0) for pack in config["packs"]),  # older runs have none
        alignments=tuple(str(pack.get("alignment", "clip")) for pack in config["packs"]),
        folds=folds,
        predictions=predictions,
        metrics=metrics,
        wilson_ci=wilson(metrics["hits"], metrics["n"]),
        bootstrap_ci=bootstrap_intervals(confusions_by_person(predictions), _BOOTSTRAP_SEED),
        overlap=tuple(subject_overlap(folds)),
        epochs=_epochs(records),
        repeats=tuple(_repeat(folder, number, settings, predictions, where) for number in range(1, settings.repeats)),
        changed=_changed(folder, records),
        init_sha256=str(init.get("sha256", "")),
        pack_sha256=tuple(str(pack.get("sha256", "")) for pack in config["packs"]),
        members=tuple(PurePath(str(member.get("path", ""))).name for member in members),
        designs=_designs(records),
        weights=_weights(records, len(members)),
    )


def _repeat(folder: Path, number: int, settings: Settings, predictions: Predictions, where: str) -> Run:
    """Repeat `number` of a run with these settings and predictions."""
    part = RunFolder(folder).repeat(number).path
    if not RunFolder(part).is_run:
        raise DataError(f'{where}: no {part.name} yet; run "{_resume(folder)}"')
    repeat = load_run(part)
    differing = settings.for_repeat(number).differences(repeat.settings)
    if set(repeat.predictions.clip) != set(predictions.clip):
        differing.append("other clips")
    if differing:
        raise DataError(f"{where}: {part.name} is no repeat of it ({'; '.join(differing)}); move it away")
    return repeat


def find_newest_run(folder: Path) -> Path:
    """The cross-validation below `folder`/runs whose config.json was written last.

    Raises:
        FileError: There is none.
    """
    runs = folder / "runs"
    found = [
        RunFolder(path.parent)
        for path in runs.rglob(RunFolder(runs).config.name)
        if RunFolder(path.parent).folds.is_file() and not RunFolder(path.parents[1]).is_run  # a repeat
    ]
    if not found:
        raise FileError(f'report: no run below {runs}; make one with "mertool cv" or name its folder')
    return max(found, key=lambda run: (run.config.stat().st_mtime_ns, run.path)).path


def _resume(folder: Path) -> str:
    return RunFolder(Path(folder.as_posix())).resume_command()


def _facts(folder: Path, n_folds: int) -> list[FoldRecord | None]:
    """What done.json of each fold says; None where there is none."""
    found = []
    for number in range(n_folds):
        fold = RunFolder(folder).fold(number)
        try:
            found.append(fold.read_record() if fold.is_done else None)
        except DataError:
            found.append(None)
    return found


def _epochs(records: list[FoldRecord | None]) -> tuple[int, ...]:
    """The epoch of each fold's weights; empty where a fold does not say it."""
    found = [one.facts.get("epoch") if one else None for one in records]
    return tuple(found) if all(type(epoch) is int for epoch in found) else ()  # type: ignore[arg-type]


def _designs(records: list[FoldRecord | None]) -> tuple[dict[str, Any], ...]:
    """What each fold chose; empty where a fold does not say it."""
    found = []
    for one in records:
        design = one.facts.get("design") if one else None
        if not isinstance(design, dict) or not all(
            type(design.get(name)) in (int, float) and 0 < design[name] < _MOST for name in ("features", "of", "cost")
        ):
            return ()
        places = design.get("places")
        if (
            not isinstance(places, dict)
            or not places
            or not all(
                isinstance(planes, dict) and planes and all(type(n) is int and 0 <= n < _MOST for n in planes.values())
                for planes in places.values()
            )
        ):
            return ()
        found.append(design)
    return tuple(found)


def _weights(records: list[FoldRecord | None], n_members: int) -> tuple[tuple[float, ...], ...]:
    """The weights of a fusion in each fold; empty where a fold does not say them."""
    found = []
    for one in records:
        weights = one.facts.get("weights") if one else None
        if not isinstance(weights, list) or len(weights) != n_members or not n_members:
            return ()
        if not all(type(weight) in (int, float) and 0 <= weight <= 1 for weight in weights):
            return ()
        found.append(tuple(map(float, weights)))
    return tuple(found)


def _changed(folder: Path, records: list[FoldRecord | None]) -> tuple[str, ...]:
    """predictions.csv of those folds whose done.json has another hash for it."""
    found = []
    for number, one in enumerate(records):
        path = RunFolder(folder).fold(number).predictions
        wanted = one.files.get(path.name) if one else None
        if wanted is not None and wanted != file_sha256(path):
            found.append(f"{path.parent.name}/{path.name}")
    return tuple(found)


def _read_config(config: dict[str, Any], where: str) -> tuple[Settings, tuple[str, ...], tuple[str, ...]]:
    """Settings, classes and names of the packs."""
    values, classes, packs = (config.get(key) for key in ("settings", "classes", "packs"))
    if (
        not isinstance(values, dict)
        or not (isinstance(classes, list) and all(isinstance(name, str) for name in classes))
        or not (isinstance(packs, list) and all(isinstance(pack, dict) for pack in packs))
        or not all(type(pack.get("jitter", 0)) is int for pack in packs)
    ):
        raise DataError(f"{where}: config.json: expected settings, a list of classes and one of packs; was it edited?")
    try:
        settings = Settings.from_file(values)
        method_of(settings)  # refuses a method that this mertool does not have
    except MertoolError as error:
        raise DataError(f"{where}: config.json: {error}") from error
    return settings, tuple(classes), tuple(str(pack.get("name", "")) for pack in packs)


def _texts(init: dict[str, Any], key: str, where: str) -> tuple[str, ...]:
    values = init.get(key) or []
    if not (isinstance(values, list) and all(isinstance(value, str) for value in values)):
        raise DataError(f"{where}: config.json: init: expected a list of texts in {key!r}; was it edited?")
    return tuple(values)


def _join_folds(folder: Path, folds: Folds, classes: tuple[str, ...], where: str) -> Predictions:
    """The predictions of all folds, each clip exactly once and in the fold that folds.json gives it."""
    files = [RunFolder(folder).fold(fold).predictions for fold in range(len(folds.tests))]
    missing = [fold for fold, path in enumerate(files) if not path.is_file()]
    if missing:
        listed = f"fold {missing[0]} has" if len(missing) == 1 else f"folds {', '.join(map(str, missing))} have"
        raise DataError(f'{where}: {listed} no predictions.csv; run "{_resume(folder)}"')
    for path in sorted(folder.glob(f"fold_*/{files[0].name}")):
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
            count = f"{plural(len(left), 'clip')} of fold {fold} {'has' if len(left) == 1 else 'have'}"
            raise DataError(f"{path}: {count} no prediction, first {left[0]}; was it edited?")
        parts.append(part)
    return Predictions.join(parts)
