"""One step, phase by phase: python -m benchmarks.gpu.step FILE SECONDS [--dry]

The step of the race G1, and what each of its phases takes when it is repeated within one graph, so that launching it
costs nothing. One line of JSON for the step and one for each phase: seconds and kernels.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from typing import Any

from benchmarks.gpu.dry import Leg, arguments, write_rows
from benchmarks.gpu.minisgd_rivals import MinisgdGpu
from benchmarks.gpu.tasks import tasks

REPEATED, ROUNDS, REPLAYS = 20, 9, 20


def rows(leg: Leg) -> Iterator[dict[str, Any]]:
    """Yield the step and its phases."""
    rival, replays = MinisgdGpu(tasks(leg.dry)[0]), 1 if leg.dry else REPLAYS
    session = rival.session
    rival.run(3 * session.recipe.steps_per_launch)  # plain, captured, launched
    one, _ = session._updates(rival.B)
    calls = list(one)
    for phase in ("step", *dict.fromkeys(call.phase for call in calls)):
        chosen = [call for call in calls if phase in ("step", call.phase)]
        program = session.ops.new_program()
        for call in chosen * REPEATED:
            program.append(call)

        def take(times: int, program: Any = program) -> float:
            begun = time.perf_counter()
            for _ in range(times):
                program.replay()
            session.ops.synchronize()
            return (time.perf_counter() - begun) / (times * REPEATED)

        take(3)
        taken = [take(replays) for _ in range(1 if leg.dry else ROUNDS)]
        yield {
            "name": f"G1 {phase or 'unnamed'}",
            "seconds": statistics.median(taken),
            "fastest": min(taken),
            "slowest": max(taken),
            "calls": len(chosen),
            "uncapturable": program.uncapturable,
        }


if __name__ == "__main__":
    leg = arguments()
    raise SystemExit(write_rows(leg, rows(leg)))
