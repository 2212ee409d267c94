"""Experiments on the workers of an executor: what is known travels there, what is found comes back to one journal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from minisgd.backend.cpu.threads import blas_threads
from minisgd.lab.claims.experiment import Experiment, Unsuitable
from minisgd.lab.claims.lab import Lab
from minisgd.lab.deadline import Deadline
from minisgd.lab.study.elsewhere import opened_trial
from minisgd.lab.study.stack import Stopped
from minisgd.lab.trial import Trial
from minisgd.training.arithmetic import quiet_arithmetic


@dataclass(frozen=True)
class Known:
    """What a laboratory elsewhere begins with: its settings, the pilots, and finished training runs of the experiment.

    settings: by the names of the laboratory's attributes
    """

    settings: Mapping[str, Any]
    pilots: Mapping[str, Any]
    cells: Sequence[Any]


def make(experiment: Experiment[Any], lab: Lab) -> Any:
    """Run an experiment on a worker of the laboratory, or here where it has none.

    Raises:
        Unsuitable: The data or the model do not allow the experiment.
        Stopped: The time is up; what was trained is in the journal.
    """
    if not lab.workers.several:
        return experiment.run(lab)
    journal = None if experiment.entries is None else lab.journal(experiment)
    names = ("seeds", "sizes", "full_sizes", "threads", "settings", "visits", "visit_seconds", "coarse")
    cells = [] if journal is None else journal.finished()
    known = Known({name: getattr(lab, name) for name in names}, dict(lab.facts.facts), cells)
    result, pilots, cells = lab.workers.call(experiment.name, lab.stop, make_elsewhere, lab.base, experiment, known)
    if pilots:
        lab.facts.remember(**pilots)
    if journal is not None:
        journal.add(cells)
        lab.on_cells(len(cells))
    if isinstance(result, Unsuitable | Stopped):
        raise result
    return result


def make_elsewhere(
    trial: Trial, experiment: Experiment[Any], known: Known, stop: Deadline
) -> tuple[Any, dict[str, Any], list[Any]]:
    """Run an experiment on a worker; return its result or why there is none, new pilots and new training runs."""
    settings = dict(known.settings)
    sizes = settings.pop("full_sizes")
    lab = Lab(opened_trial(trial), folder=None, stop=stop, **settings)
    lab.full_sizes, lab.facts.facts = sizes, dict(known.pilots)
    journal = None if experiment.entries is None else lab.journal(experiment)
    if journal is not None:
        journal.add(known.cells)
    result: Any
    with nullcontext() if experiment.alone else blas_threads(1), quiet_arithmetic():
        try:
            result = experiment.run(lab)
        except (Unsuitable, Stopped) as reason:
            result = reason
    pilots = {name: fact for name, fact in lab.facts.facts.items() if name not in known.pilots}
    before = {cell.key for cell in known.cells}
    return result, pilots, [] if journal is None else [cell for cell in journal.finished() if cell.key not in before]
