"""Random edits to label files and clip folders of data sets without a table."""

from __future__ import annotations

import os
import random
import re
import shutil
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from recordings import plan_layout, write_empty

from mertool.clips import OK
from mertool.datasets import read_clips
from mertool.errors import MertoolError
from tests.datasets.mutations.edits import EDITS
from tests.datasets.mutations.invariants import check_message, report
from tests.datasets.mutations.names import CODES, frame_of, smic_name


class Tree:
    """Files (empty frames) of a layout, kept as a dict so that an edit is a change of names."""

    def __init__(self, layout: str, out: Path) -> None:
        self.out = out
        self.plan = plan_layout(layout, 4, 3, (8, 10), 3)
        write_empty(self.plan, out)
        self.files = {
            path.relative_to(out): b"" if path.suffix in (".png", ".bmp") else path.read_bytes()
            for path in sorted(out.rglob("*"))
            if path.is_file()
        }
        self.frames = frames_by_folder(self.files)
        self.base = read_clips(out, dataset=layout)
        self.by_id = {(c.dataset, c.subject, c.name): c for c in self.base.clips if c.status == OK}

    def lay(self, files: dict[Path, bytes], before: dict[Path, bytes], folders: list[Path]) -> None:
        """Change the folder from `before` to `files`; `folders` are empty ones to make."""
        for name in before.keys() - files.keys():
            (self.out / name).unlink()
        for name, content in files.items():
            if before.get(name) != content:
                (self.out / name).parent.mkdir(parents=True, exist_ok=True)
                (self.out / name).write_bytes(content)
        for here, _, _ in os.walk(self.out, topdown=False):
            if not os.listdir(here) and Path(here) != self.out:
                Path(here).rmdir()
        for name in folders:
            (self.out / name).mkdir(parents=True, exist_ok=True)


def frames_by_folder(files: Iterable[Path]) -> dict[Path, dict[int, list[str]]]:
    """The names of the pictures in each folder, by frame number."""
    found: dict[Path, dict[int, list[str]]] = defaultdict(lambda: defaultdict(list))
    for name in files:
        if name.suffix in (".png", ".bmp", ".jpg") and re.search("[0-9]", name.stem):
            found[name.parent][frame_of(name.name)].append(name.name)
    return found


def check_pictures(clip: Any, tree: Tree, folder: Path, there: dict[int, list[str]]) -> str:
    numbers = (clip.onset, clip.middle, clip.apex)
    if {path.parent for path in clip.key_frames} != {tree.out / folder}:
        return f"key frames outside {folder}"
    if any([path.name] != there.get(n) for n, path in zip(numbers, clip.key_frames, strict=True)):
        return f"key frames {[path.name for path in clip.key_frames]} for {numbers}"
    return ""


def run_tree_edits(
    tree: Tree,
    layout: str,
    seeds: range,
    change: Callable[[dict[Path, bytes], random.Random], str],
    check: Callable[[Tree, dict[Path, bytes], Any, list[Path]], list[str]],
) -> tuple[Counter[str], list[str]]:
    ends: Counter[str] = Counter()
    wrong: list[str] = []
    now = dict(tree.files)
    for seed in seeds:
        rng = random.Random(seed)
        files = dict(tree.files)
        done = [change(files, rng) for _ in range(rng.choices([1, 2, 3], [6, 3, 1])[0])]
        gone = {name.parent for name in tree.files} - {name.parent for name in files}
        empty = [folder for folder in sorted(gone) if rng.random() < 0.5]
        tree.lay(files, now, empty)
        now = files
        try:
            found = read_clips(tree.out, dataset=layout)
        except MertoolError as error:
            ends["error"] += 1
            trouble = check_message(str(error), tree.out)
        except Exception as error:
            trouble = [f"{type(error).__name__}: {error}"]
        else:
            trouble = check(tree, files, found, empty)
            trouble += [f"{n}: usable {k} times" for n, k in Counter(c.id for c in usable_of(found)).items() if k > 1]
            trouble += [f"{c.id}: {c.status} without detail" for c in found.clips if c.status != OK and not c.detail]
            same = found.clips == tree.base.clips and found.unannotated == tree.base.unannotated
            named = any(c.status != OK or c.detail for c in found.clips if c not in tree.base.clips)
            ends[
                "equal" if same else "named" if named or found.unannotated != tree.base.unannotated else "different"
            ] += 1
        wrong += [f"{layout} seed {seed}: {'; '.join(done)}: {text}" for text in trouble]
        for folder in empty:
            shutil.rmtree(tree.out / folder, ignore_errors=True)
            for name in [name for name in now if folder in name.parents]:
                del now[name]
    return ends, wrong


