"""Emotion words and class sets: which clip belongs to which class, by name, in a fixed order."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from ..errors import UsageError

__all__ = ["ALL", "CLASS_SETS", "ClassSet", "canonical_emotion", "default_classes", "resolve_classes"]

# The spellings met in public annotation tables (reference/datasets.md); nothing is merged here, only spelt one way.
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

# MEGC2019 composite (reference/evaluation.md, section 1), exact.
_MEGC3 = {
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
}
_MEGC3_EMOTIONS_OUT = {("casme2", "fear"), ("casme2", "sadness")}
# (subject, clip) of CASME II: no apex; apex = onset; and three that its 20140508 table, on which the composite was
# built, calls sadness, but the one of 20190701 surprise.
_MEGC3_CASME2_OUT = {
    (4, "EP12_01f"),
    (5, "EP09_05f"),
    (24, "EP07_01"),
    (24, "EP07_04f"),
    (24, "EP10_03"),
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
        emotion = canonical_emotion(emotion)
        label = _megc3_class(dataset, emotion, subject, clip) if self.name == "megc3" else emotion
        return label if label in self.classes else None


CLASS_SETS: dict[str, ClassSet] = {
    name: ClassSet(name, tuple(classes.split()))
    for name, classes in {
        "basic6": "anger disgust fear happiness sadness surprise",  # the paper's six, of SAMM: 121 clips
        "samm5": "anger contempt happiness other surprise",  # 136 clips
        "casme5": "disgust happiness other repression surprise",
        "smic3": "negative positive surprise",
        "ckplus7": "anger contempt disgust fear happiness sadness surprise",
        "mmew6": "anger disgust fear happiness sadness surprise",
        "megc3": "negative positive surprise",
    }.items()
}

_DEFAULTS = {"samm": "basic6", "casme2": "casme5", "smic": "smic3", "ckplus": "ckplus7", "mmew": "mmew6"}


def canonical_emotion(text: str) -> str:
    """An emotion's one spelling: lower case, no stray blanks; "Others" -> "other", "happy" -> "happiness"."""
    word = " ".join(text.lower().split())
    return _ALIASES.get(word, word)


def default_classes(dataset: str) -> str:
    """Name of the class set that a data set gets unless another is asked for; "all" for anything but the known ones."""
    return _DEFAULTS.get(dataset, ALL)


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
            f"--classes: unknown class set {wanted.strip()!r}{_nearest(name, [*CLASS_SETS, ALL])}; expected one of "
            f"{', '.join([*CLASS_SETS, ALL])}, or a comma-separated list of {_listed(present)}"
        )
    classes = [canonical_emotion(word) for word in name.split(",") if word.strip()]
    for label in classes:
        if label not in present:
            raise UsageError(
                f"--classes: unknown emotion {label!r}{_nearest(label, present)}; the clips have {_listed(present)}"
            )
        if classes.count(label) > 1:
            raise UsageError(f"--classes: {label!r} stands there {classes.count(label)} times; name each class once")
    if len(classes) < 2:
        raise UsageError(f"--classes: expected at least two classes, got {wanted.strip()!r}")
    return ClassSet(",".join(classes), tuple(classes))


def _megc3_class(dataset: str, emotion: str, subject: str, clip: str) -> str | None:
    if (dataset, emotion) in _MEGC3_EMOTIONS_OUT:
        return None
    digits = re.search(r"[0-9]+$", subject)
    if dataset == "casme2" and digits and (int(digits[0]), clip) in _MEGC3_CASME2_OUT:
        return None
    return _MEGC3.get(emotion)


def _nearest(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, 1)
    return f", did you mean {near[0]!r}?" if near else ""


def _listed(emotions: list[str]) -> str:
    return ", ".join(emotions) or "no emotion"
