"""Do large batches find sharp minima?

Theory. Small batches were found to end in flat minima and large ones in sharp ones (Keskar et al. 2017, On large-batch
training for deep learning, section 2.2.1). But what shakes SGD out of sharp places is noise in proportion to lr/B
(Jastrzębski et al. 2017, Three factors influencing minima in SGD, section 3): with lr fixed a larger batch has less of
it, with lr/B fixed as much as before. Besides, no minimum can be sharper than 2/lr, whatever the noise.

Look at: all networks train for the same time, lr times updates, from the same weights. With lr fixed λmax grows with
the batch. With lr/B fixed it does not, until lr itself is so large that 2/lr caps it. So "large batches are sharp" is
a statement about lr/B, and sharpness figures without both numbers beside them say nothing. On the right, the same as
a picture: the loss around the two ends of the first curve, each along its own sharpest direction.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from _style import BLUE, GREY, ORANGE, arguments, panels, save

import minisgd as ms

LR, BATCH = 0.2, 8
"""Where the two rules meet."""

RULES = [
    ("lr fixed", lambda size: LR, [2, 4, 8, 16, 32, 64, 128], BLUE),
    ("lr/B fixed", lambda size: LR * size / BATCH, [2, 4, 8, 16, 32, 64], ORANGE),
]


def digits_as_values() -> ms.Dataset:
    """Return the digits with one-hot targets, for squared error: cross-entropy flattens by itself as it falls."""
    data = ms.datasets.digits(validation=0.2)
    train, held = (ms.Split(part.x, np.eye(10)[part.y]) for part in (data.train, data.validation))
    return ms.Dataset("digits", train, held, scale=data.scale)


def trained(data: ms.Dataset, size: int, lr: float, seed: int, time: float) -> ms.Run:
    """Train an MLP for a time lr · updates."""
    net = ms.Network(ms.Linear(32), ms.Tanh(), ms.Linear(10))
    net.build(data.input_shape, seeds=seed, init=ms.init.XavierNormal(0.5))
    steps = round(time / lr)
    return ms.train(net, data, optimizer=ms.SGD(lr=lr), batch_size=size, steps=steps, evaluate_every=steps, seed=seed)


def main(out: Path, seeds: int = 3, time: float = 1000.0) -> None:
    """Train by both rules, print and draw λmax, look around two of the minima."""
    data = digits_as_values()
    figure, (curvature, around) = panels("sharpness of the minimum", "loss around it, along its sharpest direction")
    ends = []
    print("rule            B      lr      lr/B   λmax over seeds     2/lr   training loss   validation loss")
    for rule, rate, sizes, colour in RULES:
        tops = np.empty((len(sizes), seeds))
        for i, size in enumerate(sizes):
            lr = rate(size)
            for seed in range(seeds):
                run = trained(data, size, lr, seed, time)
                top = ms.hessian_eigenvalues(run.network, data, tolerance=1e-3).top
                tops[i, seed] = top.value
            train, held = run.evaluate("train")["loss"], run.evaluate()["loss"]
            spread = f"{tops[i].mean():10.2f} ± {tops[i].std():.2f}"
            print(f"{rule:12}{size:5}{lr:8g}{lr / size:10.4g}{spread}{2 / lr:12.2f}{train:14.4f}{held:17.4f}")
            if rule == "lr fixed" and size in (sizes[0], sizes[-1]):
                ends.append((size, run.network, top.vector))
        curvature.errorbar(sizes, tops.mean(1), tops.std(1), color=colour, marker="o", ms=5, label=rule)
    sizes = np.geomspace(8, 64)
    curvature.plot(sizes, 2 * BATCH / (LR * sizes), color=GREY, ls="--", lw=1, label="2/lr, where lr/B is fixed")
    curvature.set(xscale="log", xlabel="batch size", ylabel="λmax of the Hessian", ylim=(0, 4.8))
    curvature.legend()
    for (size, network, direction), dashes in zip(ends, ("-", "--"), strict=True):
        line = ms.loss_line(network, data, direction=direction, span=(-0.5, 0.5))
        around.plot(line.t, line.loss, color=BLUE, ls=dashes, label=f"B = {size}, lr = {LR}")
        figures = ms.sharpness(network, data, lr=LR, batch_size=size, tolerance=1e-3)
        print(f"\nB = {size}, every figure of sharpness\n{figures}")
    around.set(xlabel="distance from the minimum", ylabel="training loss", ylim=(0, None))
    around.legend()
    save(figure, out)


if __name__ == "__main__":
    main(arguments(__file__, __doc__).parse_args().out)