def usable_of(found: Any) -> list[Any]:
    return [clip for clip in found.clips if clip.status == OK]


CK_LABEL = re.compile(r"S0*([0-9]+)_([0-9]{3})_([0-9]+)_emotion\.txt", re.IGNORECASE)
CK_EMOTIONS = dict(enumerate(("anger", "contempt", "disgust", "fear", "happiness", "sadness", "surprise"), 1))
CK_TEXTS = (
    *("", "   0.0000000e+00\n", "8", "3.5", "nan", "inf", "-1", "x", "3 4", "   7.0000000e+00\n", "2", "1.0", "+6"),
    *("   1.0000000e+00\n", "4,0", "1e400", "\x00\x01", "five", "0x3", "5.0000000e+00\n5.0000000e+00\n"),
)


def change_labels(files: dict[Path, bytes], rng: random.Random) -> str:
    labels = sorted(name for name in files if name.name.endswith("_emotion.txt"))
    if not labels:
        return "nothing left"
    name, other = rng.choice(labels), rng.choice(labels)
    kind = rng.choice(["text", "text", "swap", "rename", "peak", "delete", "double", "move", "another's name", "frame"])
    if kind == "text":
        files[name] = rng.choice(CK_TEXTS).encode()
    elif kind == "swap":
        files[name], files[other] = files[other], files[name]
    elif kind == "rename":
        stem = name.name.removesuffix("_emotion.txt")
        called = [f"{stem.lower()}_emotion.txt", f"{stem}_Emotion.TXT", f"{stem}.txt", f"{stem}_emotions.txt"]
        called += [f"S0{stem[1:]}_emotion.txt", f"{stem.replace('_', '-')}_emotion.txt", f"x{stem}_emotion.txt"]
        files[name.with_name(rng.choice(called))] = files.pop(name)
    elif kind == "peak":
        at = frame_of(name.name.removesuffix("_emotion.txt"))
        peak = rng.choice([0, 1, 2, at - 1, at - 3, at + 1, at + 2, at + 9, 10**9])
        files[name.with_name(f"{name.name[:9]}{peak:08d}_emotion.txt")] = files.pop(name)
    elif kind == "delete":
        del files[name]
    elif kind == "double":
        twin = rng.choice([name.with_name(name.name.replace("_000", "_00")), Path("CK+/copy") / name.name])
        files[twin] = rng.choice([files[name], files[other]])
    elif kind == "move":
        files[other.with_name(name.name)] = files.pop(name)
    elif kind == "another's name":
        files[name.with_name(other.name)] = files.pop(name)
    else:
        picture = rng.choice(sorted(path for path in files if path.suffix == ".png"))
        del files[picture]
        name = picture
    return f"{kind} {name.name}"


