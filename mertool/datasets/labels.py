"""Emotion words and class sets: which clip belongs to which class, by name, in a fixed order."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from ..errors import UsageError

__all__ = [
    "ALL",
    "CLASS_SETS",
    "ClassSet",
    "canonical_emotion",
    "default_classes",
    "default_of",
    "megc3_remarks",
    "misspelt_emotions",
    "resolve_classes",
]

# Spellings in public annotation tables (docs/datasets.md); nothing is merged here, only spelt one way.
_ALIASES = {
    "others": "other",
    "happy": "happiness",
    "happyiness": "happiness",
    "sad": "sadness",
    "angry": "anger",
    "comtempt": "contempt",
    "disgusted": "disgust",
    "fearful": "fear",
    "surprised": "surprise",
}

ALL = "all"  # every emotion that the clips have, in alphabetical order

# Emotions as three values, with "other" four. For the MEGC2019 composite (docs/evaluation.md, section 1) it is exact.
_VALENCE = {
    "anger": "negative",
    "contempt": "negative",
    "disgust": "negative",
    "fear": "negative",
    "repression": "negative",
    "sadness": "negative",
    "happiness": "positive",
    "negative": "negative",
    "positive": "positive",
    "surprise": "surprise",
    "other": "other",
}
_MEGC3_EMOTIONS_OUT = {("casme2", "fear"), ("casme2", "sadness")}
_MEGC3_DATASETS_OUT = {"smic-vis", "smic-nir"}  # the composite takes SMIC's HS camera, which filmed the same moments
# (subject, clip in lower case) of CASME II: no apex; apex = onset; and three that its 20140508 table, on which the
# composite was built, calls sadness, but the one of 20190701 surprise.
_MEGC3_CASME2_OUT = {
    (4, "ep12_01f"),
    (5, "ep09_05f"),
    (24, "ep07_01"),
    (24, "ep07_04f"),
    (24, "ep10_03"),
}
_MEGC3_COUNTS = {  # clips by class, and subjects
    "smic-hs": ({"negative": 70, "positive": 51, "surprise": 43}, 16),
    "casme2": ({"negative": 88, "positive": 32, "surprise": 25}, 24),
    "samm": ({"negative": 92, "positive": 26, "surprise": 15}, 28),
}


@dataclass(frozen=True, slots=True)
class ClassSet:
    """Named classes in the order of the network's outputs.

    Attributes:
        name: A key of `CLASS_SETS`, "all", or the comma-separated list itself.
        classes: Class names, each once.
    """

    name: str
    classes: tuple[str, ...]

    def class_of(self, dataset: str, emotion: str, subject: str, clip: str) -> str | None:
        """The class of a clip, or None if it belongs to none and is left out."""
        label: str | None = canonical_emotion(emotion)
        if self.name == "megc3":
            label = _megc3_class(dataset, canonical_emotion(emotion), subject, clip)
        elif self.name == "valence4":
            label = _VALENCE.get(canonical_emotion(emotion))
        return label if label in self.classes else None


CLASS_SETS: dict[str, ClassSet] = {
    name: ClassSet(name, tuple(classes.split()))
    for name, classes in {
        "basic6": "anger disgust fear happiness sadness surprise",  # the paper's six, of SAMM: 121 clips
        "samm5": "anger contempt happiness other surprise",  # 136 clips
        "casme4": "disgust repression surprise tense",  # CASME: 171 clips
        "casme5": "disgust happiness other repression surprise",  # CASME II: 246 or, by its newer table, 249
        "casme7": "anger disgust fear happiness other sadness surprise",  # CAS(ME)^3: all 860
        "smic3": "negative positive surprise",
        "ckplus6": "anger disgust fear happiness sadness surprise",  # without contempt: 309
        "ckplus7": "anger contempt disgust fear happiness sadness surprise",  # 327
        "mmew4": "disgust happiness other surprise",
        "mmew6": "anger disgust fear happiness sadness surprise",
        "mmew7": "anger disgust fear happiness other sadness surprise",
        "4dme5": "negative other positive repression surprise",
        "valence4": "negative other positive surprise",  # CAS(ME)^2's own; of others anger, fear, ... are negative
        "megc3": "negative positive surprise",  # of SMIC-HS, CASME II and SAMM exactly MEGC2019's 442 clips
    }.items()
}

_DEFAULTS = {
    "samm": "basic6",
    "casme2": "casme5",
    "smic-hs": "smic3",
    "smic-vis": "smic3",
    "smic-nir": "smic3",
    "ckplus": "ckplus7",
    "mmew": "mmew6",
    "mmew-macro": "mmew6",
    "casme": "casme4",
    "casme-squared": "valence4",
    "casme-squared-macro": "valence4",
    "casme3": "casme7",
    "4dme": "4dme5",
}


def canonical_emotion(text: str) -> str:
    """An emotion's one spelling: lower case, no stray blanks; "Others" -> "other", "happy" -> "happiness"."""
    word = " ".join(text.lower().split())
    return _ALIASES.get(word, word)


