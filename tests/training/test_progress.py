"""The line of progress: there for a person, silent in a pipe."""

from __future__ import annotations

import io
import sys

import pytest

import minisgd as ms
from minisgd.training import progress

NET, DATA = ms.Network(ms.Linear(10)), ms.datasets.digits(validation=0.2)


class Terminal(io.StringIO):
    def isatty(self):
        return True


def train(**options):
    return ms.train(NET, DATA, epochs=2, **options)


def terminal(monkeypatch):
    """Put a terminal where stderr is, in the test itself: pytest does so too before it."""
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setattr(progress, "REFRESH", 0.0)
    return screen


def test_a_long_training_run_shows_a_line_and_wipes_it(monkeypatch):
    screen = terminal(monkeypatch)
    monkeypatch.setattr(progress, "SHOWN_AFTER", 0.0)
    train()
    lines = screen.getvalue().split("\r")
    assert any("s left  train_loss" in line and "val_loss" in line for line in lines)
    assert lines[-1] == "" and lines[-2].strip() == ""


def test_a_short_one_shows_nothing(monkeypatch):
    screen = terminal(monkeypatch)
    monkeypatch.setattr(progress, "SHOWN_AFTER", 1e9)
    train()
    assert screen.getvalue() == ""


@pytest.mark.parametrize("options", [{"progress": False}, {"on_progress": lambda share, record: None}])
def test_it_can_be_turned_off(monkeypatch, options):
    screen = terminal(monkeypatch)
    monkeypatch.setattr(progress, "SHOWN_AFTER", 0.0)
    train(**options)
    assert screen.getvalue() == ""


def test_a_pipe_gets_nothing_and_a_notebook_a_line(monkeypatch, capsys):
    monkeypatch.setattr(progress, "SHOWN_AFTER", 0.0)
    monkeypatch.setattr(progress, "REFRESH", 0.0)
    train()
    assert capsys.readouterr().err == ""
    monkeypatch.setitem(sys.modules, "ipykernel", sys)
    train()
    assert "%" in capsys.readouterr().err


def test_the_bits_do_not_depend_on_it(monkeypatch):
    terminal(monkeypatch)
    assert (train(progress=True).network.vector == train().network.vector).all()


def test_a_closed_stderr_ends_nothing(monkeypatch):
    screen = terminal(monkeypatch)
    screen.close()
    assert train(progress=True).stopped == "finished"
