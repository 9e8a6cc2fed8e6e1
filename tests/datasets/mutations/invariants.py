"""What must hold however a table was edited."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from mertool.clips import OK, STATUSES
from mertool.datasets.corrections import CORRECTIONS
from tests.datasets.mutations.copies import Copy, Told, as_read
from tests.datasets.mutations.names import (
    MORE_NAMES,
    MOTHERS,
    NOT_ANNOTATED,
    Grid,
    Id,
    Values,
    emotion_word,
    frame_of,
    number,
    smic_name,
)
from tests.datasets.mutations.specs import Spec


def same_name(one: Id, other: Id) -> bool:
    return [part.lower() for part in one] == [part.lower() for part in other]


def check_label(clip: Any, v: Values, spec: Spec) -> str:
    """What is wrong with a usable clip's emotion, as a row has it; "" where nothing is."""
    if spec.layout == "4dme":
        parts = {emotion_word(part) for part in re.split(r"[+,&/]", v["emotion"])}
        return "" if parts <= set(spec.emotions) and set(clip.emotion.split("+")) == parts else "emotion"
    if spec.layout == "mmew" and number(v["subject"].upper().removeprefix("S")) != int(clip.subject[1:]):
        # The name decides, since nobody says that column Subject counts people alike; but not in silence.
        shown = repr(v["subject"]) if v["subject"] else "empty"
        if f"Subject is {shown}" not in clip.detail:
            return f"subject {v['subject']!r}, which detail does not say"
    says = emotion_word(v["emotion"])
    if says in spec.emotions and says == clip.emotion:
        return ""
    dataset = "smic" if spec.layout == "smic-e" else clip.dataset
    for entry in CORRECTIONS:
        known = entry[:3] == (dataset, clip.subject, clip.name) and "motion" in entry.column
        if known and says == entry.published and clip.emotion == entry.used and repr(says) in clip.detail:
            return ""
    return f"emotion {clip.emotion!r}, the row says {v['emotion']!r}"


def moved_rightly(clip: Any, what: str, used: int, wanted: int, reach: int) -> bool:
    """Whether a key frame is the wanted one, or its neighbour for want of that, which `detail` says."""
    said = f"{what} frame {wanted} is not on disk, {used} is used" in clip.detail
    return used == wanted or (said and abs(used - wanted) <= reach)


def check_moments(clip: Any, v: Values, spec: Spec, before: Any) -> str:
    """What is wrong with a usable clip's frame numbers, as a row has them."""
    onset, offset = number(v["onset"]), number(v["offset"])
    if spec.apexless:
        return check_interval(clip, v, before, spec.reach)
    apex = number(v["apex"])
    dataset = clip.dataset
    corrected = {
        entry.column.lower().split("frame")[0].strip(): entry
        for entry in CORRECTIONS
        if entry[:3] == (dataset, clip.subject, clip.name) and "rame" in entry.column
    }
    if "apex" in corrected and v["apex"].lower() == corrected["apex"].published:
        if repr(corrected["apex"].published) not in clip.detail:
            return "a corrected apex that detail does not name"
        apex = None
    elif apex is None and v["apex"].lower() not in NOT_ANNOTATED and repr(v["apex"]) not in clip.detail:
        return f"apex {v['apex']!r} is no number, which detail does not say"
    elif apex is not None and abs(apex) >= 10**12 and v["apex"] in clip.detail:
        apex = None  # no frame number either
    if onset is None or onset < 0:
        return f"onset {v['onset']!r} is no frame number, yet the clip is used"
    if offset is None and not (spec.open_end and v["offset"].lower() in NOT_ANNOTATED):
        return f"offset {v['offset']!r} is no number, yet the clip is used"
    if spec.open_end and not offset:
        if clip.offset != -1 or "ffset is given" not in clip.detail:
            return "an offset that is not annotated, which detail does not say"
        end = None
        if apex is None or apex <= onset:
            return "neither apex nor offset, yet the clip is used"
    else:
        end = offset
        if end is None or end < onset:
            return "the offset lies before the onset, yet the clip is used"
    shift = 0
    if spec.rebases and "whole recording" in clip.detail:
        if f"frames {onset}.." not in clip.detail:
            return "detail does not say which frames were rebased"
        shift = onset - clip.onset
        if shift <= 0:
            return "rebased to nothing"
    if end is not None and clip.offset != end - shift:
        return f"offset {clip.offset}, the row says {end}"
    if not moved_rightly(clip, "onset", clip.onset, onset - shift, spec.reach):
        return f"onset {clip.onset}, the row says {onset}"
    if end is not None and (apex is None or not onset <= apex <= end or apex == onset < end):
        middle = (onset + end + 1) // 2
        named = f"apex {apex}" in clip.detail if apex is not None else "no apex is given" in clip.detail
        if not named or str(middle) not in clip.detail:
            return f"the middle stands for apex {v['apex']!r}, which detail does not say"
        apex = middle
    assert apex is not None
    if not moved_rightly(clip, "apex", clip.apex, apex - shift, spec.reach):
        return f"apex {clip.apex}, the row says {apex}"
    middle = (onset + apex + 1) // 2 - shift
    if not moved_rightly(clip, "middle", clip.middle, middle, spec.reach):
        return f"middle {clip.middle} instead of {middle}"
    return ""


