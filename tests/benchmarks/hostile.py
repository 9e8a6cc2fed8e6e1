"""Damaged and malicious inputs, made at random: each gives a result or one line that names the failure.

    python -m tests.benchmarks.hostile --cases 20000 --seed 0 --seconds 1500

A case damages one good file - a pack, a file of a run folder, a checkpoint, an annotation table, a picture, a landmark
model, a path - and calls the command that reads it, in a process of its own with limits on memory and time. It fails
if there is a traceback, a crash, a NumPy or Python warning, a message of more than one line or 500 characters, control
characters in what the terminal gets, too much memory or no end. It prints cases, results, refusals and failures for
each kind, and the seeds of failed cases; `--only KIND --first N --cases 1` repeats one.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import random
import re
import resource
import shutil
import signal
import stat
import struct
import sys
import tempfile
import time
import unicodedata
import warnings
import zipfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from mertool.cli.main import main as mertool
from tests.support.in_process import call, in_this_process
from tests.support.noise import SMALL, make_pack

MEMORY = 3 * 2**30  # bytes of address space beyond what the parent has
SECONDS = 30  # that a case may take
LONGEST = 500  # characters of a message
WORDS = ("", "\0", "\x1b[31m", "a\nb", "a\rb", "\ud800", "é", "../../x", "/dev/zero", "=1+1", "x" * 100_000, "nan")
NUMBERS = (0, -1, 1, 2**31, 2**63, 10**40, 1e308, -1e-300, 0.5, True, None)
PEOPLE = {f"p{n}": ["fear", "joy", "fear", "joy"] for n in range(4)}


class Material:
    """Good files, made once."""

    def __init__(self, home):
        self.home = home
        make_pack(home / "a.npz", PEOPLE, faces=True, sequence=4)
        with pytest.MonkeyPatch.context() as patch:
            in_this_process(patch)
            network = ("--classes", "all", "--folds", 2, *SMALL, "--epochs", 1)
            texture = ("--classes", "all", "--folds", 2, "--method", "lbp-top", "--length", 0, "--radii", "1,1,1")
            call("cv", "a.npz", "--abn", *network, "-o", "run", cwd=home)
            call("cv", "a.npz", *texture, "-o", "texture", cwd=home)
            call("cv", "--fuse", "run", "texture", "-o", "fused", cwd=home)
        self.pack = (home / "a.npz").read_bytes()
        with np.load(home / "a.npz") as members:
            self.members = dict(members)
        self.runs = {
            name: [path for path in sorted((home / name).rglob("*")) if path.is_file() and path.stat().st_size]
            for name in ("run", "texture", "fused")
        }
        self.pictures = list(pictures())
        self.table = "clip,subject,emotion,onset,apex,offset,frames\n" + "".join(
            f"c{n},p{n % 3},fear,{n},{n + 2},{n + 5},frames/c{n}\n" for n in range(6)
        )
        for n in range(6):
            (home / f"frames/c{n}").mkdir(parents=True)
            for frame in range(n, n + 6):
                (home / f"frames/c{n}/{frame:03}.png").write_bytes(self.pictures[0])


def pictures():
    import cv2

    image = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)
    for suffix in (".png", ".jpg", ".bmp", ".tiff", ".webp"):
        yield cv2.imencode(suffix, image)[1].tobytes()


def damaged_bytes(chance, data):
    """Bytes flipped, cut, repeated, removed or replaced."""
    data = bytearray(data)
    kind = chance.randrange(6)
    place = chance.randrange(len(data))
    if kind == 0:
        for _ in range(chance.choice((1, 1, 4, 64))):
            data[chance.randrange(len(data))] = chance.randrange(256)
    elif kind == 1:
        del data[place:]
    elif kind == 2:
        del data[place : place + chance.choice((1, 4, 100))]
    elif kind == 3:
        data[place:place] = data[: chance.choice((1, 4, 100))]
    elif kind == 4:
        data[place : place + 8] = struct.pack("<q", chance.choice((0, -1, 2**31, 2**62)))
    else:
        data[place:place] = chance.choice(WORDS).encode("utf-8", "surrogatepass")
    return bytes(data)


def damaged_json(chance, value):
    """One place of a JSON value replaced, removed or renamed."""
    if isinstance(value, dict) and value and chance.random() < 0.85:
        key = chance.choice(list(value))
        changed = dict(value)
        what = chance.randrange(10)
        if what == 0:
            del changed[key]
        elif what == 1:
            changed[chance.choice(WORDS)] = changed.pop(key)
        else:
            changed[key] = damaged_json(chance, value[key])
        return changed
    if isinstance(value, list) and value and chance.random() < 0.8:
        place = chance.randrange(len(value))
        changed = damaged_json(chance, value[place])
        return [*value[:place], changed, *value[place + chance.randrange(2) :]]
    return chance.choice((*WORDS, *NUMBERS, [], {}, [[]], {"a": {}}, [value] * 3, float("nan"), float("inf")))


def damaged_pack(chance, members):
    """One member of another shape, dtype or content, written as NumPy writes it."""
    members = dict(members)
    name = chance.choice(list(members))
    array = members[name]
    what = chance.randrange(9)
    if what == 0:
        del members[name]
    elif what == 1:
        members[name] = np.array(chance.choice((0, "x", 1.5, b"x", np.nan)))
    elif what == 2:
        members[name] = array[: chance.randrange(len(array))] if array.ndim else array.reshape(1)
    elif what == 3 and array.ndim:
        members[name] = array[(slice(None),) * chance.randrange(array.ndim) + (slice(0),)]
    elif what == 4:
        members[name] = np.zeros(array.shape, chance.choice(("f4", "f8", "u1", "i8", "U3", "S3", ">U2")))
    elif what == 5:
        members[name] = np.array([{}], object)
    elif what == 6 and array.dtype.kind == "f":
        members[name] = array.copy()
        members[name].flat[chance.randrange(array.size)] = chance.choice((np.inf, -np.inf, 1e30, 40_000, -1e9))
    elif what == 7 and array.dtype.kind == "U" and array.ndim:
        texts = [*map(str, array)]
        texts[chance.randrange(len(texts))] = chance.choice(WORDS)
        members[name] = np.array(texts)
    else:
        meta = damaged_json(chance, json.loads(str(members["meta"])))
        members["meta"] = np.array(json.dumps(meta))
    stream = io.BytesIO()
    with (
        zipfile.ZipFile(stream, "w", chance.choice((0, 0, 0, zipfile.ZIP_DEFLATED))) as archive,
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        for key, value in members.items():
            with archive.open(f"{key}.npy", "w") as member:
                np.lib.format.write_array(member, np.asarray(value), allow_pickle=True)
    return stream.getvalue()


def pack_case(chance, good, folder):
    data = damaged_bytes(chance, good.pack) if chance.random() < 0.4 else damaged_pack(chance, good.members)
    (folder / "a.npz").write_bytes(data)
    return chance.choice(
        (
            ["cv", "a.npz", "--classes", "all", "--plan", "--folds", "2", "-o", "new"],
            ["cv", "a.npz", "--classes", "all", "--roi", "--show-input", "x.png"],
            ["predict", str(good.home / "run"), "a.npz"],
            ["predict", str(good.home / "texture"), "a.npz"],
        )
    )


def run_case(chance, good, folder):
    name = chance.choice(list(good.runs))
    for run in good.runs:
        shutil.copytree(good.home / run, folder / run)
    shutil.copy(good.home / "a.npz", folder)
    path = folder / chance.choice(good.runs[name]).relative_to(good.home)
    what = chance.random()
    if what < 0.5 and path.suffix == ".json":
        path.write_text(json.dumps(damaged_json(chance, json.loads(path.read_text()))))
    elif what < 0.9:
        path.write_bytes(damaged_bytes(chance, path.read_bytes()))
    else:
        path.unlink()
        special = chance.choice(("zero", "fifo", "folder", "loop"))
        make_special(folder / special)
        path.symlink_to(folder / special)
    formats = [["--format", kind] for kind in ("text", "md", "latex", "csv", "json", "html", "megc")]
    return chance.choice(
        (
            *(["report", name, *words] for words in formats),
            ["report", "--audit", name],
            ["report", name, "--command"],
            ["predict", name, "a.npz"],
            ["cv", "-o", name, "--resume"],
        )
    )


def checkpoint_case(chance, good, folder):
    shutil.copytree(good.home / "run", folder / "run")
    path = folder / "run" / "fold_0" / "final.pt"
    path.write_bytes(damaged_bytes(chance, path.read_bytes()))
    pack = str(good.home / "a.npz")
    init = ["cv", pack, "--classes", "all", "--init", str(path), "--plan", "--folds", "2", "-o", "new"]
    return chance.choice((["predict", "run", pack], init))


def table_case(chance, good, folder):
    (folder / "frames").symlink_to(good.home / "frames")
    rows = [line.split(",") for line in good.table.splitlines()]
    for _ in range(chance.choice((1, 1, 2, 5))):
        what, row = chance.randrange(6), chance.randrange(len(rows))
        if what == 0 and rows[row]:
            rows[row][chance.randrange(len(rows[row]))] = str(chance.choice((*WORDS, *NUMBERS)))
        elif what == 1:
            rows[row] = rows[row][: chance.randrange(len(rows[row]) + 1)]
        elif what == 2:
            rows.insert(row, list(rows[row]))
        elif what == 3:
            rows[row].append(str(chance.choice(WORDS)))
        elif what == 4:
            chance.shuffle(rows[row])
    data = "\n".join(",".join(row) for row in rows).encode("utf-8", "surrogatepass")
    (folder / "m.csv").write_bytes(damaged_bytes(chance, data) if chance.random() < 0.3 else data)
    return ["extract", "m.csv", "--verify"]


def picture_case(chance, good, folder):
    (folder / "picture").write_bytes(damaged_bytes(chance, chance.choice(good.pictures)))
    return ["picture"]


def landmark_case(chance, good, folder):
    from mertool.extraction.faces import find_landmark_model

    with find_landmark_model().open("rb") as stream:
        head = stream.read(2**16)
    (folder / "model.dat").write_bytes(damaged_bytes(chance, head))
    return ["landmarks"]


def make_special(path):
    """What is no regular file, at `path`: devices of our own, since a fault would replace those of the machine."""
    if path.name == "fifo":
        os.mkfifo(path)
    elif path.name == "loop":
        path.symlink_to(path.name)
    elif path.name == "folder":
        path.mkdir()
    else:
        minor = {"null": 3, "zero": 5, "full": 7}[path.name]
        try:
            os.mknod(path, 0o666 | stat.S_IFCHR, os.makedev(1, minor))
        except PermissionError:  # only root may
            path.symlink_to("nowhere/at/all")


def path_case(chance, good, folder):
    """Names that the system allows and nobody expects, for what is read and what is written."""
    names = ["a b", "é", "-x", "a\nb", "a\x1b[31mb", "\udcff", "x" * 255, "=1+1", "%s", "{0}", "$(id)", "'", '"']
    name = chance.choice(names)
    data = os.fsencode(name) if len(name) < 250 else os.fsencode(name[:250])
    target = folder / os.fsdecode(data)
    kind = chance.randrange(5)
    if kind == 0:
        shutil.copytree(good.home / "run", target)
        shutil.copy(good.home / "a.npz", folder)
        return ["report", "--format", chance.choice(("text", "csv", "json", "html", "latex")), "--", os.fsdecode(data)]
    if kind == 1:
        pack = target.with_name(target.name + ".npz") if len(data) < 240 else target
        shutil.copy(good.home / "a.npz", pack)
        return ["cv", "--classes", "all", "--plan", "--folds", "2", "-o", "new", "--", pack.name]
    if kind == 2:
        return ["predict", str(good.home / "run"), str(good.home / "a.npz"), "-o", f"./{target.name}"]
    if kind == 3:
        special = chance.choice(("null", "full", "fifo", "loop", "folder"))
        make_special(folder / special)
        return ["predict", str(good.home / "run"), str(good.home / "a.npz"), "-o", special]
    return [chance.choice(("cv", "train", "report", "predict", "extract")), "--", os.fsdecode(data)]


KINDS = {
    "packs": pack_case,
    "run folders": run_case,
    "checkpoints": checkpoint_case,
    "tables": table_case,
    "pictures": picture_case,
    "landmark models": landmark_case,
    "paths": path_case,
}


def execute(words):
    """Run a case in this process: its exit code, and what it wrote to stdout and stderr."""
    if words in (["picture"], ["landmarks"]):
        from mertool.errors import MertoolError
        from mertool.extraction.faces import FaceFinder
        from mertool.extraction.image_files import read_picture

        try:
            read_picture(Path("picture")) if words == ["picture"] else FaceFinder(Path("model.dat"))
        except MertoolError as error:
            return 1, "", f"Error: {error}\n"
        return 0, "", ""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        done = CliRunner().invoke(mertool, words)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        import traceback

        trace = "".join(traceback.format_exception(done.exception)[-4:])
        return -1, "", f"Traceback {type(done.exception).__name__}: {done.exception}\n{trace}"
    return done.exit_code, done.stdout, done.stderr


def complaint(code, out, err):
    """What is wrong with the answer of a case; "" where nothing is."""
    if code not in (0, 1, 2):
        return f"exit {code}: {err[:1500]}"
    failures = [line for line in err.splitlines() if not line.startswith(("mertool: ", "Usage: ", "Try "))]
    failures = [line for line in failures if line.strip()]
    if code and not failures and not out.strip():
        return "failed without a word"
    if code and len(failures) > 1:
        return f"more than one line: {failures[:4]}"
    if any(len(line) > LONGEST + 20 for line in err.splitlines()):
        return f"a message of {max(map(len, err.splitlines()))} characters: {err[:200]}"
    control = [c for c in err + out if unicodedata.category(c) in ("Cc", "Cs") and c not in "\n\t"]
    if control and not re.search(r"<html", out):
        return f"control characters {sorted(set(control))!r}: {(err or out)[:200]!r}"
    if "allow_pickle" in err or "Warning" in err:
        return f"NumPy's or Python's own words: {err[:300]}"
    return ""


def child(kind, seed, good, folder, pipe):
    """What the process of one case does; never returns."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
    signal.alarm(SECONDS)
    chance = random.Random(f"{kind} {seed}")
    np.random.seed(0)
    words = KINDS[kind](chance, good, folder)
    os.chdir(folder)
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    with pytest.MonkeyPatch.context() as patch:
        in_this_process(patch)
        special = {path: stat.S_IFMT(path.lstat().st_mode) for path in folder.iterdir() if not path.is_file()}
        answer = execute(words)
    wrong = complaint(*answer)
    for path, mode in special.items():
        if not os.path.lexists(path) or stat.S_IFMT(path.lstat().st_mode) != mode:
            wrong = wrong or f"{path.name} was replaced"
    os.write(pipe, json.dumps([words, answer[0], wrong]).encode())


