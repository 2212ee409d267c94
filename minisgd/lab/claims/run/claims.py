"""``ms.claims``: what people say about batch size, settled on the reader's data, model and machine."""

from __future__ import annotations

import math
import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from minisgd.backend.cpu.threads import available_cores, blas_threads, choose_threads
from minisgd.checks import as_path, require_function
from minisgd.data import Dataset
from minisgd.errors import MinisgdError
from minisgd.lab import words
from minisgd.lab.claims.claim import undecided
from minisgd.lab.claims.lab import Lab
from minisgd.lab.claims.report.contradictions import CONTRADICTIONS
from minisgd.lab.claims.run.arguments import check_network, chosen_claims, laboratory, resolve_seeds
from minisgd.lab.claims.run.judging import cautioned, find
from minisgd.lab.claims.run.plan import WORKERS, Missing, Outcome, Runner, experiments_of
from minisgd.lab.claims.run.result import Answer, Claims
from minisgd.lab.claims.sentences.table import CLAIMS
from minisgd.lab.duration import parse_budget
from minisgd.lab.environment import environment
from minisgd.lab.study.executor_workers import workers_of
from minisgd.lab.study.stack import Stopped
from minisgd.lab.trial import Trial, with_validation
from minisgd.nn import Loss, Network
from minisgd.training.arithmetic import quiet_arithmetic
from minisgd.training.memory import loss_for

EventHook = Callable[[str, Mapping[str, Any]], None]


REPORT, DRAWN = 1.0, 0.1
"""Seconds that judging takes, and drawing a claim: what is kept for them of the budget, on a quiet machine."""


def claims(
    network: Network,
    data: Dataset | tuple[Any, Any],
    *,
    only: Sequence[int] | None = None,
    budget: float | str | None = "5min",
    loss: Loss | None = None,
    validation: float | None = None,
    seeds: int = 8,
    dtype: str = "float32",
    device: str = "cpu",
    threads: int | None = None,
    seed: int = 0,
    out: str | Path | None = None,
    model_name: str | None = None,
    command: str = "ms.claims(...)",
    on_event: EventHook | None = None,
    executor: Any = None,
) -> Claims:
    """Answer what people say about batch size by measuring it on this data, with this network, on this machine.

    Every claim has an experiment and a decision rule; an experiment that several claims need is run once. Time and
    memory are measured first, on single networks with nothing else running; then training runs run in parallel.

    Args:
        network: The architecture; its weights, if any, are not used.
        data: A data set, or (x, y). Without a validation split, 20% is held out.
        only: Numbers of claims; by default all.
        budget: Seconds, or text such as "5min", everything included; None or "none" for all it takes.
        loss: By default that of the task.
        validation: Share of the data to hold out.
        seeds: Number of training runs of everything that is compared, paired by seed.
        dtype: "float32" or "float64".
        device: "cpu" or "cuda".
        threads: By default all cores.
        seed: Seed of everything random.
        out: A folder whose journals keep every finished training run; the same call continues from them.
        model_name: The model in the words of the report.
        command: The command in the words of the report.
        on_event: Called with (kind, facts), kind one of "note", "estimate" and "progress"; facts["text"] is for people,
            facts["share"] of "progress" is the share of the work done.
        executor: Who makes the experiments, as in ``ms.study``; by default this process. What is timed is timed while
            nothing else is made. Verdicts do not depend on it where no clock is read.

    Returns:
        The answer to every claim.

    Raises:
        ArgumentError: An argument is out of range, or ``out`` holds another run.
        DataError: The data have too few examples.
        ShapeError: Network, data and loss do not fit together.
        OutputError: ``out`` cannot be written.
    """
    require_function(on_event, "on_event", "(kind, facts)")
    folder = None if out is None else as_path(out, "out", "folder")
    begun = perf_counter()
    emit: EventHook = on_event or (lambda kind, facts: None)
    chosen = chosen_claims(only, CLAIMS)
    allowed = parse_budget(budget)
    each = resolve_seeds(seeds, seed)
    workers = workers_of(executor, lambda text: emit("note", {"text": text}))
    at_once = workers.count if workers.several else min(WORKERS, available_cores(), choose_threads(math.inf, threads))
    check_network(network)
    dataset = with_validation(data, validation, seed)
    base = Trial(network, dataset, loss=loss_for(loss, dataset.task), dtype=dtype, device=device)
    lab = laboratory(base, each, threads, folder)
    lab.workers = workers
    answers: dict[int, Answer] = {}
    interrupted, unlearned = False, ""
    tally = _Tally(emit, allowed)
    runner = Runner(lab, begun + allowed, at_once, tally.done, REPORT + DRAWN * len(chosen))
    try:
        emit("note", {"text": "pilots: short training runs to find targets and where to search"})
        unlearned = nothing_learned(lab) if any(claim.learns for claim in chosen) else ""
        asked = [claim for claim in chosen if not (unlearned and claim.learns)]
        contested = {number for each in CONTRADICTIONS for number in each.numbers}
        first = experiments_of(claim for claim in asked if claim.number in contested)
        runner.run(experiments_of(asked), tally.estimate, first.keys())
    except KeyboardInterrupt:
        interrupted = True
    finally:
        workers.close()
    for claim in chosen:
        rng = np.random.default_rng([seed, claim.number])
        repeat = _repeat(command, claim.number)
        outcomes = {name: runner.outcomes.get(e) for name, e in claim.reads.items()}
        spent = sum(o.seconds for o in outcomes.values() if o)
        if unlearned and claim.learns:
            finding = undecided(claim.effect, unlearned)
        else:
            made = [o.seeds for o in outcomes.values() if o and o.seeds and not isinstance(o.result, Missing)]
            finding = cautioned(claim, find(claim, outcomes, rng), min(made, default=len(each)), len(each), dataset)
        answers[claim.number] = Answer(claim, finding, spent, repeat)
    setting = _setting(lab, model_name or repr(network), threads, allowed)
    return Claims(answers, setting, command, perf_counter() - begun, interrupted)