def check_interval(clip: Any, v: Values, before: Any, reach: int) -> str:
    """SMIC-E: onset and offset of an expression, whose middle is the apex."""
    onset, offset = number(v["onset"]), number(v["offset"])
    mother = smic_name(v["clip"])
    assert mother is not None
    name = f"s{mother[0]}_{mother[1]}_{mother[2]:02d}"
    further = clip.name != name
    if further:
        place = MORE_NAMES[name].index(clip.name) if clip.name in MORE_NAMES.get(name, ()) else None
        pairs = [(number(v[f"onset{n}f"]), number(v[f"offset{n}f"])) for n in (2, 3)]
        if place is not None:
            onset, offset = pairs[place]
        elif (clip.onset, clip.offset) in pairs:
            onset, offset = clip.onset, clip.offset
        else:
            return "no interval of the row is that of this further expression"
    if further and before is not None and (clip.onset, clip.offset) == (before.onset, before.offset):
        onset, offset = before.onset, before.offset  # of s9_sur_02 there is a copy in the third interval
    total = number(v["totalmf1"])
    if offset is None and onset is not None and total and not further and "TotalMF1" in clip.detail:
        offset = onset + total - 1
    if onset is None or offset is None or not 0 <= onset < offset:
        return f"{onset}..{offset} is no interval, yet {clip.onset}..{clip.offset} is used"
    if clip.offset != offset:
        return f"offset {clip.offset}, the row says {offset}"
    apex = (onset + offset + 1) // 2
    for what, used, wanted in (
        ("onset", clip.onset, onset),
        ("apex", clip.apex, apex),
        ("middle", clip.middle, (onset + apex + 1) // 2),
    ):
        if not moved_rightly(clip, what, used, wanted, reach):
            return f"{what} {used} instead of {wanted}"
    return ""


def check_frames(clip: Any, copy: Copy, codes: dict[str, int] | None) -> str:
    """What is wrong with a usable clip's files."""
    numbers = (clip.onset, clip.middle, clip.apex)
    if tuple(frame_of(path.name) for path in clip.key_frames) != numbers:
        return f"key frames {[path.name for path in clip.key_frames]} for {numbers}"
    folders = {path.parent.relative_to(copy.out) for path in clip.key_frames}
    if len(folders) != 1:
        return "key frames from several folders"
    folder = folders.pop()
    if not copy.spec.home(folder.parts, clip.subject, clip.name):
        return f"key frames from {folder}"
    if codes is not None and f"_{codes.get(clip.name.rpartition('_')[0], -1):04d}" not in folder.name:
        return f"key frames from {folder}, another video"
    if copy.spec.layout == "mmew":
        lies_in = emotion_word(folder.parent.name)
        if {"repression": "other"}.get(lies_in, lies_in) != clip.emotion:
            return f"{clip.emotion!r} in {folder}"
    there = copy.folders[folder]
    if not all(there.get(n) == path.name for n, path in zip(numbers, clip.key_frames, strict=True)):
        return "key frames that are not on disk"
    last = max(clip.offset, clip.apex)
    if list(clip.sequence.numbers) != sorted(n for n in there if clip.onset <= n <= last):
        return "a sequence other than the frames from onset to offset"
    return ""


def claim(v: Values, spec: Spec) -> Id | None:
    """The clip whose name a row bears, even where its subject or its type says otherwise."""
    if spec.layout == "samm-lv" and not v["type"].lower().startswith("macro"):
        v = {**v, "type": "micro"}
    elif spec.layout == "casme-squared":
        v = {**v, "type": {"casme-squared": "micro-expression"}.get(spec.dataset, "macro-expression")}
    if spec.layout in ("samm", "samm-lv", "mmew", "smic-e") and (digits := re.search("[0-9]+", v["clip"])):
        v = {**v, "subject": digits[0]}
    return spec.identify(v)


def rows_of(told: Told, spec: Spec) -> list[tuple[int, Values, Id]]:
    found = [(line, values, spec.identify(values)) for line, values in told.rows]
    return [(line, values, name) for line, values, name in found if name is not None]


def violations(copy: Copy, found: Any, told: Told, codes: dict[str, int] | None) -> list[str]:
    spec = copy.spec
    wrong = []
    usable = [clip for clip in found.clips if clip.status == OK]
    ids = Counter(clip.id for clip in usable)
    wrong += [f"{name}: usable {n} times" for name, n in ids.items() if n > 1]
    identified = rows_of(told, spec)
    if told.trouble:
        return [f"read, though the table has {told.trouble}"]

    # Every usable clip says what a row with its name says.
    for clip in found.clips:
        who = (clip.dataset, clip.subject, clip.name)
        if clip.status != OK:
            if clip.status not in STATUSES or not clip.detail or clip.key_frames or "\n" in clip.detail:
                wrong.append(f"{clip.id}: {clip.status} with detail {clip.detail!r}")
            continue
        mother = (clip.dataset, clip.subject, MOTHERS.get(clip.name, clip.name).partition("+")[0])
        own = [values for _, values, name in identified if same_name(name, who)]
        if spec.layout == "smic-e" and not own:
            own = [values for _, values, name in identified if name == mother]
        if not own:
            wrong.append(f"{clip.id}: usable, but no row names it")
            continue
        reasons = [check_label(clip, v, spec) or check_moments(clip, v, spec, copy.by_id.get(who)) for v in own]
        if all(reasons):
            wrong.append(f"{clip.id}: {' / '.join(reasons)}")
        if trouble := check_frames(clip, copy, codes):
            wrong.append(f"{clip.id}: {trouble}")
        spelt = next((name for name in copy.by_id if same_name(name, who)), who)
        if spelt != who:
            wrong.append(f"{clip.id}: is {'/'.join(spelt)} in another spelling")

    # A row that was not edited gives what it gave.
    before = {name: values for _, values, name in rows_of(copy.told, spec)}
    shared = Counter("/".join(name).lower() for name in (claim(values, spec) for _, values in told.rows) if name)
    now = {(clip.dataset, clip.subject, clip.name): clip for clip in usable}
    furthers = {name[2] for _, _, name in identified}
    for _, values, name in identified:
        if before.get(name) != values or shared["/".join(name).lower()] > 1:
            continue
        for more in (name[2], *MORE_NAMES.get(name[2], ())):
            who = (*name[:2], more)
            if who not in copy.by_id or (more != name[2] and more in furthers):
                continue
            if codes is not None and codes != copy_codes(copy):
                continue
            if now.get(who) != copy.by_id[who]:
                wrong.append(f"{'/'.join(who)}: its row is unchanged, the clip is not: {now.get(who)}")

    # Every row is accounted for.
    details = " ".join(clip.detail for clip in found.clips)
    mentioned = {int(n) for n in re.findall(r"\brow ([0-9]+)", details)}
    dropped: set[int] = set()  # rows of SMIC-E with intervals that are not read, which a note names
    for note in found.notes:
        if spec.layout == "smic-e" and re.search("interval|expression", note):
            dropped |= {int(n) for n in re.findall(r"\b[0-9]+\b", note)} | ({*range(1000)} if "more" in note else set())
        if note.startswith("not read, text"):
            mentioned |= {int(n) for n in re.findall(r"[0-9]+", note)}
            if "more" in note:
                mentioned |= {line for line, _ in told.rows}
    met = {(clip.dataset, clip.subject.lower(), clip.name.lower()) for clip in found.clips}
    for line, values in told.rows:
        name = spec.identify(values)
        if line in mentioned or (name and (name[0], name[1].lower(), name[2].lower()) in met):
            continue
        kind = re.sub("[^a-z]", "", values.get("type", "").lower())
        if kind.startswith("macro" if spec.dataset != "casme-squared-macro" else "micro"):
            continue
        wrong.append(f"row {line} is named nowhere: {values}")

    by_name = defaultdict(set)
    for line, _, name in identified:
        by_name["/".join(name).lower()].add(line)
    for spelling, lines in by_name.items():
        if len(lines - mentioned) > 1:
            wrong.append(
                f"{spelling}: rows {sorted(lines)} name it, and only {sorted(lines & mentioned)} are refused by number"
            )

    # Every clip that was usable is used as it was, or named.
    notes = " ".join(found.notes)
    for who, clip in copy.by_id.items():
        if who in now:
            continue
        if any(same_name((c.dataset, c.subject, c.name), who) for c in found.clips):
            continue
        folder = clip.key_frames[0].parent.relative_to(copy.out)
        if any(stray.endswith(folder.as_posix()) for stray in found.unannotated):
            continue
        if spec.whole and not any(name == who for _, _, name in identified):
            continue  # its row is gone or speaks of another clip, which was accounted for above
        mother = (*who[:2], MOTHERS.get(who[2], ""))
        if mother[2]:
            if (
                any(name == mother and line in dropped for line, _, name in identified)
                or "no Onset2F is given" in notes
            ):
                continue
            rows = [values for _, values, name in identified if name == mother]
            place = MORE_NAMES[mother[2]].index(who[2]) + 2
            if rows and not any(values[f"onset{place}f"] + values[f"offset{place}f"] for values in rows):
                continue  # the table holds no such interval
            if any(c.status != OK and (c.dataset, c.subject, c.name) == mother for c in found.clips):
                continue
            if any(stray.endswith(folder.as_posix()) for stray in found.unannotated):
                continue
        if f"/{folder.name}" in notes:
            continue
        wrong.append(f"{clip.id}: disappeared silently")
    return wrong


def copy_codes(copy: Copy) -> dict[str, int]:
    return codes_of(copy.rules(), copy.suffix)


def codes_of(rules: dict[str, Grid], suffix: str) -> dict[str, int]:
    codes: dict[str, int] = {}
    for row in as_read(rules["naming rule2"], suffix):
        cells = [*row, "", ""]
        code = number(cells[0])
        if code is not None and re.fullmatch("[a-z]+[0-9]*", cells[1], re.IGNORECASE):
            codes.setdefault(cells[1].lower(), code)
    return codes


def check_message(text: str, copy_root: Path) -> list[str]:
    """An error is one line that names a file and says what is wrong."""
    wrong = []
    if "\n" in text or "Traceback" in text or len(text) > 900:
        wrong.append(f"not one clear line: {text!r}")
    if copy_root.name not in text:
        wrong.append(f"names no file: {text!r}")
    causes = "lacks|times|no annotation table|above the header|no row|expected|no emotion|no sheet|there twice|differ"
    if not re.search(f"{causes}|keep one|says which", text):
        wrong.append(f"does not say what is wrong: {text!r}")
    return wrong


def report(ends: Counter[str], wrong: list[str], needed: tuple[str, ...]) -> None:
    assert not wrong, f"{len(wrong)} violations; ends {dict(ends)}\n" + "\n".join(wrong[:40])
    assert all(ends[kind] >= 3 for kind in needed), ends