def one(kind, seed, good, home):
    """Run one case: the words of its command, its exit code and what is wrong with it."""
    folder = Path(tempfile.mkdtemp(dir=home))
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 70
        try:
            os.close(reader)
            child(kind, seed, good, folder, writer)
            code = 0
        except BaseException as error:
            with contextlib.suppress(BaseException):
                os.write(writer, json.dumps([[], -2, f"the case itself: {error!r}"]).encode())
        finally:
            os._exit(code)
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        data = stream.read()
    _, status = os.waitpid(pid, 0)
    for path in [folder, *folder.rglob("*")]:
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o755)
    shutil.rmtree(folder, ignore_errors=True)
    if data:
        return json.loads(data)
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGALRM:
        return [], -3, f"no end within {SECONDS} s"
    return [], -4, f"crashed: {status}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=20_000, help="of all kinds together")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="number of the first case of each kind")
    parser.add_argument("--seconds", type=float, default=3600, help="begin no case after this")
    parser.add_argument("--only", choices=KINDS)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    given = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    begun, kinds = time.monotonic(), [given.only] if given.only else list(KINDS)
    failures = []
    with tempfile.TemporaryDirectory() as home:
        good = Material(Path(home))

        def work(case):
            kind, number = case
            if time.monotonic() - begun > given.seconds:
                return kind, number, None
            return kind, number, one(kind, f"{given.seed} {number}", good, home)

        each = -(-given.cases // len(kinds))
        cases = [(kind, given.first + number) for kind in kinds for number in range(each)]
        counts = {kind: Counter() for kind in kinds}
        with ThreadPoolExecutor(given.jobs) as pool:
            for kind, number, answer in pool.map(work, cases):
                if answer is None:
                    counts[kind]["not begun"] += 1
                    continue
                words, code, wrong = answer
                counts[kind]["failure" if wrong else "result" if code == 0 else "refusal"] += 1
                if wrong:
                    failures.append((kind, number, words, wrong))
                    print(f"{kind} {number}: {words}: {wrong}", file=sys.stderr, flush=True)
    print("kind              cases  results  refusals  failures  not begun")
    for kind, count in counts.items():
        done = count["result"] + count["refusal"] + count["failure"]
        numbers = (done, count["result"], count["refusal"], count["failure"], count["not begun"])
        print(f"{kind:16}" + "".join(f"{number:9}" for number in numbers))
    print(f"{time.monotonic() - begun:.0f} s")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
