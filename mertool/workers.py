"""Worker processes that never outlive their parent, and how many of them make sense on this machine."""

from __future__ import annotations

import contextlib
import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from .errors import DataError, FileError, MertoolError
from .text import os_error_text

__all__ = ["available_cores", "memory", "no_interrupts", "run_each", "worker_pool"]


def available_cores() -> int:
    """Cores that this process may really use: affinity, control group and Slurm's share, at least 1."""
    limits = [len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1]
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="ascii").split()
        if quota != "max":
            limits.append(int(quota) // int(period))
    except (OSError, ValueError):
        pass  # No version 2 control group here.
    share = os.environ.get("SLURM_CPUS_PER_TASK", "")
    if share.isdigit():
        limits.append(int(share))
    return max(1, min(limits))


def memory() -> tuple[int, int] | None:
    """Bytes of memory that are free for programs, and in all; None where the system does not say it as Linux does."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        sizes = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines}
        return sizes["MemAvailable"], sizes["MemTotal"]
    except (OSError, KeyError, ValueError):
        return None


def worker_pool(
    jobs: int, initializer: Callable[..., None] | None = None, initargs: tuple[Any, ...] = ()
) -> ProcessPoolExecutor:
    """A pool of `jobs` freshly started processes that die with this one, even on SIGKILL, and leave Ctrl-C to it.

    Raises:
        FileError: This machine gives no memory that processes share.
    """
    try:
        return ProcessPoolExecutor(
            jobs,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_start_worker,
            initargs=(initializer, initargs),
        )
    except OSError as error:
        raise FileError(
            f"/dev/shm: cannot be used by worker processes: {os_error_text(error)}; let it be mounted writable"
        ) from error


def run_each(
    function: Callable[..., None],
    arguments: Sequence[tuple[Any, ...]],
    jobs: int,
    tick: Callable[[], None],
    interval_s: float = 0.5,
) -> None:
    """Call `function(*arguments[k])` for every k, each in a process of its own, `jobs` at once.

    The processes die with this one, even on SIGKILL. The first failure ends the others.

    Args:
        function: A module-level function.
        arguments: Its arguments, one tuple per process.
        jobs: Processes at once.
        tick: Called every `interval_s` seconds and once at the end.
        interval_s: See `tick`.

    Raises:
        MertoolError: What the first failing process raised.
        DataError: A process was killed from outside.
    """
    context = multiprocessing.get_context("spawn")
    todo = list(reversed(arguments))
    running: dict[Connection[Any, Any], Any] = {}
    started = []
    try:
        while todo or running:
            while todo and len(running) < jobs:
                receiver, sender = context.Pipe(duplex=False)
                process = context.Process(target=_call, args=(sender, function, todo.pop()))
                started.append(process)  # before it starts: a signal may end this function at any moment
                with no_interrupts():
                    process.start()
                sender.close()
                running[receiver] = process
            for receiver in _ready(running, interval_s):
                process = running.pop(receiver)
                try:
                    failure = receiver.recv()
                except EOFError:
                    failure = None  # it ended without a message
                process.join()
                if failure is not None:
                    kind, message = failure
                    raise kind(message)
                if process.exitcode != 0:
                    raise DataError(_how_it_ended(process.exitcode))
            tick()
    finally:
        for process in started:
            if process.pid is not None:
                process.kill()
                process.join()


@contextlib.contextmanager
def no_interrupts() -> Iterator[None]:
    """Processes started inside ignore Ctrl-C from their first instruction on: ending them is the parent's business."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _ready(connections: Iterable[Connection[Any, Any]], timeout_s: float) -> list[Connection[Any, Any]]:
    found = multiprocessing.connection.wait(list(connections), timeout_s)
    return [connection for connection in connections if connection in found]


def _how_it_ended(exitcode: int | None) -> str:
    if exitcode == -signal.SIGBUS:
        return "a worker process was ended by SIGBUS: a pack was cut short while it was read; copy it again"
    if exitcode is not None and exitcode < 0:
        name = signal.Signals(-exitcode).name
        return f"a worker process was ended by {name}; SIGKILL often means lack of memory: try fewer --jobs"
    return f"a worker process failed (exit code {exitcode}); its own message is above"


def _call(sender: Any, function: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    _start_worker(None, ())
    try:
        function(*arguments)
    except MertoolError as error:
        kind = next(kind for kind in type(error).__mro__ if kind.__module__ == MertoolError.__module__)  # a public one
        sender.send((kind, str(error)))
    except (MemoryError, RuntimeError) as error:  # torch says it with a RuntimeError
        if isinstance(error, RuntimeError) and "memory" not in str(error):
            raise
        sender.send(
            (DataError, "not enough memory; try fewer --jobs, or for a network a smaller --batch-size or --width")
        )
    else:
        sender.send(None)


def _start_worker(initializer: Callable[..., None] | None, initargs: tuple[Any, ...]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    if initializer is not None:
        initializer(*initargs)


def _exit_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)
