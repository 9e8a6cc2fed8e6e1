"""What is to be made: recordings, what a right reader must make of them, and the planning that all layouts share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np

from .tables import Book, Rows, fill, write_book

# Share of each emotion, as unbalanced as SAMM; then what SAMM has beside the six.
BASIC = {"Anger": 0.40, "Happiness": 0.21, "Surprise": 0.13, "Disgust": 0.09, "Fear": 0.09, "Sadness": 0.08}
FEWEST = 6  # clips of an emotion, so that five folds can hold it

SPELLINGS = {"others": "other", "happy": "happiness", "sad": "sadness", "comtempt": "contempt"}

DS_STORE = b"\0\0\0\1Bud1" + bytes(100)
THUMBS = b"\xd0\xcf\x11\xe0" + bytes(100)
LOCK = b"\5owner" + bytes(159)
SHORTCUT = b"L\0\0\0\1\x14\2\0" + bytes(68)


@dataclass(frozen=True)
class Move:
    """One expression inside a recording.

    Attributes:
        emotion: A key of `movement.PROTOTYPES`, which decides the action units.
        onset, apex, offset: Indices into `Recording.files`.
        macro: A macro-expression: about four times the displacement.
    """

    emotion: str
    onset: int
    apex: int
    offset: int
    macro: bool = False


@dataclass(frozen=True)
class Recording:
    """One folder of frames, or one still.

    Attributes:
        subject: Index into the subjects.
        files: Paths below the folder to make, one a frame, in order of time; the suffix decides the format.
        moves: Expressions, in order of time.
        size: Width and height in pixels.
        colour: Whether a file has three channels or one.
        seed: What the recording's random generator starts from.
        written: Indices of the frames that really are on disk; None: all.
    """

    subject: int
    files: tuple[str, ...]
    moves: tuple[Move, ...]
    size: tuple[int, int]
    colour: bool
    seed: tuple[int, ...]
    written: tuple[int, ...] | None = None

    @property
    def paths(self) -> list[str]:
        """The files that are on disk."""
        return [self.files[k] for k in (range(len(self.files)) if self.written is None else self.written)]


@dataclass(frozen=True)
class Truth:
    """What a right reader must make of one annotated expression.

    Attributes:
        dataset, subject, clip: The parts of the clip's id.
        emotion: Canonical: lower case, one spelling.
        onset, apex, offset: Frame numbers as in the file names; None where not annotated or impossible.
            The onset of a still, which has no frame number, is -1.
        usable: False where it must end as a named failure.
        odd: Which oddity it carries, in words.
    """

    dataset: str
    subject: str
    clip: str
    emotion: str
    onset: int
    apex: int | None
    offset: int | None
    usable: bool
    odd: str = ""


@dataclass
class Plan:
    """Everything that a layout consists of.

    Attributes:
        layout: Its name.
        recordings: Frames to render, or to leave empty.
        truths: What a right reader must find.
        tables: Writes the annotation files below a folder; its second argument is the text of the action units of each
            move of each recording.
        cells: Path of each annotation table -> the rows of its main sheet, header and preamble included; None is an
            empty cell, "" stands for action units.
        junk: Path -> content of files that a reader must not trip over.
        unannotated: Clip folders on disk that no row names.
        oddities: Every oddity planted, one line each.
        subjects: What each subject is called, in the order of the subjects.
    """

    layout: str
    recordings: list[Recording]
    truths: list[Truth]
    tables: Callable[[Path, Sequence[Sequence[str]]], None]
    cells: dict[str, Rows]
    junk: dict[str, bytes]
    unannotated: tuple[str, ...]
    oddities: tuple[str, ...]
    subjects: tuple[str, ...]


@dataclass
class Draft:
    """A plan in the making."""

    layout: str
    seed: int
    size: tuple[int, int] = (640, 480)
    colour: bool = True
    recordings: list[Recording] = field(default_factory=list)
    truths: list[Truth] = field(default_factory=list)
    books: list[Book] = field(default_factory=list)
    junk: dict[str, bytes] = field(default_factory=dict)
    unannotated: list[str] = field(default_factory=list)
    oddities: list[str] = field(default_factory=list)

    def record(
        self,
        subject: int,
        files: Sequence[str],
        moves: Sequence[Move] = (),
        missing: Sequence[int] = (),
        colour: bool | None = None,
    ) -> int:
        """Add a recording; `missing` are indices of frames that are not on disk. Returns its index."""
        number = len(self.recordings)
        written = tuple(k for k in range(len(files)) if k not in missing) if missing else None
        colour = self.colour if colour is None else colour
        seed = (self.seed, 3, subject, number)
        self.recordings.append(Recording(subject, tuple(files), tuple(moves), self.size, colour, seed, written))
        return number

    def litter(
        self, lock: Sequence[str] = (), finder: Sequence[str] = (), thumbs: str = "", shortcut: str = ""
    ) -> None:
        """Leave what file managers and Excel leave.

        Args:
            lock: Tables with a lock file beside them.
            finder: Folders with a .DS_Store.
            thumbs: Folder with a Thumbs.db.
            shortcut: Folder with a shortcut of Windows.
        """
        for table in lock:
            path = PurePosixPath(table)
            self.junk[str(path.with_name(f"~${path.name}"))] = LOCK
        for folder in finder:
            self.junk[str(PurePosixPath(folder) / ".DS_Store")] = DS_STORE
        if thumbs:
            self.junk[f"{thumbs}/Thumbs.db"] = THUMBS
        if shortcut:
            self.junk[f"{shortcut}/Desktop - Shortcut.lnk"] = SHORTCUT
        found = {
            "lock files of Excel beside the tables": lock,
            "Thumbs.db in a clip folder": thumbs,
            "a shortcut of Windows (.lnk) in a subject's folder": shortcut,
        }
        self.oddities += [line for line, there in found.items() if there]
        if finder:
            self.oddities.append(f".DS_Store{' at several levels' if len(finder) > 1 else ''}")

    def leave_unannotated(self, folder: str) -> None:
        """Note a clip folder that no row names."""
        self.unannotated.append(folder)

    def done(self, subjects: Sequence[str]) -> Plan:
        """The plan, with the annotation in `books`."""
        if self.unannotated:
            self.oddities.append(f"clip folders without a row: {', '.join(self.unannotated)}")
        odd = [f"{truth.dataset}/{truth.subject}/{truth.clip}: {truth.odd}" for truth in self.truths if truth.odd]
        books = tuple(self.books)
        return Plan(
            layout=self.layout,
            recordings=self.recordings,
            truths=self.truths,
            tables=lambda out, units: write_books(books, out, units),
            cells={book.path: fill(book.main, None) for book in books},
            junk=self.junk,
            unannotated=tuple(self.unannotated),
            oddities=(*self.oddities, *odd),
            subjects=tuple(subjects),
        )


def write_books(books: Sequence[Book], out: Path, units: Sequence[Sequence[str]]) -> None:
    """Write annotation tables below `out`, action units filled in."""
    for book in books:
        path = out / book.path
        path.parent.mkdir(parents=True, exist_ok=True)
        write_book(path, {name: fill(rows, units) for name, rows in book.sheets.items()})


def canonical(label: str) -> str:
    """The one spelling of a table's label."""
    return SPELLINGS.get(label.lower(), label.lower())


