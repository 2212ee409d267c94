"""How much memory does a batch take, and what if it does not fit?

Theory. Weights, gradient and optimizer state do not depend on the batch; activations and their gradients grow with it.
So bytes(B) = fixed + B · per example, known before anything is allocated. A batch that does not fit is cut into
micro-batches whose gradients are added, each weighted by its share of the examples: {1, 2} and {3} have the mean 2,
and not 2.25, the mean of their means. The sum is the gradient of the batch, but for rounding. Batch normalisation
couples the examples of a batch (Ioffe and Szegedy 2015): there, and only there, micro-batches compute something else.

Look at: left, the plan by who owns the bytes, beside the most that training really allocated: some 130 KiB more, which
are Python's own objects. Above the limit the batch is cut. Right, how far the weights end from those of a training run
in one piece: rounding, about 1e-7 in float32 and 1e-16 in float64, however many pieces. One curve lies far above: that
is batch normalisation, and no rounding.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from _style import BLUE, GREEN, GREY, ORANGE, PURPLE, arguments, panels, save

import minisgd as ms

SIZES = [1, 4, 16, 64, 256, 1024]
COLOURS = dict(
    zip(
        ["parameters", "gradients", "optimizer state", "activations", "workspaces", "data"],
        [GREY, PURPLE, GREEN, BLUE, "#56B4E9", "#F0E442"],
        strict=True,
    )
)


def mlp(*norm: ms.Layer) -> ms.Network:
    """Return an MLP with or without a layer of normalisation."""
    return ms.Network(ms.Linear(128), *norm, ms.ReLU(), ms.Linear(64), ms.ReLU(), ms.Linear(10))


def distance(net: ms.Network, data: ms.Dataset, micro_batch: int, dtype: str, steps: int) -> float:
    """Return |w − w′| / |w| after training with a batch of 1024, in one piece (w) and in micro-batches (w′)."""
    ends = [
        ms.train(
            net, data, optimizer=ms.SGD(lr=0.2, momentum=0.9), batch_size=1024, micro_batch=m, dtype=dtype, steps=steps
        )
        for m in (None, micro_batch)
    ]
    w, w_ = (run.network.vector for run in ends)
    return float(np.linalg.norm(w - w_) / np.linalg.norm(w))


def main(out: Path, steps: int = 20, limit: str = "512KiB") -> None:
    """Plan, measure, train within the limit, and compare with training in one piece."""
    data, adam = ms.datasets.digits(), ms.Adam(lr=0.001)
    figure, (memory, apart) = panels("memory of a training step", f"weights after {steps} updates of 1,024 examples")

    plans = [ms.memory_plan(mlp(), data.input_shape, size, adam) for size in SIZES]
    measured = [point.measured_bytes for point in ms.memory_fit(mlp(), data, SIZES, optimizer=adam).points]
    print("    B    planned   allocated")
    for plan, peak in zip(plans, measured, strict=True):
        print(f"{plan.batch_size:5}{plan.bytes / 1024:7.0f} KiB{peak / 1024:8.0f} KiB")
    base = np.zeros(len(SIZES))
    for owner, colour in COLOURS.items():
        part = np.array([plan.by_owner.get(owner, 0) / 1024 for plan in plans])
        memory.bar([str(size) for size in SIZES], part, bottom=base, color=colour, label=owner)
        base += part
    memory.plot([str(size) for size in SIZES], np.array(measured) / 1024, "kD", ms=5, mfc="white", label="allocated")
    memory.axhline(512, color=ORANGE, lw=1.2, ls="--")
    memory.annotate(limit, (-0.5, 512), (0, 5), textcoords="offset points", color=ORANGE)
    memory.set(xlabel="batch size", ylabel="KiB")
    memory.legend(fontsize=8)

    print(f"\nunder a limit of {limit}:\n{ms.memory_plan(mlp(), data.input_shape, 1024, adam, memory_limit=limit)}")
    whole = ms.train(mlp(), data, optimizer=adam, batch_size=1024, steps=steps)
    parts = ms.train(mlp(), data, optimizer=adam, batch_size=1024, steps=steps, memory_limit=limit)
    print(
        f"validation loss {whole.evaluate()['loss']:.6f} in one piece, {parts.evaluate()['loss']:.6f} under the limit\n"
    )

    micro = [16, 32, 64, 128, 256, 512]
    for name, net, dtype, colour in [
        ("float32", mlp(), "float32", BLUE),
        ("float64", mlp(), "float64", GREEN),
        ("float64, batch normalisation", mlp(ms.BatchNorm()), "float64", ORANGE),
    ]:
        far = [distance(net, data, m, dtype, steps) for m in micro]
        print(f"{name:30} relative distance of the weights {min(far):.1e} to {max(far):.1e}")
        apart.plot(micro, far, color=colour, marker="o", ms=4)
        apart.annotate(name, (micro[0], far[0]), (0, 7), textcoords="offset points", color=colour)
    apart.set(
        xscale="log", yscale="log", xlabel="micro-batch", ylabel="relative distance from one piece", ylim=(1e-18, 30)
    )
    save(figure, out)


if __name__ == "__main__":
    main(arguments(__file__, __doc__).parse_args().out)
