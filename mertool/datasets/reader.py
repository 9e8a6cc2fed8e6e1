"""What the module of a data set must offer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .annotations import Annotations
from .corrections import CORRECTIONS
from .survey import Survey

__all__ = ["Reader", "TableDescription"]


@dataclass(frozen=True, slots=True)
class TableDescription:
    """An annotation table, for people to read.

    Attributes:
        name: File name as released.
        columns: Column and a made-up example of its cell.
        remark: What else there is to know, in a sentence or two.
    """

    name: str
    columns: tuple[tuple[str, str], ...]
    remark: str = ""

    def lines(self) -> list[str]:
        """The table as text, for a terminal."""
        width = max(len(name) for name, _ in self.columns)
        lines = [f"{self.name}: column, and an example (made up)"]
        lines += [f"  {name:{width}}  {example}" for name, example in self.columns]
        if self.remark:
            lines.append(self.remark)
        return lines


@dataclass(frozen=True, slots=True)
class Reader:
    """A data set's reader.

    Attributes:
        name: What `--dataset` takes.
        title: The data set's own name.
        tree: Its folders and files on disk, for people to read.
        tables: Its annotation tables.
        named: Lower-case texts, one of which is in the name of such a table.
        detect: What in a folder shows this data set, in words; None if nothing does.
        read: The clips of a folder, or of one of `parts`.
        parts: Parts that `--dataset` may name instead.
        datasets: The `dataset` of its clips.
        remark: What else there is to know, in a few sentences.
    """

    name: str
    title: str
    tree: str
    tables: tuple[TableDescription, ...]
    named: tuple[str, ...]
    detect: Callable[[Survey], str | None]
    read: Callable[[Survey, str | None], Annotations]
    datasets: tuple[str, ...]
    parts: tuple[str, ...] = ()
    remark: str = ""

    def detect_table(self, survey: Survey) -> str | None:
        """The first table that is named as this data set's, in words; None if there is none."""
        for path in survey.tables:
            if any(text in path.name.lower() for text in self.named):
                return f"the table {survey.shown(path)}"
        return None

    def describe(self) -> str:
        """The folders and columns that `read` looks for, for a terminal."""
        lines = [f"{self.title} (--dataset {self.name})", "", *self.tree.strip("\n").splitlines()]
        for table in self.tables:
            lines += ["", *table.lines()]
        if self.remark:
            lines += ["", self.remark]
        if self.parts:
            lines += ["", f"Parts: {', '.join(f'--dataset {part}' for part in self.parts)}"]
        columns = {name for table in self.tables for name, _ in table.columns}
        known = [entry for entry in CORRECTIONS if entry.dataset in self.datasets and entry.column in columns]
        if known:
            lines += ["", "Known faults of the published table, corrected where they are met:"]
            lines += [
                f"  {c.subject} {c.clip}: {c.column} {c.published!r} is read as {c.used or 'empty'} ({c.reason})"
                for c in known
            ]
        lines += [
            "",
            "Image root, table and doubled folders may lie at any depth; names compare whatever their padding.",
        ]
        return "\n".join(lines)
