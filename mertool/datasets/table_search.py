"""Finding a data set's annotation table among all tables in, below and above its folder."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from ..errors import AnnotationError, FileError
from .frames import absolute, list_files
from .sheets import is_table
from .survey import Survey
from .tables import Records

__all__ = ["FoundTable", "MissingTableError", "TableFormat", "tables_above"]

_LEVELS_ABOVE = 3  # part_A/data/part_A_split/part_A: given the inner folder, the table is above it


class MissingTableError(FileError):
    """There is no annotation table. `other_tables`: those that are there, and that they are none, in words; or ""."""

    def __init__(self, message: str, other_tables: str) -> None:
        super().__init__(message)
        self.other_tables = other_tables


class FoundTable(NamedTuple):
    """An annotation table that was found; `notes` say what of it and which other tables were not read."""

    path: Path
    records: Records
    description: str
    notes: list[str]


class _Rank(NamedTuple):
    """Claim of a table: the lower, the better."""

    level: int  # folders above the one given; 0 in it or below
    name: int  # index among the official names


class _Candidate(NamedTuple):
    rank: _Rank
    path: Path
    records: Records


@dataclass(frozen=True, slots=True)
class TableFormat:
    """How the annotation table of a data set is told from other tables, and read.

    Attributes:
        official: File names as released, best first.
        named: Lower-case texts. The name of a table *above* the folder must hold one of them.
        read: The records of a file; None if it is another kind of table.
        ignored: Lower-case texts. A file with one in its name is another table of the same data set.
    """

    official: tuple[str, ...]
    named: tuple[str, ...]
    read: Callable[[Path], Records | None]
    ignored: tuple[str, ...] = ()

    def find(self, survey: Survey, inside: Sequence[Path] | None = None) -> FoundTable:
        """The table in the folder (or below) first, then above it; in one place, by the official name.

        Args:
            survey: The folder that the user gave.
            inside: The table files to choose from; None for all of the survey.

        Raises:
            MissingTableError: There is none.
            FileError, AnnotationError: None can be used, or two that differ have the same claim.
        """
        tables = survey.tables if inside is None else inside
        candidates, others, failures = self._read_all(survey, tables)
        if not candidates:
            if failures:
                raise failures[0][1]
            raise self._missing(survey, others)
        best = candidates[0]
        notes = [self._not_used(survey, best, other) for other in candidates[1:]]
        notes += [
            f"not used: {survey.shown(path)}, which cannot be used: {str(error).removeprefix(f'{path}: ')}"
            for path, error in failures
        ]
        return FoundTable(best.path, best.records, _describe(survey, best), [*notes, *best.records.notes()])

    def _read_all(
        self, survey: Survey, inside: Iterable[Path]
    ) -> tuple[list[_Candidate], list[Path], list[tuple[Path, AnnotationError | FileError]]]:
        """Tables of this format, best first; tables of other kinds; and those that cannot be read, with the cause."""
        ranked = [(_Rank(0, self._name_rank(path)), path) for path in inside]
        above = tables_above(survey.root, self.named)
        ranked += [(_Rank(level, self._name_rank(path)), path) for level, path in above]
        candidates: list[_Candidate] = []
        others: list[Path] = []
        failures: list[tuple[Path, AnnotationError | FileError]] = []
        for rank, path in sorted(ranked):
            if any(text in path.name.lower() for text in self.ignored):
                continue
            try:
                records = self.read(path)
            except (AnnotationError, FileError) as error:
                failures.append((path, error))
                continue
            if records is None:
                others.append(path)
            else:
                candidates.append(_Candidate(rank, path, records))
        return candidates, others, failures

    def _name_rank(self, path: Path) -> int:
        return self.official.index(path.name) if path.name in self.official else len(self.official)

    def _not_used(self, survey: Survey, best: _Candidate, other: _Candidate) -> str:
        """Note on a table that another one goes before."""
        name = survey.shown(other.path)
        if other.records.same_content(best.records):
            return f"not used: {name}, which says the same"
        if other.rank == best.rank:
            raise AnnotationError(
                f"{survey.root}: two annotation tables differ and neither comes first: {survey.shown(best.path)} and "
                f"{name}; remove one, or give the folder that holds the right one and the clips"
            )
        if best.rank.level < other.rank.level:
            return f"not used: {name}, which differs; the table used is nearer"
        return f"not used: {name}, which differs; the table used takes precedence by its name"

    def _missing(self, survey: Survey, others: Sequence[Path]) -> MissingTableError:
        above, other_tables = "", ""
        if self.named:
            above = f"; above it with {' or '.join(map(repr, self.named[:2]))} in its name"
        if others:
            other_tables = f"{', '.join(map(survey.shown, others[:5]))} is no such table"
        met = other_tables and f"; {other_tables}"
        return MissingTableError(
            f"{survey.root}: no annotation table; looked in it, below it and in the {_LEVELS_ABOVE} folders above it "
            f"for {self.official[0]} (or another .xlsx, .xls or .csv{above}){met}",
            other_tables,
        )


def tables_above(folder: Path, named: Sequence[str]) -> Iterator[tuple[int, Path]]:
    """Level (1, 2, 3) and path of the tables above a folder whose names hold one of the lower-case texts."""
    for level, parent in enumerate(absolute(folder).parents[:_LEVELS_ABOVE], 1):
        for folder_above in (parent, parent / "annotation"):
            for name in list_files(folder_above):
                if is_table(name) and any(text in name.lower() for text in named):
                    yield level, folder_above / name


def _describe(survey: Survey, table: _Candidate) -> str:
    records = table.records
    sheet = f", sheet {records.sheet}" if records.sheet else ""
    header = f"header in row {records.header}" if records.header else "without a header"
    return f"table {survey.shown(table.path)}{sheet}, {header}, {len(records.rows)} rows"
