"""What happens to the curvature when full-batch descent trains on and on?

Theory. On a quadratic gradient descent is stable only where λmax < 2/lr. On a network λmax is not given: training
raises it (progressive sharpening) until it stands at 2/lr. There it stays, and the loss goes on falling, though
no longer at every step: the edge of stability (Cohen et al. 2021, Gradient descent on neural networks typically
occurs at the edge of stability, section 3). So the learning rate chooses the curvature.

Look at: λmax climbs to 2/lr and holds there, for each learning rate at its own height; the last column should be
near 1. Past that point the loss is jagged, and falls nevertheless. Squared error, tanh and 200 digits, like the
paper's small experiments; with cross-entropy λmax falls again once all examples are fitted.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from _style import BLUE, GREY, ORANGE, arguments, panels, save

import minisgd as ms

RATES = {0.5: BLUE, 1.0: ORANGE}


def main(out: Path, steps: int = 4000, every: int = 40) -> None:
    """Train at each rate, watch λmax, print where it settles, draw."""
    digits = ms.datasets.digits(validation=None).subset(200, seed=0)
    one_hot = np.eye(10)[digits.train.y]
    data = ms.Dataset("200 digits", ms.Split(digits.train.x, one_hot), scale=digits.scale)
    net = ms.Network(ms.Linear(32), ms.Tanh(), ms.Linear(32), ms.Tanh(), ms.Linear(10))
    net.build(data.input_shape, init=ms.init.Normal(0.1))  # small weights: the loss is flat at first
    figure, (sharpness, loss) = panels("largest curvature of the loss", "the loss itself")
    print("   lr     2/lr   λmax at the start   highest   over the last third   ratio")
    for lr, colour in RATES.items():
        tracker = ms.SharpnessTracker(every)
        run = ms.train(net, data, optimizer=ms.SGD(lr=lr), batch_size="full", steps=steps, callbacks=[tracker])
        seen, late = tracker.lambda_max, np.median(tracker.lambda_max[-len(tracker.steps) // 3 :])
        print(f"{lr:5}{2 / lr:9.2f}{seen[0]:20.2f}{seen.max():10.2f}{late:22.2f}{late * lr / 2:8.2f}")
        sharpness.plot(tracker.steps, tracker.lambda_max, color=colour, label=f"lr {lr:g}")
        sharpness.axhline(2 / lr, color=colour, lw=1, ls="--")
        loss.plot(run.history["step"], run.history["train_loss"], color=colour, lw=0.7, label=f"lr {lr:g}")
    sharpness.plot([], [], color=GREY, lw=1, ls="--", label="2/lr")
    sharpness.set(xlabel="updates", ylabel="λmax of the Hessian", ylim=(0, None))
    loss.set(xlabel="updates", ylabel="training loss (squared error)", yscale="log")
    for ax in (sharpness, loss):
        ax.legend()
    save(figure, out)


if __name__ == "__main__":
    main(arguments(__file__, __doc__).parse_args().out)
