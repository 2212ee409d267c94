"""What a study found: plain numbers, written to study.json.

In memory a quantity that was never reached is infinite, so that it compares and sorts as it should; JSON
knows no infinity, so there it is null. `None` in memory means that the quantity does not exist (no accuracy
in a regression).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from minisgd.files import to_json, write_atomically
from minisgd.lab import words
from minisgd.lab.study.statistics import CensoredMedian
from minisgd.tables import Shown, Table, curves


@dataclass(frozen=True)
class Target:
    """A metric and the value that a training run has to reach.

    Attributes:
        metric: "val_accuracy", "val_balanced_accuracy", "val_r2", "val_loss" or "train_loss".
        value: To be reached.
        loss_of_mean: Of R², the mean squared error of always answering the mean: R² = 1 − loss / loss_of_mean.
    """

    metric: str
    value: float
    loss_of_mean: float | None = None

    @property
    def rises(self) -> bool:
        return not self.metric.endswith("loss")

    @property
    def metric_name(self) -> str:
        """The metric in words: validation accuracy, balanced validation accuracy, validation R², training loss."""
        names = {"val_balanced_accuracy": "balanced validation accuracy", "val_r2": "validation R²"}
        usual = self.metric.replace("val_", "validation ").replace("train_", "training ")
        return names.get(self.metric, usual)

    def at(self, value: float) -> str:
        """Return a value of the metric in words: 95% validation accuracy, a validation loss of 0.05."""
        if self.metric.endswith("accuracy"):
            return f"{100 * value:.4g}% {self.metric_name}"
        return f"a {self.metric_name} of {words.number(value)}"

    def __str__(self) -> str:
        """What a run has to reach, in words."""
        return self.at(self.value) if math.isfinite(self.value) else f"no {self.metric_name} in particular"


@dataclass(frozen=True)
class Baseline:
    """The best constant answer: what whoever never looks at an example reaches on the validation part.

    Attributes:
        metric: That of the target.
        value: What it reaches.
        error: The sampling error of that, one standard error; infinite where it is not known.
        answer: The answer: "class 7", "the mean".
        n_validation: Number of validation examples.
        balance: Share of the commonest and of the rarest class among them; None for regression.
        resolution: By how much one example more changes the metric; None for a loss.
    """

    metric: str
    value: float
    error: float
    answer: str
    n_validation: int
    balance: tuple[float, float] | None = None
    resolution: float | None = None

    def __str__(self) -> str:
        """State it in a sentence: what it is, how surely it is known, and on how many examples."""
        on = f"on {words.plural(self.n_validation, 'validation example')}"
        if not math.isfinite(self.value):
            return f"Nothing is known of the best constant answer in this loss, {on}."
        metric = Target(self.metric, self.value)
        if self.metric.endswith("accuracy"):
            error = f"{100 * self.error:.2g}%"
        else:
            error = words.number(self.error)
        text = f"Always answering {self.answer} reaches {metric}"
        text += f", with a sampling error of {error} {on}" if self.error else f" {on}"
        if self.balance is not None:
            text += f" (classes of {100 * self.balance[0]:.3g}% to {100 * self.balance[1]:.2g}%)"
        return text + "."


@dataclass(frozen=True)
class LearningRateResult:
    """What one learning rate did at one batch size.

    Attributes:
        lr: The learning rate.
        median_steps: Median over the seeds of the steps to the target.
        reached: Number of seeds that reached it.
        diverged: Number of seeds that diverged.
        seeds: Number of seeds tried: all, or only the first where it lost the race.
        train_loss: Median over the seeds at the end; None where that is not finite.
    """

    lr: float
    median_steps: float
    reached: int
    diverged: int
    train_loss: float | None
    seeds: int = 0


@dataclass(frozen=True)
class Curve:
    """The evaluations of one training run.

    Attributes:
        steps: Steps taken, (T,).
        train_loss: Training loss, (T,).
        metric: The target's metric, (T,).
    """

    steps: tuple[float, ...] = ()
    train_loss: tuple[float, ...] = ()
    metric: tuple[float, ...] = ()


@dataclass(frozen=True)
class BatchResult:
    """What was found at one batch size, at its best learning rate.

    Attributes:
        batch_size: B.
        full: True for all training examples.
        lr: The best learning rate.
        lr_on_edge: True if it is the smallest or largest of those tried.
        usable_lr_low: Smallest learning rate that needs at most twice the fewest steps.
        usable_lr_high: Largest such learning rate.
        usable_lr_decades: log10 of their ratio.
        steps_to_target: Steps.
        examples_to_target: Steps times B.
        epochs_to_target: Examples divided by N.
        seconds_to_target: Steps times step_seconds.
        step_seconds: Seconds of a step of a single network, the median over visits.
        step_seconds_low: Lower end of its 95% interval; None where there was one visit.
        step_seconds_high: Upper end.
        samples_per_second: B / step_seconds.
        memory_bytes: Memory of a training step.
        train_loss: Median over the seeds, None where there is none.
        val_accuracy: Median over the seeds, None where there is none.
        max_steps: Steps that a training run was allowed.
        lr_grid: Every learning rate tried.
        learning_curve: A representative training run.
    """

    batch_size: int
    full: bool
    lr: float
    lr_on_edge: bool
    usable_lr_low: float
    usable_lr_high: float
    usable_lr_decades: float
    steps_to_target: CensoredMedian
    examples_to_target: CensoredMedian
    epochs_to_target: CensoredMedian
    seconds_to_target: CensoredMedian
    step_seconds: float
    samples_per_second: float
    memory_bytes: int
    train_loss: float | None
    val_accuracy: float | None
    max_steps: int
    lr_grid: tuple[LearningRateResult, ...]
    learning_curve: Curve = field(default_factory=Curve)
    step_seconds_low: float | None = None
    step_seconds_high: float | None = None


@dataclass(frozen=True)
class FitResult:
    """S(B) = s_min + e_min/B and its critical batch size b_crit = e_min/s_min.

    Attributes:
        s_min: Fewest steps; None without a fit.
        e_min: Fewest examples; None without a fit.
        b_crit: 0 where every batch size is on the plateau, infinite where all scale perfectly.
        b_crit_low: Lower end of its 95% interval.
        b_crit_high: Upper end.
        residual: Root mean square of the log residuals.
        reason: Why there is no fit.
        band_at: Batch sizes at which the band bounds the curve.
        band_low: Lower bound of the steps there.
        band_high: Upper bound.
    """

    s_min: float | None = None
    e_min: float | None = None
    b_crit: float = math.inf
    b_crit_low: float = math.inf
    b_crit_high: float = math.inf
    residual: float | None = None
    reason: str = ""
    band_at: tuple[float, ...] = ()
    band_low: tuple[float, ...] = ()
    band_high: tuple[float, ...] = ()

    @property
    def interval(self) -> tuple[float, float]:
        """The 95% interval of b_crit."""
        return self.b_crit_low, self.b_crit_high


@dataclass(frozen=True)
class Timing:
    """t(B) = t0_seconds + B / examples_per_second.

    Attributes:
        t0_seconds: Overhead of a step.
        examples_per_second: Throughput without overhead.
        knee: t0·r, the batch size at which both take equally long.
        time_optimal_batch: √(t0·r·Bcrit), the batch size with the shortest time to target; None without a fit.
        time_optimal_low: Lower end of its 95% interval, from the visits and the interval of Bcrit.
        time_optimal_high: Upper end.
        residual: Root mean square of the relative errors of the line.
        falling: Pairs of batch sizes of which the larger took less time a step, beyond the noise of the visits.
        cpu_share: Processor seconds per second of the clock while steps were timed; below 1 the machine was busy.
    """

    t0_seconds: float
    examples_per_second: float
    knee: float
    time_optimal_batch: float | None
    time_optimal_low: float | None = None
    time_optimal_high: float | None = None
    residual: float = 0.0
    falling: tuple[tuple[int, int], ...] = ()
    cpu_share: float | None = None


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
            the learning rate chosen again in each; None for a single seed.
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

    def __str__(self) -> str:
        return "\n".join([str(self._table()), "", str(self.recommendation)])

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
                words.count(b.steps_to_target.median) if math.isfinite(b.steps_to_target.median) else "not reached",
                words.seconds(b.seconds_to_target.median) if math.isfinite(b.seconds_to_target.median) else "–",
                words.memory(b.memory_bytes),
            )
            for b in self.batch_sizes
        ]
        header = ("batch size", "learning rate", "steps to target", "seconds", "memory")
        return Table(header, rows, f"{self.data}, {self.model}, to {self.target}")

    def to_json(self) -> str:
        """Write the document of study.json: strictly valid JSON, null for what is infinite or missing."""
        return to_json(asdict(self), indent=2)

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
