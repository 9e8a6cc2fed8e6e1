"""Emotion words and class sets."""

from __future__ import annotations

import re

import pytest

from mertool.datasets import casme2, casme3, casme_squared, ckplus, samm, smic, smic_e
from mertool.datasets.labels import (
    CLASS_SETS,
    ClassSet,
    canonical_emotion,
    default_classes,
    megc3_remarks,
    resolve_classes,
)
from mertool.errors import UsageError

EMOTIONS = sorted(samm.EXPECTED.emotions)


@pytest.mark.parametrize(
    ("text", "emotion"),
    [
        ("Other", "other"),
        ("others", "other"),
        (" Others\u00a0", "other"),
        ("happy", "happiness"),
        ("Sad", "sadness"),
        ("comtempt", "contempt"),
        ("ANGRY", "anger"),
        ("tense", "tense"),
        ("self  conscious", "self conscious"),
        ("", ""),
    ],
)
def test_canonical_emotion(text: str, emotion: str) -> None:
    assert canonical_emotion(text) == emotion
    assert canonical_emotion(emotion) == emotion


def test_class_sets_are_the_ones_described() -> None:
    assert {name: len(entry.classes) for name, entry in CLASS_SETS.items()} == {
        "basic6": 6,
        "samm5": 5,
        "casme4": 4,
        "casme5": 5,
        "casme7": 7,
        "smic3": 3,
        "ckplus6": 6,
        "ckplus7": 7,
        "mmew4": 4,
        "mmew6": 6,
        "mmew7": 7,
        "4dme5": 5,
        "valence4": 4,
        "megc3": 3,
    }
    for name, entry in CLASS_SETS.items():
        assert entry.name == name
        assert list(entry.classes) == sorted(set(entry.classes))


@pytest.mark.parametrize(
    ("name", "clips"),
    # reference: 121 clips of the paper, the field's 136, and MEGC2019's 133
    [("basic6", 121), ("samm5", 136), ("megc3", 133)],
)
def test_samm_s_counts_give_the_published_number_of_clips(name: str, clips: int) -> None:
    chosen = CLASS_SETS[name]
    assert sum(n for e, n in samm.EXPECTED.emotions.items() if chosen.class_of("samm", e, "006", "006_1_2")) == clips


@pytest.mark.parametrize(
    ("name", "reader", "clips"),
    [
        ("casme5", "casme2", 246),
        ("ckplus6", "ckplus", 309),
        ("ckplus7", "ckplus", 327),
        ("casme7", "casme3", 860),
        ("megc3", "casme3", 699),  # the 3-class set of docs/datasets.md, section 10
        ("valence4", "casme3", 860),
        ("smic3", "smic-hs", 164),
    ],
)
def test_other_counts_give_the_published_number_of_clips(name: str, reader: str, clips: int) -> None:
    released = {
        "casme2": casme2._COUNTS,
        "ckplus": ckplus._EXPECTED.emotions,
        "casme3": casme3._EXPECTED.emotions,
        "smic-hs": smic.COUNTS["hs"].emotions,
    }[reader]
    assert released is not None
    chosen = CLASS_SETS[name]
    assert sum(n for emotion, n in released.items() if chosen.class_of(reader, emotion, "1", "x")) == clips


def test_expected_counts_add_up() -> None:
    for found in (
        ckplus._EXPECTED,
        casme3._EXPECTED,
        *smic.COUNTS.values(),
        *smic_e._COUNTS.values(),
        *casme_squared._EXPECTED.values(),
    ):
        assert found.emotions is None or sum(found.emotions.values()) == found.clips
    assert sum(casme2._COUNTS.values()) == 255


def test_megc3_leaves_the_other_cameras_of_smic_out() -> None:
    assert megc3("smic-hs", "negative") == "negative"
    assert megc3("smic-vis", "negative") is None
    assert megc3("smic-nir", "surprise") is None


def test_valence4_keeps_other() -> None:
    chosen = CLASS_SETS["valence4"]
    words = ("disgust", "happy", "Others", "surprise", "tense")
    assert [chosen.class_of("casme3", word, "", "") for word in words] == [
        "negative",
        "positive",
        "other",
        "surprise",
        None,
    ]


