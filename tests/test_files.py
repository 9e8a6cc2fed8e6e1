"""Atomic files and locks, with real processes and a real full disk."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
import textwrap
import threading

import numpy as np
import pytest

from mertool.errors import DataError, FileError
from mertool.files import (
    atomic_file,
    check_writable,
    file_lock,
    make_folder,
    open_regular,
    read_arrays,
    read_json,
    refuse_links,
    write_arrays,
    write_json,
    write_text,
)


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
        patch.setattr("os.open", refuse)
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


def test_a_link_stays_and_what_it_leads_to_is_written(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "a.txt").write_text("old")
    (tmp_path / "link").symlink_to("there/a.txt")
    (tmp_path / "dangling").symlink_to("there/b.txt")
    for name, target in (("link", "a.txt"), ("dangling", "b.txt")):
        write_text(tmp_path / name, "new")
        assert (tmp_path / name).is_symlink()
        assert (tmp_path / "there" / target).read_text() == "new"
    assert sorted(path.name for path in (tmp_path / "there").iterdir()) == ["a.txt", "b.txt"]


@pytest.mark.parametrize("write", [lambda path: write_text(path, "x"), check_writable], ids=["write", "check"])
def test_a_link_to_itself_is_one_line(tmp_path, write):
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(FileError, match=r"loop: cannot be written: too many levels of symbolic links$"):
        write(tmp_path / "loop")
    assert (tmp_path / "loop").is_symlink()


def test_a_pipe_with_a_reader_gets_the_text_and_one_without_is_refused(tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    for write in (lambda path: write_text(path, "x"), check_writable):
        with pytest.raises(FileError, match=r"fifo: cannot be written: nothing reads from this pipe$"):
            write(fifo)
    found = []
    reader = threading.Thread(target=lambda: found.append(fifo.read_text()))
    reader.start()
    while not found and reader.is_alive():
        try:
            write_text(fifo, "x" * 200_000)  # more than a pipe holds
            break
        except FileError:
            continue
    reader.join(20)
    assert found == ["x" * 200_000]
    assert stat.S_ISFIFO(fifo.stat().st_mode)
    assert list(tmp_path.iterdir()) == [fifo]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may make devices")
def test_a_device_is_written_into_and_never_replaced(tmp_path):
    null, full = tmp_path / "null", tmp_path / "full"
    for path, minor in ((null, 3), (full, 7)):
        os.mknod(path, 0o666 | stat.S_IFCHR, os.makedev(1, minor))
    check_writable(null)
    write_text(null, "x")
    with pytest.raises(FileError, match=r"full: cannot be written: no space left"):
        write_text(full, "x")
    assert all(stat.S_ISCHR(path.stat().st_mode) for path in (null, full))
    assert sorted(tmp_path.iterdir()) == [full, null]


def test_standard_output_by_its_name_is_written_into(tmp_path):
    code = "from pathlib import Path; from mertool.files import write_text; write_text(Path('/dev/stdout'), 'said')"
    with (tmp_path / "out").open("wb") as out:
        out.write(b"before ")
        out.flush()
        subprocess.run([sys.executable, "-c", code], stdout=out, check=True, timeout=60)
    assert (tmp_path / "out").read_text() == "before said"
    assert start(code).communicate()[0] == "said"


def test_only_regular_files_of_a_sensible_size_are_read(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "zero").symlink_to("/dev/zero")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "large").write_bytes(b"[1234]")
    for name, cause in (
        ("fifo", "expected a file, got a pipe"),
        ("zero", "expected a file, got a device"),
        ("loop", "too many levels of symbolic links"),
        ("none", "no such file or directory"),
        (".", "is a directory"),
    ):
        with pytest.raises(FileError, match=rf"cannot be read: {cause}$"):
            read_json(tmp_path / name)
    with open_regular(tmp_path / "large", 6) as stream:
        assert stream.read() == b"[1234]"
    with pytest.raises(OSError, match=r"has 6 bytes, more than any such file of mertool's"):
        open_regular(tmp_path / "large", 5)


def test_arrays_are_read_as_written_and_never_decompressed(tmp_path):
    path = tmp_path / "a.npz"
    write_arrays(path, {"a": np.arange(3), "b": np.array("x")})
    found = read_arrays(path, 10_000)
    assert {name: array.tolist() for name, array in found.items()} == {"a": [0, 1, 2], "b": "x"}
    np.savez_compressed(path, a=np.zeros(10**7))
    with pytest.raises(ValueError, match=r"a\.npy is compressed"):
        read_arrays(path, 10**9)


def test_links_are_refused_where_a_run_is_written(tmp_path):
    (tmp_path / "fold_1").mkdir()
    refuse_links(tmp_path.iterdir())
    (tmp_path / "fold_0").symlink_to(tmp_path / "fold_1")
    with pytest.raises(FileError, match=r"fold_0: is a link; expected a folder of the run; put the folder itself"):
        refuse_links(tmp_path.iterdir())
    (tmp_path / "fold_0").unlink()
    (tmp_path / "last.pt").symlink_to("nowhere")
    with pytest.raises(FileError, match=r"last\.pt: is a link; expected a file of the run"):
        refuse_links(tmp_path.iterdir())


def test_a_lock_is_never_made_through_a_link(tmp_path):
    (tmp_path / ".lock").symlink_to(tmp_path / "precious")
    with pytest.raises(FileError, match=r"too many levels of symbolic links"), file_lock(tmp_path / ".lock"):
        pass
    assert not (tmp_path / "precious").exists()