def prototype(label: str) -> str:
    """The key of `movement.PROTOTYPES` for a table's label."""
    return canonical(label).capitalize()


def deal(total: int, shares: Mapping[str, float] = BASIC, fewest: int = FEWEST) -> list[str]:
    """`total` emotions: at least `fewest` of each where possible, the rest so that the shares are those wanted."""
    counts = dict.fromkeys(shares, min(fewest, total // len(shares)))
    while sum(counts.values()) < total:
        counts[max(shares, key=lambda emotion: shares[emotion] * total - counts[emotion])] += 1
    return [emotion for emotion, count in counts.items() for _ in range(count)]


def hands(
    n_subjects: int, clips: int, shares: Mapping[str, float], rng: np.random.Generator, fewest: int = FEWEST
) -> list[list[str]]:
    """`clips` emotions for every subject, shuffled."""
    deck = np.array(deal(clips * n_subjects, shares, fewest))
    rng.shuffle(deck)
    return [[str(emotion) for emotion in deck[k::n_subjects]] for k in range(n_subjects)]


def draw_time(rng: np.random.Generator, length: tuple[int, int]) -> tuple[int, int]:
    """Frames of a clip, and the apex, counted from the onset and well inside."""
    n_frames = int(rng.integers(length[0], length[1] + 1))
    return n_frames, round((n_frames - 1) * rng.uniform(0.36, 0.64))


def first_numbers(count: int, wanted: Sequence[int], beyond: int) -> list[int]:
    """`count` subject numbers in ascending order: the first of `wanted`, and from `beyond` on where those run out."""
    numbers = [*wanted, *range(beyond, beyond + count)][:count]
    return sorted(numbers)