def test_megc3_remarks_name_what_differs() -> None:
    whole = [
        ("samm", str(n % 28), c) for c, k in (("negative", 92), ("positive", 26), ("surprise", 15)) for n in range(k)
    ]
    assert megc3_remarks(whole) == [
        "megc3: smic-hs missing, 164 clips",
        "megc3: casme2 missing, 145 clips",
        "megc3: samm complete, 133 clips of 28 subjects",
        "megc3: 133 clips of 28 subjects; MEGC2019 has 442 of 68",
    ]
    lines = megc3_remarks([*whole[1:], ("ckplus", "S005", "negative")])
    assert lines[2:4] == [
        "megc3: samm negative 91 of 92, positive 26 of 26, surprise 15 of 15; 28 of 28 subjects",
        "megc3: not part of the composite: ckplus",
    ]


def test_samm_s_own_totals() -> None:
    assert sum(samm.EXPECTED.emotions.values()) == samm.EXPECTED.clips == 159
    assert isinstance(samm.EXPECTED.subjects, tuple)
    assert len(set(samm.EXPECTED.subjects)) == 29


def megc3(dataset: str, emotion: str, subject: str = "1", clip: str = "x") -> str | None:
    return CLASS_SETS["megc3"].class_of(dataset, emotion, subject, clip)


def test_megc3_rules_by_data_set() -> None:
    for emotion in ("anger", "contempt", "disgust", "fear", "sadness"):
        assert megc3("samm", emotion) == "negative"
    assert megc3("samm", "Happiness") == "positive"
    assert megc3("samm", "surprise") == "surprise"
    assert megc3("samm", "Other") is None
    assert [megc3("casme2", e) for e in ("disgust", "repression", "fear", "sadness", "others")] == [
        "negative",
        "negative",
        None,
        None,
        None,
    ]
    assert [megc3("smic", e) for e in ("negative", "positive", "surprise")] == ["negative", "positive", "surprise"]


@pytest.mark.parametrize("subject", ["04", "4", "sub04"])
def test_megc3_leaves_out_single_clips_of_casme2(subject: str) -> None:
    assert megc3("casme2", "happiness", subject, "EP12_01f") is None
    assert megc3("casme2", "happiness", subject, "ep12_01F") is None
    assert megc3("casme2", "happiness", "05", "EP12_01f") == "positive"
    assert megc3("casme2", "surprise", "24", "EP07_01") is None  # sadness in the table the composite was built on
    assert megc3("samm", "happiness", subject, "EP12_01f") == "positive"


def test_class_of_keeps_words_of_the_set_only() -> None:
    chosen = ClassSet("anger,other", ("anger", "other"))
    assert chosen.class_of("samm", "Others", "", "") == "other"
    assert chosen.class_of("samm", "fear", "", "") is None
    assert CLASS_SETS["smic3"].class_of("smic", "happiness", "", "") is None


def test_default_classes() -> None:
    names = {name: default_classes(name) for name in ("samm", "casme2", "smic-hs", "ckplus", "mmew", "my recordings")}
    assert names == {
        "samm": "basic6",
        "casme2": "casme5",
        "smic-hs": "smic3",
        "ckplus": "ckplus7",
        "mmew": "mmew6",
        "my recordings": "all",
    }


def test_resolve_classes() -> None:
    assert resolve_classes(" SAMM5", EMOTIONS) is CLASS_SETS["samm5"]
    assert resolve_classes("all", ["Others", "happy", "happiness"]) == ClassSet("all", ("happiness", "other"))
    assert resolve_classes("happy, Others,", EMOTIONS) == ClassSet("happiness,other", ("happiness", "other"))
    again = resolve_classes("happiness,other", EMOTIONS)
    assert resolve_classes(again.name, EMOTIONS) == again


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("basik6", "--classes: unknown class set 'basik6', did you mean 'basic6'?; expected one of basic6, samm5, "),
        ("nothing", "--classes: unknown class set 'nothing'; expected one of basic6, "),
        ("anger,hapiness", "--classes: unknown emotion 'hapiness', did you mean 'happiness'?; the clips have anger, "),
        ("anger,tense", "--classes: unknown emotion 'tense'; the clips have anger, contempt, "),
        ("sad,anger,sadness", "--classes: 'sadness' is there 2 times; name each class once"),
        ("anger", "--classes: expected at least two classes, got 'anger'"),
        (",", "--classes: expected at least two classes, got ','"),
        ("", "--classes: unknown class set ''; expected one of"),
    ],
)
def test_resolve_classes_refuses(wanted: str, message: str) -> None:
    with pytest.raises(UsageError, match=re.escape(message)):
        resolve_classes(wanted, EMOTIONS)


def test_all_needs_two_emotions() -> None:
    with pytest.raises(UsageError, match="--classes all: expected at least two emotions, the clips have anger"):
        resolve_classes("all", ["anger", "Angry"])
