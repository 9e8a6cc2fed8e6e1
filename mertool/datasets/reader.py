"""What a module of a data set must offer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .annotations import Annotations
from .corrections import CORRECTIONS
from .survey import Survey

__all__ = ["Reader", "Table"]


@dataclass(frozen=True, slots=True)
class Table:
    """An annotation table, for people to read.

    Attributes:
        name: File name as released.
        columns: Column and a made-up example of its cell.
        remark: What else there is to know, in a sentence or two.
    """

    name: str
    columns: tuple[tuple[str, str], ...]
    remark: str = ""


@dataclass(frozen=True, slots=True)
class Reader:
    """A data set's reader.

    Attributes:
        name: What `--dataset` takes.
        title: The data set's own name.
        tree: How it lies on disk, for people to read.
        tables: Its annotation tables.
        named: Lower-case texts of which the name of such a table holds one.
        clue: What in a folder shows this data set, in words; None where nothing does.
        read: The clips of a folder, or of one of `parts`.
        parts: Parts that `--dataset` may name instead.
        datasets: The `dataset` of its clips.
        remark: What else there is to know, in a few sentences.
    """

    name: str
    title: str
    tree: str
    tables: tuple[Table, ...]
    named: tuple[str, ...]
    clue: Callable[[Survey], str | None]
    read: Callable[[Survey, str | None], Annotations]
    datasets: tuple[str, ...]
    parts: tuple[str, ...] = ()
    remark: str = ""

    def detect_table(self, seen: Survey) -> str | None:
        """A table with a name of this data set's, in words; None where there is none."""
        found = [path for path in seen.tables if any(text in path.name.lower() for text in self.named)]
        return f"the table {seen.shown(found[0])}" if found else None

    def describe(self) -> str:
        """The layout that `read` looks for, for a terminal."""
        lines = [f"{self.title} (--dataset {self.name})", "", *self.tree.strip("\n").splitlines()]
        for table in self.tables:
            width = max(len(name) for name, _ in table.columns)
            lines += ["", f"{table.name}: column, and an example (made up)"]
            lines += [f"  {name:{width}}  {example}" for name, example in table.columns]
            lines += [table.remark] if table.remark else []
        lines += ["", self.remark] if self.remark else []
        lines += ["", f"Parts: {', '.join(f'--dataset {part}' for part in self.parts)}"] if self.parts else []
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
