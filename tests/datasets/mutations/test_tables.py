"""Random edits to annotation tables: a right pack, named clips, or one clear error."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest

from mertool.clips import OK
from mertool.datasets import read_clips
from mertool.errors import MertoolError
from tests.datasets.mutations.copies import Copy
from tests.datasets.mutations.edits import EDITS, EDITS_XLSX, Edited, edit, edit_rules
from tests.datasets.mutations.invariants import check_message, codes_of, report, rows_of, violations
from tests.datasets.mutations.names import text_of
from tests.datasets.mutations.specs import SAMM, SAMM_ROLES, SPECS

HEADERS = {"Filename", "fold_name'"}


def run_edits(copy: Copy, seeds: range) -> tuple[Counter[str], list[str]]:
    """Ends of all edits, and every violation with its seed and what was edited."""
    ends: Counter[str] = Counter()
    wrong: list[str] = []
    spec = copy.spec
    for seed in seeds:
        rng = random.Random(seed)
        target = SAMM if spec.layout == "samm-lv" and rng.random() < 0.3 else spec.table
        rules = copy.rules() if spec.layout == "casme-squared" else {}
        if rules and rng.random() < 0.3:
            target = rng.choice(list(rules))
        by_position = spec.layout == "casme-squared"
        grid = rules[target] if target in rules else copy.main(target)
        roles = SAMM_ROLES if target == SAMM else spec.roles
        header = None if by_position else next(n for n, row in enumerate(grid) if {*map(text_of, row)} & HEADERS)
        table = Edited(grid, header, by_position)
        for _ in range(rng.choices([1, 2, 3], [6, 3, 1])[0]):
            if target in rules:
                edit_rules(table, rng)
            else:
                edit(table, roles, rng)
        edited = {**rules, target: table.grid}
        if rules and target not in rules:
            edited[spec.table] = table.grid
        copy.write_rules({name: edited[name] for name in rules})
        for name in {spec.table, target} - set(rules):
            copy.write(name, edited.get(name, copy.main(name)))
        told = copy.tell(edited)
        codes = codes_of(edited, copy.suffix) if rules else None
        context = f"{spec.dataset}{copy.suffix} seed {seed}, {target}: {'; '.join(table.done)}"
        try:
            found = read_clips(copy.out, dataset=spec.dataset)
        except MertoolError as error:
            ends["error"] += 1
            trouble = check_message(str(error), copy.out)
            if not table.structural:
                trouble.append(f"one bad row stops all others: {error}")
            elif not told.trouble and not by_position and rows_of(told, spec) and "above the header" not in str(error):
                trouble.append(f"an error, though the table can be read: {error}")
        except Exception as error:
            trouble = [f"{type(error).__name__}: {error}"]
        else:
            trouble = violations(copy, found, told, codes)
            named = any(c.status != OK or c.detail for c in found.clips if c not in copy.base.clips)
            named = named or found.unannotated != copy.base.unannotated
            same = found.clips == copy.base.clips
            ends["equal" if same else "named" if named else "different"] += 1
        wrong += [f"{context}: {text}" for text in trouble]
        if target != spec.table and target not in rules:
            copy.write(target, copy.main(target))
    return ends, wrong


@pytest.mark.parametrize("name", SPECS)
def test_edited_csv_tables_end_in_right_clips_named_clips_or_one_error(tmp_path: Path, name: str) -> None:
    copy = Copy(SPECS[name], tmp_path / "data", ".csv")
    assert copy.by_id
    report(*run_edits(copy, range(EDITS)), ("error", "named", "equal"))


@pytest.mark.parametrize("name", SPECS)
def test_edited_workbooks_end_in_right_clips_named_clips_or_one_error(tmp_path: Path, name: str) -> None:
    copy = Copy(SPECS[name], tmp_path / "data", ".xlsx")
    report(*run_edits(copy, range(1000, 1000 + EDITS_XLSX)), ())
