"""How the oracle reads the table of each data set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.datasets.mutations.names import (
    CODES,
    MOTHERS,
    Id,
    Values,
    casme3_id,
    ep_id,
    fourdme_id,
    mmew_id,
    samm_id,
    samm_lv_id,
    smic_id,
    squared_id,
)

Roles = dict[str, tuple[str, ...]]


@dataclass(frozen=True)
class Spec:
    """How the oracle reads a table.

    Attributes:
        layout, dataset: For the planner and for `read_clips`.
        table: The table that is edited, as planned.
        roles: Role -> accepted names of its column, as `key` gives them; empty: by position.
        optional: Roles that may be missing.
        identify: The id of the clip that a row speaks of; None where it speaks of none that could be used.
        emotions: What a label may be.
        home: Whether a folder (parts of its path) is that of a clip (subject, clip).
        open_end: The offset may be missing.
        apexless: The middle is always the apex.
        whole: Clips lie in long recordings: a deleted row leaves no stray folder.
        rebases: Frame numbers may be counted from the beginning of a recording.
        reach: How many frames a missing one's stand-in may lie away: two at 100 or 200 a second, else one.
    """

    layout: str
    dataset: str
    table: str
    roles: Roles
    identify: Callable[[Values], Id | None]
    emotions: tuple[str, ...]
    home: Callable[[tuple[str, ...], str, str], bool]
    optional: tuple[str, ...] = ()
    open_end: bool = False
    apexless: bool = False
    whole: bool = False
    rebases: bool = False
    reach: int = 1


SAMM = "SAMM_Micro_FACS_Codes_v2.xlsx"
LONG = "SAMM_LongVideos_V2_Release.xlsx"
SQUARED = "CAS(ME)^2/CAS(ME)^2code_final.xlsx"
SMIC_TABLES = {
    "hs": "SMIC-E_raw image/HS_long/SMIC-HS-E_annotation_2019.xlsx",
    "vis": "SMIC-E_raw image/VIS_long/SMIC_VIS_E_annotation.xlsx",
}
SAMM_EMOTIONS = ("anger", "contempt", "disgust", "fear", "happiness", "other", "sadness", "surprise")
SAMM_ROLES = {
    "subject": ("subject",),
    "clip": ("filename",),
    "onset": ("onsetframe", "onset"),
    "apex": ("apexframe", "apex"),
    "offset": ("offsetframe", "offset"),
    "emotion": ("estimatedemotion", "emotion"),
    "duration": ("duration",),
}
LONG_ROLES: Roles = {
    "subject": ("subject",),
    "clip": ("filename",),
    **{name: (name,) for name in ("type", "onset", "apex", "offset")},
}
SMIC_ROLES = {
    "subject": ("subject",),
    "clip": ("filename",),
    "onset": ("onsetf", "onsetfhs", "onsetfvis", "onsetfnir", "onset"),
    "offset": ("offsetf", "offsetfhs", "offsetfvis", "offsetfnir", "offset"),
    "emotion": ("emotion", "label"),
    **{name: (name,) for name in ("onset2f", "offset2f", "onset3f", "offset3f", "firstf", "lastf", "totalmf1")},
}
CASME_ROLES = {
    "subject": ("subject",),
    "clip": ("filename",),
    "onset": ("onsetf", "onsetframe"),
    "apex": ("apexf1", "apexf", "apexframe"),
    "offset": ("offsetf", "offsetframe"),
    "emotion": ("emotion", "estimatedemotion"),
}
CASME3_ROLES: Roles = {"subject": ("subject", "sub"), "clip": ("filename", "seq")} | {
    name: (name,) for name in ("onset", "apex", "offset", "emotion")
}
FOURDME_ROLES = {
    "subject": ("subid", "subject"),
    "clip": ("foldname", "foldername", "filename"),
    "onset": ("onset", "onsetframe"),
    "apex": ("apex", "apexframe"),
    "offset": ("offset", "offsetframe"),
    "emotion": ("emotion", "videoemo"),
}
POSITIONS = ("participant", "clip", "onset", "apex", "offset", "aus", "emotion", "type")


def last_two(parts: tuple[str, ...], subject: str, clip: str) -> bool:
    return [part.lower() for part in parts[-2:]] == [subject.lower(), clip.lower()]


def smic_home(camera: str) -> Callable[[tuple[str, ...], str, str], bool]:
    def home(parts: tuple[str, ...], subject: str, clip: str) -> bool:
        clip = clip.partition("+")[0]
        padded = f"s{int(subject[1:]):02d}"
        return f"{camera.upper()}_long" in parts and parts[-2:] == (padded, MOTHERS.get(clip, clip))

    return home


SPECS = {
    "samm": Spec("samm", "samm", SAMM, SAMM_ROLES, samm_id, SAMM_EMOTIONS, last_two, ("duration",), reach=2),
    "samm-lv": Spec(
        "samm-lv",
        "samm-lv",
        LONG,
        LONG_ROLES,
        samm_lv_id,
        SAMM_EMOTIONS,
        home=lambda parts, _, clip: parts[-1] == clip.rpartition("_")[0],
        whole=True,
        reach=2,
    ),
    "casme2": Spec(
        *("casme2", "casme2", "CASME2-coding-20190701.xlsx"),
        {name: names for name, names in SAMM_ROLES.items() if name != "duration"},
        ep_id("casme2"),
        ("disgust", "fear", "happiness", "other", "repression", "sadness", "surprise"),
        last_two,
        reach=2,
    ),
    **{
        f"smic-e {camera}": Spec(
            *("smic-e", f"smic-e-{camera}", table, SMIC_ROLES, smic_id(camera), tuple(CODES.values())),
            smic_home(camera),
            optional=("onset2f", "offset2f", "onset3f", "offset3f", "firstf", "lastf", "totalmf1"),
            reach=2 if camera == "hs" else 1,
            apexless=True,
        )
        for camera, table in SMIC_TABLES.items()
    },
    "mmew": Spec(
        *("mmew", "mmew", "MMEW_Final/MMEW_Micro_Exp.xlsx"),
        {name: names for name, names in SAMM_ROLES.items() if name != "duration"},
        mmew_id,
        ("anger", "disgust", "fear", "happiness", "other", "sadness", "surprise"),
        home=lambda parts, _, clip: parts[-1] == clip and "Micro_Expression" in parts,
        rebases=True,
    ),
    "casme": Spec(
        *("casme", "casme", "CASME-coded-20190721.xls", CASME_ROLES, ep_id("casme")),
        ("contempt", "disgust", "fear", "happiness", "repression", "sadness", "surprise", "tense"),
        last_two,
    ),
    **{
        name: Spec(
            *("casme-squared", name, SQUARED, {}, squared_id(name), ("negative", "other", "positive", "surprise")),
            home=lambda parts, subject, _: parts[-2] == subject,  # the video's code: `check_clip`
            open_end=True,
            whole=True,
        )
        for name in ("casme-squared", "casme-squared-macro")
    },
    "casme3": Spec(
        *("casme3", "casme3", "part_A/annotation/cas(me)3_part_A_ME_label_JpgIndex_v2.xlsx", CASME3_ROLES, casme3_id),
        ("anger", "disgust", "fear", "happiness", "other", "sadness", "surprise"),
        home=lambda parts, subject, clip: parts[-3:] == (subject, clip.partition("_")[0], "color"),
        open_end=True,
        whole=True,
    ),
    "4dme": Spec(
        *("4dme", "4dme", "4DME_Labelling_Micro_release v1.xlsx", FOURDME_ROLES, fourdme_id),
        ("negative", "other", "positive", "repression", "surprise"),
        last_two,
        optional=("offset",),
        open_end=True,
        rebases=True,
    ),
}