def check_ckplus(tree: Tree, files: dict[Path, bytes], found: Any, _: list[Path]) -> list[str]:
    labels: dict[tuple[str, str], list[tuple[int, str]]] = defaultdict(list)
    odd = []
    for name, content in files.items():
        parts = CK_LABEL.fullmatch(name.name)
        if parts:
            labels[f"S{int(parts[1]):03d}", parts[2]].append((int(parts[3]), content.decode("latin1").strip()))
        elif name.suffix.lower() == ".txt" and any("emotion" in part.lower() for part in name.parts[:-1]):
            odd.append(name)
    pictures = {(path.parent.parent.name, path.parent.name): path.parent for path in files if path.suffix == ".png"}
    frames = frames_by_folder(files)
    notes = " ".join(found.notes)
    wrong = []
    met = {}
    for clip in found.clips:
        who = (clip.subject, clip.name)
        met[who] = clip
        if clip.status != OK:
            continue
        says = labels.get(who, [])
        if len(set(says)) != 1:
            wrong.append(f"{clip.id}: used, though its labels are {says}")
            continue
        peak, text = says[0]
        if not re.fullmatch(r"\+?[0-9]+(\.0*)?(e\+?0*)?", text) or CK_EMOTIONS.get(int(float(text))) != clip.emotion:
            wrong.append(f"{clip.id}: {clip.emotion}, the label says {text!r}")
        folder = pictures[who]
        there = frames[folder]
        if clip.onset != min(there):
            wrong.append(f"{clip.id}: onset {clip.onset}, the first frame is {min(there)}")
        if clip.apex != peak and f"apex frame {peak} is not on disk, {clip.apex}" not in clip.detail:
            wrong.append(f"{clip.id}: apex {clip.apex}, the label says {peak}")
        if max(there) > peak and str(peak) not in clip.detail:
            wrong.append(f"{clip.id}: frames behind the peak {peak}, which detail does not say")
        if trouble := check_pictures(clip, tree, folder, there):
            wrong.append(f"{clip.id}: {trouble}")
    for who in labels:
        if who not in met and not any(f"{who[0]}_{who[1]}_" in note for note in found.notes):
            wrong.append(f"the label of {who} is named nowhere")
    for name in odd:
        if name.name not in notes:
            wrong.append(f"{name} is not read and named nowhere")
    labels_then = [name for name in tree.files if CK_LABEL.fullmatch(name.name)]
    for (_dataset, subject, clip), before in tree.by_id.items():
        folder = before.key_frames[0].parent.relative_to(tree.out)
        own = {path: tree.files[path] for path in labels_then if path.name.startswith(f"{subject}_{clip}_")}
        now = {path: text for path, text in files.items() if path.name.startswith(f"{subject}_{clip}_") and text}
        now = {path: text for path, text in now.items() if CK_LABEL.fullmatch(path.name)}
        untouched = own == now and frames[folder] == tree.frames[folder]
        if untouched and len(labels[subject, clip]) == 1 and met[subject, clip] != before:
            wrong.append(f"{before.id}: its files are unchanged, the clip is not: {met[subject, clip].detail}")
    return wrong


def change_folders(files: dict[Path, bytes], rng: random.Random) -> str:
    clips = sorted({name.parent for name in files if name.suffix == ".bmp" and "micro" in name.parts})
    folder, other = rng.choice(clips), rng.choice(clips)
    names = [name for name in files if name.parent == folder]
    pictures = [name for name in names if name.suffix == ".bmp"]
    kind = rng.choice(
        [
            "emotion",
            "rename",
            "another's name",
            "empty",
            "double",
            "delete",
            "file",
            "frame",
            "subject",
            "loose",
            "camera",
        ]
    )

    def move(new: Path, copy: bool = False) -> None:
        for name in names:
            files[new / name.name] = files[name] if copy else files.pop(name)

    if kind == "emotion":
        move(
            folder.parent.with_name(rng.choice(["negative", "positive", "surprise", "Negative", "other"])) / folder.name
        )
    elif kind == "rename":
        called = [
            folder.name.upper(),
            folder.name.replace("_0", "_"),
            f"{folder.name} (2)",
            f"{folder.name}_",
            "clip 1",
        ]
        called += [
            folder.name.replace("s", "s0", 1),
            folder.name.replace("_ne_", "_neg_"),
            folder.name.replace("_", "-"),
        ]
        move(folder.with_name(rng.choice(called)))
    elif kind == "another's name":
        move(folder.with_name(other.name))
    elif kind == "empty":
        for name in pictures:
            del files[name]
    elif kind == "double":
        new = [folder.with_name(f"{folder.name} - copy"), other.parent / folder.name, Path("again", *folder.parts[1:])]
        move(rng.choice(new), copy=True)
    elif kind == "delete":
        for name in names:
            del files[name]
    elif kind == "subject":
        parts = ["s99" if re.fullmatch("s[0-9]+", part) else part for part in folder.parts]
        move(Path(*parts))
    elif kind == "loose":
        move(folder.parent)
    elif kind == "camera":
        move(Path(*[{"HS": "VIS", "VIS": "HS", "NIR": "films"}.get(part, part) for part in folder.parts]))
    elif pictures:
        name = rng.choice(pictures)
        if kind == "frame":
            del files[name]
        else:
            at = frame_of(name.name)
            called = [
                f"image{at + 10**6}.bmp",
                f"image{at:09d}.bmp",
                "image.bmp",
                f"image{at}.txt",
                f"image{at + 1}.bmp",
            ]
            other_name = name.with_name(rng.choice(called))
            files[other_name] = files[name]
            if rng.random() < 0.7 and other_name != name:
                del files[name]
    return f"{kind} {folder.name}"


