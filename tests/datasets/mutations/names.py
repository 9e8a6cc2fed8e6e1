"""What cells and file names say, read slowly: numbers, emotions, and the clip that a name speaks of."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any


def number(text: str) -> int | None:
    return int(float(text)) if re.fullmatch(r"[+-]?[0-9]+(\.0*)?", text) else None


def emotion_word(text: str) -> str:
    word = " ".join(text.lower().split())
    plain = {"others": "other", "happy": "happiness", "happyiness": "happiness", "sad": "sadness"}
    return {**plain, "comtempt": "contempt"}.get(word, word)


def frame_of(name: str) -> int:
    return int(re.findall(r"[0-9]+", Path(name).stem)[-1])


def key(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())


NOT_ANNOTATED = ("", "/", "\\", "-", "null", "none", "nan")

Id = tuple[str, str, str]  # dataset, subject, clip
Values = dict[str, Any]  # role -> text of the cell, without outer blanks


Grid = list[list[Any]]


def text_of(cell: Any) -> str:
    return "" if cell is None else str(cell).strip()


def samm_name(text: str) -> tuple[int, int, int] | None:
    found = re.fullmatch(r"([0-9]{1,3})_([0-9]{1,3})_([0-9]{1,3})", text)
    return tuple(map(int, found.groups())) if found else None  # type: ignore[return-value]


def samm_id(v: Values) -> Id | None:
    name = samm_name(v["clip"])
    if name is None or number(v["subject"]) != name[0]:
        return None
    return "samm", f"{name[0]:03d}", f"{name[0]:03d}_{name[1]}_{name[2]}"


def samm_lv_id(v: Values) -> Id | None:
    return samm_id(v) if v["type"].lower().startswith("micro") else None


def ep_id(dataset: str) -> Callable[[Values], Id | None]:
    def identify(v: Values) -> Id | None:
        plain = re.fullmatch(r"(?:sub)?_?0*([0-9]+)", v["subject"], re.IGNORECASE)
        who = int(plain[1]) if plain else number(v["subject"])
        if who is None or who < 0 or not re.match("EP[0-9]+", v["clip"], re.IGNORECASE):
            return None
        return dataset, f"sub{who:02d}", v["clip"]

    return identify


def smic_name(text: str) -> tuple[int, str, int] | None:
    found = re.fullmatch(r"s0*([0-9]{1,2})_(ne|po|sur)_0*([0-9]{1,3})", text, re.IGNORECASE)
    return (int(found[1]), found[2].lower(), int(found[3])) if found else None


CODES = {"ne": "negative", "po": "positive", "sur": "surprise"}
MORE_NAMES = {"s3_ne_02": ["s3_ne_03"], "s4_ne_04": ["s4_ne_05", "s4_ne_06"], "s9_sur_01": ["s9_sur_02"]}
MOTHERS = {further: mother for mother, names in MORE_NAMES.items() for further in names}


def smic_id(camera: str) -> Callable[[Values], Id | None]:
    def identify(v: Values) -> Id | None:
        name = smic_name(v["clip"])
        if name is None or number(v["subject"].lower().removeprefix("s")) != name[0]:
            return None
        return f"smic-{camera}", f"s{name[0]}", f"s{name[0]}_{name[1]}_{name[2]:02d}"

    return identify


def mmew_id(v: Values) -> Id | None:
    found = re.fullmatch(r"S0*([0-9]+)-([0-9]+)-([0-9]+)", v["clip"], re.IGNORECASE)
    return ("mmew", f"S{int(found[1]):02d}", v["clip"].upper()) if found else None


def casme3_id(v: Values) -> Id | None:
    who = re.fullmatch(r"spno\.?0*([0-9]+)", v["subject"], re.IGNORECASE)
    onset = number(v["onset"])
    if not who or onset is None or onset < 0 or not re.fullmatch("[a-z]", v["clip"], re.IGNORECASE):
        return None
    return "casme3", f"spNO.{int(who[1])}", f"{v['clip'].lower()}_{onset}"


def fourdme_id(v: Values) -> Id | None:
    return ("4dme", v["subject"], v["clip"]) if v["subject"] and v["clip"] else None


def squared_id(dataset: str) -> Callable[[Values], Id | None]:
    """Of CAS(ME)^2, whose `values` hold the folder number that naming rule1 gives the participant."""

    def identify(v: Values) -> Id | None:
        kind = re.sub("[^a-z]", "", v["type"].lower())
        if kind != {"casme-squared": "microexpression", "casme-squared-macro": "macroexpression"}[dataset]:
            return None
        if v["folder"] is None or not re.fullmatch(r"[a-z]+[0-9]*_[0-9]+", v["clip"], re.IGNORECASE):
            return None
        return dataset, f"s{v['folder']}", v["clip"].lower()

    return identify
