"""What all commands share: how they fail, report progress, and show their help."""

from __future__ import annotations

import difflib
import errno
import io
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from ..errors import DataError, FileError, MertoolError, UsageError
from ..text import abbreviate, is_plain, one_line, os_error_text, printable

if TYPE_CHECKING:
    from ..runs.progress import Watch

__all__ = [
    "Command",
    "Commands",
    "check_png",
    "check_run_name",
    "continued_by",
    "print_out",
    "progress_bar",
    "remark",
    "watch_run",
]

_LONGEST_NAME = 60  # characters of a run's name: reports show it in a column


class Failure(click.ClickException):
    """A MertoolError as click shows it: one line on stderr and its exit code."""

    def __init__(self, error: MertoolError) -> None:
        super().__init__(one_line(str(error)))
        self.exit_code = error.exit_code  # type: ignore[misc]


@contextmanager
def _one_line_errors() -> Iterator[None]:
    """click's own messages quote what was typed: they become one line too."""
    try:
        yield
    except click.exceptions.NoArgsIsHelpError:
        raise
    except click.UsageError as error:
        raise click.UsageError(one_line(error.format_message()), error.ctx) from error


class Terminated(KeyboardInterrupt):
    """SIGTERM, which ends a command as Ctrl-C does: cleaning up behind itself."""


def _terminate(_number: int, _frame: object) -> NoReturn:
    raise Terminated


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


@contextmanager
def continued_by(command: str) -> Iterator[None]:
    """Ctrl-C and SIGTERM inside name the command that continues."""
    try:
        yield
    except KeyboardInterrupt as stop:
        raise type(stop)(f'what is done is kept, "{command}" continues') from stop


class Commands(click.Group):
    """Commands in the order of the work; a MertoolError becomes its line and its exit code."""

    def main(self, *args: Any, **extra: Any) -> Any:
        """Run a command line; names that the terminal cannot print are escaped, which is no reason to fail."""
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="backslashreplace")
        if signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL or not _in_main_thread():
            return super().main(*args, **extra)
        signal.signal(signal.SIGTERM, _terminate)
        try:
            return super().main(*args, **extra)
        finally:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        """The context of a command line."""
        with _one_line_errors():
            return super().make_context(*args, **extra)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that is called, or the nearest one as a suggestion."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            near = difflib.get_close_matches(args[0], list(self.commands), 1)
            if not near or "did you mean" in error.message.lower():
                raise
            raise click.UsageError(f"{error.message.rstrip('.')}; did you mean {near[0]!r}?", error.ctx) from error

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Names in the order they were defined."""
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            Path.cwd()
        except OSError as error:
            raise Failure(FileError("the current folder is gone; change to one that exists")) from error
        try:
            with _one_line_errors():
                return super().invoke(ctx)
        except KeyboardInterrupt as stop:
            click.echo("; ".join(["mertool: stopped", *stop.args]), err=True)
            raise click.exceptions.Exit(
                128 + (signal.SIGTERM if isinstance(stop, Terminated) else signal.SIGINT)
            ) from stop
        except MertoolError as error:
            raise Failure(error) from error
        except MemoryError as error:
            raise Failure(DataError("not enough memory on this machine; try fewer --jobs")) from error
        except ImportError as error:
            if "failed to map" not in str(error) and "allocate" not in str(error):
                raise
            raise Failure(DataError(f"not enough memory to load a library ({error}); allow more: ulimit -v")) from error
        except OSError as error:
            if error.errno == errno.EPIPE:
                raise  # a reader such as head has gone: click ends quietly
            raise Failure(FileError(f"{error.filename or 'mertool'}: {os_error_text(error)}")) from error


class Command(click.Command):
    """A command whose options are shown in named groups, those that users need first on top."""

    def __init__(self, *args: Any, panels: dict[str, tuple[str, ...]] | None = None, **extra: Any) -> None:
        """`panels`: heading -> names of the parameters below it; all others are below "Options"."""
        super().__init__(*args, **extra)
        self._panels = panels or {}

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Refuse two flags that choose different values of one setting: of `--face --roi` click takes the last."""
        flags: dict[str, str] = {}
        for parameter in self.get_params(ctx):
            if isinstance(parameter, click.Option) and isinstance(parameter.flag_value, str):
                for given in set(parameter.opts) & set(args):
                    other = flags.setdefault(parameter.name or "", given)
                    if other != given:
                        raise UsageError(f"{other}: contradicts {given}; leave one of them out")
        return super().parse_args(ctx, args)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the groups."""
        records: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx) if isinstance(parameter, click.Option) else None
            if record is not None:
                records.setdefault(parameter.name or "", []).append(record)
        told = {name for names in self._panels.values() for name in names}
        others = tuple(name for name in records if name not in told)
        for heading, names in {**self._panels, "Options": others}.items():
            rows = [record for name in names for record in records.get(name, [])]
            if rows:
                with formatter.section(heading):
                    formatter.write_dl(rows)


def _has_bar(quiet: bool) -> bool:
    """Whether a bar can be drawn on stderr: a terminal that moves its cursor, without --quiet."""
    return not quiet and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


@contextmanager
def progress_bar(label: str, quiet: bool, unit: str) -> Iterator[Callable[..., None]]:
    """A bar on stderr with the time left; silent with --quiet or where no bar can be drawn.

    Gives a function of steps done, steps in all and, optionally, what is being done; the latter begins with the `unit`
    of a step, which is shown alone otherwise.
    """
    if not _has_bar(quiet):
        yield lambda _done, _total, _doing="": None
        return
    with click.progressbar(
        length=1, label=label, file=sys.stderr, show_eta=True, show_pos=True, item_show_func=lambda doing: doing
    ) as bar:

        def advance(done: int, total: int, doing: str = unit) -> None:
            bar.length = total
            bar.update(done - bar.pos, doing)

        yield advance


@contextmanager
def watch_run(label: str, quiet: bool) -> Iterator[Watch]:
    """A bar, or in a log a line for each finished fold."""
    from ..runs.progress import Watch

    with progress_bar(label, quiet, "") as progress:
        if _has_bar(quiet):
            yield Watch(progress)
        else:
            yield Watch(fold_done=lambda line: remark(line, quiet))


def remark(text: str, quiet: bool) -> None:
    """Say something on stderr, unless --quiet."""
    if not quiet:
        click.echo(f"mertool: {one_line(text)}", err=True)


def print_out(text: str) -> None:
    """Print a result to standard output, where nothing in it drives a terminal."""
    click.echo(printable(text.rstrip("\n")))


def check_run_name(name: str) -> None:
    """Refuse a name that could be no folder's."""
    if "/" in name or name.startswith((".", "-")) or not is_plain(name) or len(name) > _LONGEST_NAME:
        raise UsageError(
            f"--name: expected up to {_LONGEST_NAME} characters without / that do not begin with a dot or a dash, "
            f"got {abbreviate(name)}"
        )


def check_png(path: Path | None) -> None:
    """Refuse a picture whose name says another format."""
    if path is not None and path.suffix.lower() != ".png":
        raise UsageError(f"{path}: a picture's name ends in .png")
