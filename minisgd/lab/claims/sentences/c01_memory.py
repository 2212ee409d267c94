"""Claim 1: memory against batch size."""

from __future__ import annotations

import numpy as np

from minisgd.lab import words
from minisgd.lab.claims.claim import Claim, Effect, Finding
from minisgd.lab.claims.decision import TEN_PERCENT, Rule, above, every
from minisgd.lab.claims.experiments.measured import MeasureMemory, Memory
from minisgd.lab.claims.pictures import Axes, against_batch, reference
from minisgd.lab.claims.statistics import Estimate
from minisgd.lab.timing.fit import fit_affine
from minisgd.typing import Generator, HostArray

RULE = Rule(
    {
        "memory": above("the largest batch needs at least {margin} more bytes than the smallest", TEN_PERCENT),
        "activations": above("so it does for activations", TEN_PERCENT),
        "gradients": above("so it does for gradients", TEN_PERCENT),
    },
    supported=every("memory", "activations", "gradients"),
    qualified=every("memory"),
)


def judge(rng: Generator, memory: Memory) -> Finding:
    """Fit M(B) = M0 + a·B to the measured bytes, and ask who grew."""
    sizes, total = np.array(memory.batch_sizes, float), memory.measured
    fixed, each, _ = map(float, fit_affine(sizes, total))
    explained = 1 - np.square(total - fixed - each * sizes).sum() / max(np.square(total - total.mean()).sum(), 1e-300)
    low, high = _spread(sizes, total, each)
    evidence = {"memory": _growth(total)}
    evidence |= {name: _growth(memory.owners.get(name)) for name in ("activations", "gradients")}
    verdict = RULE.verdict(evidence)
    activations, gradients = (evidence[name].value > TEN_PERCENT for name in ("activations", "gradients"))
    if verdict == "refuted":
        text = "The memory of a step hardly depends on the batch size."
    elif verdict == "supported":
        text = "Activations and gradients both grow with the batch."
    else:
        who = [name for name, it in (("activations", activations), ("the gradient of the weights", gradients)) if it]
        other = "the gradient of the weights" if activations else "the activations"
        text = (
            f"It grows, and so do {words.join(who) or 'neither of the two'}; {other} keeps its size whatever the batch."
        )
    text += f" Every example adds {words.memory(each)} to a fixed {words.memory(fixed)} (R² = {explained:.4f})."

    def draw(ax: Axes) -> None:
        against_batch(ax, memory.batch_sizes, total[:, None], "bytes", name="measured")
        reference(ax, sizes, fixed + each * sizes, "M0 + a·B")

    slope = Effect("bytes that each example adds", each, low, high)
    effects = [slope, Effect.exact("fixed bytes", fixed), Effect.exact("R²", explained)]
    return Finding.of(RULE, evidence, effects, len(sizes), text, draw)


def _spread(sizes: HostArray, total: HostArray, slope: float) -> tuple[float, float]:
    """Return the least and the greatest slope when no batch size or one of them is left out (jackknife)."""
    kept = [np.arange(len(sizes)) != k for k in range(len(sizes))]
    slopes = [float(fit_affine(sizes[rows], total[rows])[1]) for rows in kept]
    return min(slope, *slopes), max(slope, *slopes)


def _growth(row: HostArray | None) -> Estimate:
    """Return the log-ratio of the bytes of the largest and the smallest batch: counted, and so exact."""
    return Estimate.exact(0.0 if row is None or not row[0] else float(np.log(row[-1] / row[0])))


CLAIM = Claim(
    number=1,
    says="Larger batches need more memory for activations and gradients.",
    sources=("S0", "S1", "S3"),
    experiment="Prepare a training run and take one step, alone in the process, at every batch size; count the bytes "
    "that were allocated at most, and read from the plan of the step who asked for them.",
    effect="a in M(B) = M0 + a·B, bytes that each example adds; its range when one batch size is left out.",
    rule=RULE,
    would_change="Gradients of the weights that grew with the batch, as per-example gradients do, would make it "
    "supported; recomputed activations or micro-batches would make it refuted.",
    held_fixed="Network, optimizer, dtype; one network at a time, nothing else running.",
    needs={"memory": MeasureMemory()},
    judge=judge,
    learns=False,
)
