"""What commands that run something share."""

from __future__ import annotations

from argparse import Namespace

import pytest

import minisgd as ms
from minisgd.cli import output, running
from minisgd.lab.instruments import Objective


def test_the_machine_is_four_options() -> None:
    args = Namespace(dtype="float64", device="cpu", threads=None, seed=3, quiet=True)
    assert running.machine(args) == {"dtype": "float64", "device": "cpu", "threads": None, "seed": 3}


def test_events_become_a_bar_and_notes(capsys: pytest.CaptureFixture[str]) -> None:
    shown = []
    with output.ProgressBar(quiet=False) as bar:
        bar.show = lambda share, text: shown.append((share, text))  # type: ignore[method-assign]
        on_event = running.reporter(bar)
        on_event("progress", {"share": 0.5, "text": "half"})
        on_event("note", {"text": "pilot"})
        on_event("estimate", {"text": "about 3 s"})
    assert shown == [(0.5, "half")]
    assert capsys.readouterr().err.splitlines() == ["pilot", "estimate: about 3 s"]


@pytest.mark.parametrize("gradients", [0, 1e12])
def test_only_long_work_is_announced(gradients: float, capsys: pytest.CaptureFixture[str]) -> None:
    data = ms.datasets.digits(seed=0)
    network = ms.Network(ms.Linear(10)).build(data.input_shape)
    objective = Objective(network, data, examples=20)
    running.announce(objective, gradients, Namespace(quiet=False), "; fewer: --examples 10")
    err = capsys.readouterr().err
    assert ("20 examples, about" in err and "fewer: --examples 10" in err) == (gradients > 0)


def test_a_report_that_cannot_be_drawn_is_refused_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "find_spec", lambda package: None)
    with pytest.raises(ms.MissingExtraError, match="no matplotlib and no jinja2"):
        running.require_report("the report")


def test_a_report_that_will_be_missing_is_said_first(monkeypatch: pytest.MonkeyPatch) -> None:
    assert running.without_report("report.html") is None
    monkeypatch.setattr(running, "find_spec", lambda package: None)
    said = running.without_report("report.html")
    assert said is not None and "no report.html, as matplotlib and jinja2 are not installed" in said