def check_smic(tree: Tree, files: dict[Path, bytes], found: Any, empty: list[Path]) -> list[str]:
    folders = {name.parent for name in files if name.suffix == ".bmp"} | set(empty)
    frames = frames_by_folder(files)
    wrong = []
    met = set()
    for clip in found.clips:
        match = [
            folder
            for folder in folders
            if smic_name(folder.name) == smic_name(clip.name) and clip.dataset[5:].upper() in folder.parts
        ]
        met |= set(match)
        if clip.status != OK:
            continue
        own = [folder for folder in match if folder.parent.name.lower() == clip.emotion]
        if len(own) > 1 and all(
            any("not used" in note and f.parts[0] in note for note in found.notes) for f in own[1:]
        ):
            own = own[:1]
        if len(own) != 1 or CODES[smic_name(clip.name)[1]] != clip.emotion:
            wrong.append(f"{clip.id}: {clip.emotion}, but its folders are {[str(f) for f in match]}")
            continue
        there = frames[own[0]]
        if (clip.onset, clip.offset) != (min(there), max(there)):
            wrong.append(f"{clip.id}: {clip.onset}..{clip.offset} of {min(there)}..{max(there)}")
        middle = (min(there) + max(there) + 1) // 2
        if clip.apex != middle and f"apex frame {middle} is not on disk, {clip.apex}" not in clip.detail:
            wrong.append(f"{clip.id}: apex {clip.apex} instead of {middle}")
        if any(len(names) > 1 for names in there.values()):
            wrong.append(f"{clip.id}: used, though two files have one number")
        if clip.subject.removeprefix("s") not in [part.removeprefix("s").lstrip("0") for part in own[0].parts]:
            wrong.append(f"{clip.id}: lies in the folder of another subject, {own[0]}, which nothing says")
        if trouble := check_pictures(clip, tree, own[0], there):
            wrong.append(f"{clip.id}: {trouble}")
    now = {(clip.dataset, clip.subject, clip.name): clip for clip in found.clips}
    for who, before in tree.by_id.items():
        folder = before.key_frames[0].parent.relative_to(tree.out)
        alone = [f for f in folders if smic_name(f.name) == smic_name(folder.name) and "HS" in f.parts] == [folder]
        if alone and frames[folder] == tree.frames[folder] and now.get(who) != before:
            wrong.append(f"{before.id}: its files are unchanged, the clip is not: {now.get(who)}")
    said = " ".join((*found.notes, *found.unannotated, *(clip.detail for clip in found.clips)))
    unread = "".join(f"{note}\n" for note in found.notes if note.startswith("folders with pictures that were not read"))
    for folder in folders:
        if "HS" not in folder.parts or any("non" in part for part in folder.parts) or folder in met:
            continue
        branch = ["/".join(folder.parts[:end]) for end in range(1, len(folder.parts))]
        if folder.name not in said and not any(f"{above}{end}" in unread for above in branch for end in (", ", "\n")):
            wrong.append(f"{folder} is read by nobody and named nowhere")
    return wrong


@pytest.mark.parametrize(
    ("layout", "change", "check"),
    [("ckplus", change_labels, check_ckplus), ("smic", change_folders, check_smic)],
    ids=["ckplus", "smic"],
)
def test_edited_files_end_in_right_clips_named_clips_or_one_error(
    tmp_path: Path, layout: str, change: Any, check: Any
) -> None:
    tree = Tree(layout, tmp_path / "data")
    assert tree.by_id
    ends, wrong = run_tree_edits(tree, layout, range(EDITS), change, check)
    report(ends, wrong, ("named", "different", "equal"))
