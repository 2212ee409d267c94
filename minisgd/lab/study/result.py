"""What a study found: plain numbers, written to study.json.

In memory a quantity that was never reached is infinite, so that it compares and sorts as it should; JSON
knows no infinity, so there it is null. `None` in memory means that the quantity does not exist (no accuracy
in a regression).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from minisgd.files import to_json, write_atomically
from minisgd.lab import words
from minisgd.lab.study.batch_result import BatchResult
from minisgd.lab.study.curves import FitResult, Timing
from minisgd.lab.study.ranks import SimulatedRanks
from minisgd.lab.study.surge import Surge
from minisgd.lab.study.target import Baseline, Target
from minisgd.tables import Shown, Table, curves


@dataclass(frozen=True)
class RunnerUp:
    """The fastest batch size but the recommended one.

    Attributes:
        batch_size: B.
        seconds: Predicted seconds to the target.
    """

    batch_size: int
    seconds: float


@dataclass(frozen=True)
class Recommendation(Shown):
    """Which batch size to use, at what cost, and why.

    Attributes:
        batch_size: None where none can be recommended.
        lr: Its best learning rate.
        seconds: Predicted seconds to the target.
        memory_bytes: Memory of a training step.
        why: The reason, a sentence.
        runner_up: The fastest batch size but this one.
        confidence: How sure it is the fastest: the share of draws from the errors of seeds and timing in which it is,
            the learning rate chosen again in each; None for a single seed, and where no other reached the target.
        tied_with: Batch sizes whose seconds differ from those of the fastest by less than seeds and timing resolve.
        steps: Updates to train for, with a margin.
        command: The complete ``minisgd train`` command; None where the data have no name on the command line.
        call: The complete ``ms.train`` call.
    """

    batch_size: int | None
    lr: float | None
    seconds: float | None
    memory_bytes: int | None
    why: str
    runner_up: RunnerUp | None
    confidence: float | None
    tied_with: tuple[int, ...] = ()
    steps: int | None = None
    command: str | None = None
    call: str | None = None

    @property
    def sentences(self) -> list[str]:
        """What to use, why, and how sure that is."""
        found = [self.why]
        if self.batch_size is not None and self.lr is not None:
            found.insert(0, f"Use batch size {self.batch_size} with learning rate {words.number(self.lr)}.")
            if self.confidence is not None:
                sure = f"{100 * self.confidence:.0f}%"
                found.append(f"It is the fastest in {sure} of draws from the errors of seeds and timing.")
        return found

    def __str__(self) -> str:
        return "\n".join([*self.sentences, *(f"  {text}" for text in (self.command, self.call) if text)])


@dataclass(frozen=True)
class StudyResult:
    """Everything a study found; the report and study.json are made of nothing else.

    Attributes:
        data: Name of the data set.
        model: The model in words.
        optimizer: The optimizer in words.
        target: What training runs had to reach.
        n_train: Number N of training examples.
        seeds: The same for every batch size.
        batch_sizes: What was found at each, in ascending order.
        fit: The curve of steps to target.
        timing: The line of step times; None for a single batch size.
        recommendation: Which batch size to use.
        environment: Machine and versions.
        command: The command of the study.
        budget: When training runs ended, in words.
        baseline: The best constant answer.
        learned: Whether the pilot beat it by more than chance; if not, no batch sizes were compared.
        left_open: What the time did not allow, in sentences.
        measurable: Whether the target takes enough updates at every batch size to tell them apart.
        ranks: What several ranks would take, simulated; None where that was not asked for, or there is no curve.
        surge: Whether the best learning rate rises and falls with the batch, of sign-like optimizers; else None.
    """

    data: str
    model: str
    optimizer: str
    target: Target
    n_train: int
    seeds: tuple[int, ...]
    batch_sizes: tuple[BatchResult, ...]
    fit: FitResult
    timing: Timing | None
    recommendation: Recommendation
    environment: Mapping[str, Any]
    command: str
    budget: str = "run to target"
    baseline: Baseline | None = None
    learned: bool = True
    measurable: bool = True
    left_open: tuple[str, ...] = ()
    ranks: SimulatedRanks | None = None
    surge: Surge | None = None

    def __str__(self) -> str:
        fit = [str(self.fit), ""] if self.batch_sizes else []
        return "\n".join([str(self._table()), "", *fit, str(self.recommendation)])

    def _repr_html_(self) -> str:
        steps = [(float(b.batch_size), b.steps_to_target.median) for b in self.batch_sizes]
        picture = curves({"steps to target": steps}, "batch size", "", logarithmic=True)
        return self._table()._repr_html_() + picture + self.recommendation._repr_html_()

    def _table(self) -> Table:
        """Return what was found, a row a batch size."""
        rows = [
            (
                str(b.batch_size),
                words.number(b.lr),
                words.count(b.steps_to_target.median) if b.reached else "not reached",
                words.seconds(b.seconds_to_target.median) if b.reached else "–",
                words.memory(b.memory_bytes),
            )
            for b in self.batch_sizes
        ]
        header = ("batch size", "learning rate", "steps to target", "seconds", "memory")
        return Table(header, rows, f"{self.data}, {self.model}, to {self.target}")

    def to_json(self) -> str:
        """Write the document of study.json: strictly valid JSON, null for what is infinite or missing."""
        document = asdict(self)
        document["fit"] |= dict(zip(("b_20", "b_20_low", "b_20_high"), self.fit.b_20, strict=True))
        return to_json(document, indent=2)

    def save(self, folder: str | Path) -> Path:
        """Write study.json into a folder.

        Args:
            folder: Where to; it is made if missing.

        Returns:
            The path of the file.

        Raises:
            OutputError: The folder cannot be written.
        """
        return write_atomically(Path(folder) / "study.json", self.to_json().encode(), "folder")