def misspelt_emotions(emotions: Iterable[str]) -> list[tuple[str, str]]:
    """Emotions that no data set has, but that are almost one: each with that one."""
    known = sorted({*_VALENCE, *(name for classes in CLASS_SETS.values() for name in classes.classes), "neutral"})
    unknown = dict.fromkeys(emotion for emotion in emotions if emotion not in known)
    return [(word, near[0]) for word in unknown if (near := difflib.get_close_matches(word, known, 1, 0.8))]


def default_classes(dataset: str) -> str:
    """Name of a data set's default class set; "all" for an unknown data set."""
    return _DEFAULTS.get(dataset, ALL)


def default_of(class_set: str) -> list[str]:
    """The data sets whose default a class set is."""
    return [dataset for dataset, name in _DEFAULTS.items() if name == class_set]


def resolve_classes(wanted: str, emotions_present: Iterable[str]) -> ClassSet:
    """The class set that `--classes` names.

    Args:
        wanted: A key of `CLASS_SETS`, "all", or a comma-separated list of emotions, whose order is kept.
        emotions_present: The emotions of the clips at hand.

    Raises:
        UsageError: An unknown class set or emotion, an emotion named twice, or fewer than two classes.
    """
    present = sorted({canonical_emotion(emotion) for emotion in emotions_present} - {""})
    name = wanted.strip().lower()
    if name in CLASS_SETS:
        return CLASS_SETS[name]
    if name == ALL:
        if len(present) < 2:
            raise UsageError(f"--classes all: expected at least two emotions, the clips have {_listed(present)}")
        return ClassSet(ALL, tuple(present))
    if "," not in name and canonical_emotion(name) not in present:
        raise UsageError(
            f"--classes: unknown class set {wanted.strip()!r}{_nearest(name, [*CLASS_SETS, ALL, *present])}; expected "
            f"one of {', '.join([*CLASS_SETS, ALL])}, or a comma-separated list of {_listed(present)}"
        )
    classes = [canonical_emotion(word) for word in name.split(",") if word.strip()]
    for label in classes:
        if label not in present:
            raise UsageError(
                f"--classes: unknown emotion {label!r}{_nearest(label, present)}; the clips have {_listed(present)}"
            )
        if classes.count(label) > 1:
            raise UsageError(f"--classes: {label!r} is there {classes.count(label)} times; name each class once")
    if len(classes) < 2:
        raise UsageError(f"--classes: expected at least two classes, got {wanted.strip()!r}")
    return ClassSet(",".join(classes), tuple(classes))


def megc3_remarks(clips: Iterable[tuple[str, str, str]]) -> list[str]:
    """How far the clips of a run are those of the MEGC2019 composite, one line per data set.

    Args:
        clips: Data set, subject and class of each.
    """
    listed = list(clips)
    lines = []
    for dataset, (counts, n_subjects) in _MEGC3_COUNTS.items():
        found = Counter(label for name, _, label in listed if name == dataset)
        subjects = len({subject for name, subject, _ in listed if name == dataset})
        if found == counts and subjects == n_subjects:
            lines.append(f"megc3: {dataset} complete, {sum(counts.values())} clips of {n_subjects} subjects")
            continue
        parts = ", ".join(f"{label} {found[label]} of {count}" for label, count in counts.items())
        what = f"{parts}; {subjects} of {n_subjects} subjects" if found else f"missing, {sum(counts.values())} clips"
        lines.append(f"megc3: {dataset} {what}")
    further = sorted({name for name, _, _ in listed} - set(_MEGC3_COUNTS))
    if further:
        lines.append(f"megc3: not part of the composite: {', '.join(further)}")
    n_subjects = len({(name, subject) for name, subject, _ in listed})
    total = sum(sum(counts.values()) for counts, _ in _MEGC3_COUNTS.values())
    total_subjects = sum(n for _, n in _MEGC3_COUNTS.values())
    lines.append(f"megc3: {len(listed)} clips of {n_subjects} subjects; MEGC2019 has {total} of {total_subjects}")
    return lines


def _megc3_class(dataset: str, emotion: str, subject: str, clip: str) -> str | None:
    if (dataset, emotion) in _MEGC3_EMOTIONS_OUT or dataset in _MEGC3_DATASETS_OUT:
        return None
    digits = re.search(r"[0-9]+$", subject)
    if dataset == "casme2" and digits and (int(digits[0]), clip.lower()) in _MEGC3_CASME2_OUT:
        return None
    return _VALENCE.get(emotion)


def _nearest(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, 1)
    return f", did you mean {near[0]!r}?" if near else ""


def _listed(emotions: list[str]) -> str:
    return ", ".join(emotions) or "no emotion"
