"""Atomic files and locks, with real processes and a real full disk."""

from __future__ import annotations

import errno
import subprocess
import sys
import textwrap

import pytest

from mertool.errors import DataError, FileError
from mertool.files import atomic_file, check_writable, file_lock, make_folder, read_json, write_json, write_text


def start(code, *arguments):
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)], stdout=subprocess.PIPE, text=True
    )


def test_a_failure_keeps_the_old_file_and_leaves_no_other(tmp_path):
    path = tmp_path / "a.txt"
    write_text(path, "old")
    with pytest.raises(RuntimeError), atomic_file(path) as stream:
        stream.write(b"half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_killed_writer_leaves_the_old_file_and_the_next_writer_sweeps(tmp_path):
    path = tmp_path / "a b é.txt"
    write_text(path, "old")
    code = """
        import sys, time
        from pathlib import Path
        from mertool.files import atomic_file
        with atomic_file(Path(sys.argv[1])) as stream:
            stream.write(b"half"); stream.flush()
            print("ready", flush=True)
            time.sleep(60)
    """
    process = start(code, path)
    assert process.stdout.readline() == "ready\n"
    assert len(list(tmp_path.iterdir())) == 2
    write_text(path, "newer")  # the other is alive: its file is left alone
    assert len(list(tmp_path.iterdir())) == 2
    process.kill()
    process.communicate()
    assert path.read_text() == "newer"
    write_text(path, "newest")
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_unwritable_places_are_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError, match=r"file/a.txt: cannot be written: not a directory"):
        write_text(tmp_path / "file" / "a.txt", "x")
    with pytest.raises(FileError, match=r"none/a.txt: cannot be written: no such file or directory"):
        write_text(tmp_path / "none" / "a.txt", "x")
    with pytest.raises(FileError, match=r"cannot make this folder: not a directory"):
        make_folder(tmp_path / "file" / "folder")


def test_only_who_would_write_is_told_to_choose_another_place(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr("pathlib.Path.read_text", refuse)
        with pytest.raises(FileError, match=r"a.json: cannot be read: permission denied$"):
            read_json(tmp_path / "a.json")
    with monkeypatch.context() as patch:
        patch.setattr("tempfile.mkstemp", refuse)
        for write in (lambda path: write_text(path, "x"), check_writable):
            with pytest.raises(
                FileError, match=r"cannot be written: permission denied; choose a place that you may write to$"
            ):
                write(tmp_path / "a.txt")


def test_a_folder_is_no_place_for_a_file(tmp_path):
    with pytest.raises(FileError, match=r"cannot be written: is a directory"):
        check_writable(tmp_path)


def test_json_round_trip_and_refusals(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, {"é": [1, 2.5, None]})
    assert read_json(path) == {"é": [1, 2.5, None]}
    with pytest.raises(ValueError, match="Out of range"):
        write_json(path, float("nan"))
    assert read_json(path) == {"é": [1, 2.5, None]}
    path.write_text("{")
    with pytest.raises(DataError, match="not a JSON file"):
        read_json(path)
    with pytest.raises(FileError, match="cannot be read: no such file"):
        read_json(tmp_path / "none.json")


def test_a_lock_is_seen_by_others_and_vanishes_with_its_process(tmp_path):
    path = tmp_path / ".lock"
    code = """
        import sys, time
        from pathlib import Path
        from mertool.files import file_lock
        with file_lock(Path(sys.argv[1])):
            print("ready", flush=True)
            time.sleep(60)
    """
    process = start(code, path)
    assert process.stdout.readline() == "ready\n"
    with pytest.raises(FileError, match="somebody is there"), file_lock(path, "somebody is there"):
        pass
    process.kill()
    process.communicate()
    with file_lock(path, "somebody is there"):
        pass
