"""`mertool report`: results of finished runs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import click

from ..errors import MertoolError, UsageError
from ..text import one_line, strip_control_chars
from .console import Command, check_png, print_out, progress_bar, remark
from .options import PATH, quiet_option

__all__ = ["report"]


@click.command(cls=Command)
@click.argument("arguments", nargs=-1, type=click.Path(), metavar="[[NAME=]RUN]...")
@click.option(
    "--format",
    "output_format",
    type=click.Choice(["text", "md", "latex", "csv", "json", "html", "megc"]),
    default="text",
    show_default=True,
    help="latex: one or two tables for a paper; csv: one line per run; html: one file with charts, pictures and "
    "audit; megc: the log of MEGC2019 for one run.",
)
@click.option(
    "-o",
    "--output",
    type=PATH,
    help="Folder for the report.  [default: standard output; html: report.html in the working folder]",
)
@click.option(
    "--faces",
    is_flag=True,
    help="With html: show pictures of the recordings, faces included. The licences of SAMM, CASME II and others "
    "restrict publishing these. Without it, maps are drawn over a line drawing.",
)
@click.option(
    "--tables",
    type=click.Choice(["paper"]),
    help="paper: the paper's Tables 5 and 6, filled with these runs, beside the paper's own figures.",
)
@click.option("--list", "list_runs", is_flag=True, help="List runs with their state and size, unfinished ones too.")
@click.option("--command", "command_line", is_flag=True, help="Print the command that reproduces each run.")
@click.option("--audit", is_flag=True, help="Check runs for leaks and later changes; exit with 1 if a check fails.")
@click.option("--maps", type=PATH, help="Also draw the attention maps of one run to this .png file (needs its pack).")
@quiet_option
def report(
    arguments: tuple[str, ...],
    output_format: str,
    output: Path | None,
    faces: bool,
    tables: str | None,
    list_runs: bool,
    command_line: bool,
    audit: bool,
    maps: Path | None,
    quiet: bool,
) -> None:
    """Print the results of finished runs: accuracies with intervals, baselines, confusion matrices and comparisons.

    Each RUN is a folder of 'mertool cv', called NAME in the report; without any, the newest finished one below ./runs
    is reported.

    \b
    Example:
      mertool report runs/* --format md > results.md
      mertool report "no ABN"=runs/SAMM-roi-3f ABN=runs/SAMM-roi-3f-abn --format latex
      mertool report runs/* --format html -o report
      mertool report runs/* --tables paper
      mertool report --audit runs/SAMM-roi-3f-abn
    """
    given = {
        "--list": list_runs,
        "--command": command_line,
        "--audit": audit,
        "--tables": tables is not None,
        "--maps": maps is not None,
        "--faces": faces,
        "-o": output is not None,
        f"--format {output_format}": output_format != "text",
    }
    _refuse_unfit(given, len(arguments))
    check_png(maps)
    named = list(map(_named, arguments))
    if list_runs:
        _list([folder for folder, _ in named], output_format, quiet)
        return
    if not named:
        from ..runs.finished import find_newest_run

        named = [(find_newest_run(Path()), "")]
        remark(f"report of {named[0][0]}", quiet)
    if command_line:
        _print_commands([folder for folder, _ in named], quiet)
    elif audit:
        _audit([folder for folder, _ in named], output_format, quiet)
    else:
        _report(named, output_format, output, tables, faces, maps, quiet)


def _refuse_unfit(given: dict[str, bool], n_runs: int) -> None:
    """Refuse options that do not go together.

    Args:
        given: Each option, with its value where that matters, and whether it is there.
        n_runs: How many runs are named.
    """

    def alone(option: str, does: str, *beside: str) -> None:
        unfit = [other for other, there in given.items() if there and other not in (option, *beside)]
        if given[option] and unfit:
            raise UsageError(f"{option}: {does}; leave out {', '.join(unfit)}")

    alone("--command", "prints a command and nothing else")
    alone("--list", "lists runs as text, md or csv and nothing else", "--format md", "--format csv")
    alone("--audit", "prints text or json and nothing else", "--format json")
    formats = [f"--format {name}" for name in ("text", "md", "latex", "csv", "json", "html")]
    alone("--tables", "prints tables", "-o", "--faces", *formats)
    if given["--faces"] and not given.get("--format html"):
        raise UsageError("--faces: only works with --format html")
    for option in ("--maps", "--format megc"):
        if given.get(option) and n_runs > 1:
            raise UsageError(f"{option}: takes one run, got {n_runs}")


def _list(folders: Sequence[Path], output_format: str, quiet: bool) -> None:
    from ..report.listing import render_list

    listed, problems = render_list(folders, output_format)
    print_out(listed)
    for problem in problems:
        remark(problem, quiet)


def _named(argument: str) -> tuple[Path, str]:
    """The folder of an argument `RUN` or `NAME=RUN`, and its name; "" where none is given."""
    name, equals, folder = argument.partition("=")
    if not equals or "/" in name or Path(argument).exists():  # a folder with = in its name
        return Path(argument), ""
    if not name or not folder:
        raise UsageError(f"{argument}: expected NAME=RUN, such as ABN=runs/SAMM-roi-3f-abn")
    return Path(folder), name


def _report(
    named: Sequence[tuple[Path, str]],
    output_format: str,
    output: Path | None,
    tables: str | None,
    faces: bool,
    maps: Path | None,
    quiet: bool,
) -> None:
    from ..files import check_writable, make_folder, write_text
    from ..report.build import compose, file_name, load_runs, paper_remarks
    from ..report.plain import USUAL_WIDTH, terminal_width

    if output is None and output_format == "html":  # megabytes of pictures; no other rule for pipes than for terminals
        output = Path()
    path = None if output is None else output / file_name(output_format, tables)
    if path is not None:
        make_folder(path.parent)
    for target in (path, maps):
        if target is not None:
            check_writable(target)
    loaded, failures = load_runs([folder for folder, _ in named], partial(remark, quiet=quiet), dict(named))
    _print_failures(failures)
    if not loaded:
        raise SystemExit(1)
    for text in paper_remarks(loaded, output_format) if tables else []:
        remark(text, quiet)
    with progress_bar("report", quiet or output_format != "html", "runs") as progress:
        width = terminal_width() if path is None else USUAL_WIDTH
        text = compose(loaded, output_format, tables, faces, progress, width)
    if path is None:
        if output_format == "json" and not _printable(text):  # JSON has escapes for what the terminal cannot show
            import json

            text = json.dumps(json.loads(text), indent=1)
        print_out(text)
    else:
        write_text(path, text)
        remark(f"report: {path}", quiet)
    if maps is not None:
        from ..report.figures import draw_attention

        draw_attention(named[0][0], maps)
        remark(f"attention maps: {maps}", quiet)
    if failures:
        raise SystemExit(1)


def _printable(text: str) -> bool:
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _print_failures(failures: Sequence[MertoolError]) -> None:
    for failure in failures:
        click.echo(f"Error: {one_line(str(failure))}", err=True)


def _print_commands(runs: list[Path], quiet: bool) -> None:
    from ..report.build import read_each
    from ..runs.config import RunConfig
    from ..runs.reproduce import command_of

    found, failures = read_each(runs, lambda run: command_of(run, RunConfig.read(run)), partial(remark, quiet=quiet))
    for command in found.values():
        print_out(command)
    _print_failures(failures)
    if failures:
        raise SystemExit(1)


def _audit(runs: list[Path], output_format: str, quiet: bool) -> None:
    from ..report.build import read_each
    from ..runs.audit import FAIL, audit_repeats
    from ..runs.checks import check_line

    audited, failures = read_each(runs, audit_repeats, partial(remark, quiet=quiet))
    found = {place: checks for places in audited.values() for place, checks in places.items()}
    if output_format == "json":
        import json

        plain = {name: [check._asdict() for check in checks] for name, checks in found.items()}
        print_out(json.dumps(plain, indent=1, ensure_ascii=False))
    else:
        for name, checks in found.items():
            print_out(strip_control_chars(name))
            for check in checks:
                print_out(check_line(check))
    _print_failures(failures)
    if failures or any(check.verdict == FAIL for checks in found.values() for check in checks):
        raise SystemExit(1)
