"""Recommend the batch size that reaches the target soonest, or a cheaper one that is tied with it.

Two batch sizes are tied where the 95% interval of the ratio of their seconds, from seeds and timing visits, contains 1.
One that is tied with the fastest and saves memory that somebody would notice is recommended in its place:
speed that cannot be shown is not worth those bytes. Otherwise the fastest is.
"""

from __future__ import annotations

from collections.abc import Sequence

from minisgd.lab import words
from minisgd.lab.study.batch_result import BatchResult
from minisgd.lab.study.draws import Draws
from minisgd.lab.study.instructions import Instructions, steps_with_margin
from minisgd.lab.study.result import Recommendation, RunnerUp
from minisgd.lab.study.target import Target

NOTICEABLE_BYTES = 64 * 2**20
"""What a batch size must save to be preferred over a faster one that it is tied with."""


def recommend(
    batches: Sequence[BatchResult],
    draws: Draws | None,
    target: Target,
    memory_limit: int | None = None,
    instructions: Instructions | None = None,
) -> Recommendation:
    """Recommend a batch size from seconds to target, with memory as the tie-breaker.

    batches K, in any order; draws of their seconds, or None for a single seed, which ties nothing and gives no
    confidence, as a batch size does not that alone reached the target. A batch size whose median run did not reach the
    target, or that needs more bytes than memory_limit, is never recommended.
    """
    fitting = [memory_limit is None or b.memory_bytes <= memory_limit for b in batches]
    usable = [k for k, b in enumerate(batches) if fitting[k] and b.reached]
    if not usable:
        return _nothing(batches, fitting, target, memory_limit)
    order = sorted(usable, key=lambda k: batches[k].seconds_to_target.median)
    tied = [order[0], *(k for k in order[1:] if draws is not None and draws.tied(k, order[0]))]
    least = min(tied, key=lambda k: (batches[k].memory_bytes, order.index(k)))
    saved = batches[order[0]].memory_bytes - batches[least].memory_bytes
    chosen = least if saved >= NOTICEABLE_BYTES else order[0]
    others = [k for k in order if k != chosen]
    best = batches[chosen]
    second = batches[others[0]] if others else None
    equal = tuple(sorted(batches[k].batch_size for k in tied if k != chosen))
    steps = steps_with_margin(best.steps_to_target)
    return Recommendation(
        batch_size=best.batch_size,
        lr=best.lr,
        seconds=best.seconds_to_target.median,
        memory_bytes=best.memory_bytes,
        why=_why(best, batches[order[0]], second, equal, target, memory_limit),
        runner_up=None if second is None else RunnerUp(second.batch_size, second.seconds_to_target.median),
        confidence=None if draws is None or second is None else draws.fastest(chosen, usable),
        tied_with=equal,
        steps=steps,
        command=instructions.train_command(best.batch_size, best.lr, steps) if instructions else None,
        call=instructions.train_call(best.batch_size, best.lr, steps) if instructions else None,
    )


def _why(
    best: BatchResult,
    fastest: BatchResult,
    second: BatchResult | None,
    equal: tuple[int, ...],
    target: Target,
    memory_limit: int | None,
) -> str:
    """Return the reason in plain sentences with their numbers."""
    goal, took = str(target), words.seconds(best.seconds_to_target.median)
    if best is fastest:
        within = "" if memory_limit is None else f" within {words.memory(memory_limit)}"
        steps = f"{words.count(best.steps_to_target.median)} steps of {words.seconds(best.step_seconds)}"
        if second is None:
            reason = f"Batch size {best.batch_size} reaches {goal}{within}, in {took} ({steps}); of no other did most "
            reason += "seeds get there with what was allowed"
        else:
            reason = f"Batch size {best.batch_size} reaches {goal} soonest{within}, in {took} ({steps})"
            reason += f"; batch size {second.batch_size} needs {words.seconds(second.seconds_to_target.median)}"
    else:
        reason = (
            f"Batch size {best.batch_size} reaches {goal} in {took}, which these seeds cannot distinguish "
            f"from the {words.seconds(fastest.seconds_to_target.median)} of batch size {fastest.batch_size}, and needs "
            f"less memory ({words.memory(best.memory_bytes)} against {words.memory(fastest.memory_bytes)})"
        )
    if best.steps_to_target.censored:
        seeds = best.steps_to_target.reached + best.steps_to_target.censored
        reason += f", though only {best.steps_to_target.reached} of its {seeds} seeds got there"
    if best is fastest and equal:
        reason += f". Given the errors of seeds and timing, {words.batch_sizes(equal)} may be as fast"
    return reason + "."


def _nothing(
    batches: Sequence[BatchResult], fitting: list[bool], target: Target, memory_limit: int | None
) -> Recommendation:
    goal = str(target)
    if memory_limit is not None and not any(fitting):
        least = min(b.memory_bytes for b in batches)
        why = f"No batch size fits into {words.memory(memory_limit)}; allow at least {words.memory(least)}."
    else:
        easier = "a lower target accuracy" if target.rises else "a higher target loss"
        where = "" if memory_limit is None or all(fitting) else f" within {words.memory(memory_limit)}"
        why = f"No batch size reached {goal}{where} with most of its seeds; allow more time or steps, or set {easier}."
    return Recommendation(None, None, None, None, why, None, None)