def nothing_learned(lab: Lab) -> str:
    """Say that nothing can be learned from the data, if a pilot finds so; else nothing."""
    try:
        with blas_threads(1), quiet_arithmetic():
            return lab.trouble()
    except (Stopped, MinisgdError):
        return ""  # experiments say what is the matter


def _repeat(command: str, number: int) -> str:
    """Return the command that answers one claim alone."""
    if not command.startswith("minisgd "):
        return f"ms.claims(..., only=[{number}])"
    words, kept = shlex.split(command), list[str]()
    for word, before in zip(words, ["", *words], strict=False):
        if before != "--only" and word.partition("=")[0] != "--only":
            kept.append(word)
    return shlex.join([*kept, "--only", str(number)])


class _Tally:
    """Counts what is done, by estimated seconds, for whoever shows progress."""

    def __init__(self, emit: EventHook, allowed: float) -> None:
        self.emit, self.allowed, self.spent = emit, allowed, 0.0
        self.seconds: Mapping[str, float] = {}

    def estimate(self, seconds: Mapping[str, float], total: float) -> None:
        """State how long it will take."""
        self.seconds = seconds
        limit = f", of {words.seconds(self.allowed)} allowed" if math.isfinite(self.allowed) else ""
        text = f"about {words.seconds(total)} for {len(seconds)} experiments{limit}"
        self.emit("estimate", {"text": text, "seconds": total})

    def done(self, name: str, outcome: Outcome) -> None:
        """Count an experiment, and say so where it could not be made."""
        self.spent += self.seconds[name]
        if isinstance(outcome.result, Missing):
            self.emit("note", {"text": f"{name}: not made, {outcome.result.why}"})
        share = self.spent / max(sum(self.seconds.values()), 1e-9)
        self.emit("progress", {"share": min(1.0, share), "text": name})


def _setting(lab: Lab, model: str, threads: int | None, allowed: float) -> tuple[tuple[str, str], ...]:
    out = [str(b) for b in lab.full_sizes if b not in lab.sizes]
    left_out = f"; the budget did not pay for {', '.join(out)}" if out else ""
    pairs = [
        ("data", lab.data.describe()),
        ("model", model),
        ("batch sizes", ", ".join(map(str, lab.sizes)) + left_out),
        ("seeds", f"{len(lab.seeds)} at most, the same for everything compared; two at rates that lose the race"),
        ("learning rates", "every other one of a grid, as the budget did not pay for all" if lab.coarse else "all"),
        ("budget", words.seconds(allowed) if math.isfinite(allowed) else "none"),
    ]
    return (*pairs, *((key, str(value)) for key, value in environment(threads).items()))
