from __future__ import annotations

import math
import subprocess
import sys
from dataclasses import replace

import pytest

from minisgd import files
from minisgd.errors import ArgumentError, DataError, OutputError
from minisgd.lab.study.cell import Cell
from minisgd.lab.study.journal import Journal

REACHED = Cell(16, 0.1, 0, 120.5, 130, False, 0.2, 0.3, 0.95, ((0.0, 2.0, 0.1), (130.0, 0.2, 0.95)))
NEVER = Cell(16, 1.0, 0, math.inf, 40, True, math.nan, math.nan, 0.1, ((0.0, 2.0, 0.1),))


def test_journal_goes_on_where_it_stopped(tmp_path):
    settings = {"data": "digits", "batch_sizes": [1, 16]}
    first = Journal(tmp_path, settings, Cell)
    first.remember(pilot={"lr": 0.1})
    first.add([REACHED])
    first.add([NEVER])
    again = Journal(tmp_path, settings, Cell)
    assert again.facts == {"pilot": {"lr": 0.1}}
    assert set(again.cells) == {REACHED.key, NEVER.key}
    assert again.cells[REACHED.key] == REACHED


def test_a_line_cut_short_by_a_kill_is_dropped(tmp_path):
    journal = Journal(tmp_path, {}, Cell)
    journal.add([REACHED, NEVER])
    path = tmp_path / "cells.jsonl"
    path.write_text(path.read_text()[:-30])
    again = Journal(tmp_path, {}, Cell)
    assert set(again.cells) == {REACHED.key}
    again.add([NEVER])
    assert len(path.read_text().splitlines()) == 2
    assert set(Journal(tmp_path, {}, Cell).cells) == {REACHED.key, NEVER.key}


def test_a_damaged_line_in_the_middle_is_named(tmp_path):
    Journal(tmp_path, {}, Cell).add([REACHED])
    path = tmp_path / "cells.jsonl"
    path.write_text("nonsense\n" + path.read_text())
    with pytest.raises(DataError, match="line 1"):
        Journal(tmp_path, {}, Cell)


def test_a_line_that_was_edited_is_named(tmp_path):
    Journal(tmp_path, {}, Cell).add([REACHED, NEVER])
    path = tmp_path / "cells.jsonl"
    path.write_text(path.read_text().replace("120.5", "20.5"))
    with pytest.raises(DataError, match="line 1"):
        Journal(tmp_path, {}, Cell)


def test_cells_without_their_journal_are_refused(tmp_path):
    Journal(tmp_path, {}, Cell).add([REACHED])
    (tmp_path / "journal.json").unlink()
    with pytest.raises(DataError, match="journal.json"):
        Journal(tmp_path, {"other": 1}, Cell)


def test_cells_of_another_study_are_not_taken_over(tmp_path):
    Journal(tmp_path, {}, Cell).add([REACHED])
    (tmp_path / "journal.json").write_text('{"settings": {"seeds": 3}, "facts": {}}')
    with pytest.raises(DataError, match="line 1"):
        Journal(tmp_path, {"seeds": 3}, Cell)


def test_a_second_process_is_refused_and_a_dead_one_is_not(tmp_path):
    code = (
        "import sys; from pathlib import Path; from minisgd.lab.study.cell import Cell; "
        "from minisgd.lab.study.journal import Journal\n"
        f"j = Journal(Path({str(tmp_path)!r}), {{}}, Cell); print('ready', flush=True); sys.stdin.read(1)\n"
        "import os; os._exit(1)"
    )
    other = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert other.stdout.readline() == "ready\n"
    with pytest.raises(ArgumentError, match=f"in use by process {other.pid}"):
        Journal(tmp_path, {}, Cell)
    other.communicate("x")
    assert (tmp_path / "lock").exists()
    draft = tmp_path / f".journal.json.{files._host()}-{other.pid}-00ff00ff.part"
    draft.write_bytes(b"half")
    journal = Journal(tmp_path, {}, Cell)
    assert not draft.exists()
    journal.close()
    assert not (tmp_path / "lock").exists()


def test_another_study_is_refused(tmp_path):
    Journal(tmp_path, {"data": "digits", "budget": "target"}, Cell)
    with pytest.raises(ArgumentError, match="a study with other budget, data"):
        Journal(tmp_path, {"data": "mnist", "budget": "steps:5"}, Cell)


def test_unwritable_folder(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="choose another folder"):
        Journal(tmp_path / "file", {}, Cell)


def test_without_a_folder_cells_stay_in_memory():
    journal = Journal(None, {}, Cell)
    journal.add([REACHED])
    assert journal.cells == {REACHED.key: REACHED}


def test_cells_may_be_added_while_the_finished_ones_are_read():
    journal = Journal(None, {}, Cell)
    journal.add([REACHED])
    for cell in journal.finished():
        journal.add([replace(cell, seed=1)])
    assert [cell.seed for cell in journal.finished()] == [0, 1]
