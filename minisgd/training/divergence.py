"""Notice that a training run diverges, and where: the first number that was not finite."""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite
from time import perf_counter

import numpy as np

from minisgd.errors import DivergedError
from minisgd.nn.layer import Leaf
from minisgd.training.health import unscaled
from minisgd.training.session import Session
from minisgd.training.state import TrainingState
from minisgd.typing import Array

FACTOR = 1e4
"""A training loss this many times the first one is a divergence that has not overflowed yet."""
EVERY, SECONDS = 20, 0.05
"""A device that is still at work is asked after so many updates, and not before so much time has passed."""
SHARE = 0.02
"""The part of the time that keeping the state of such a device may take."""


class DivergenceWatch:
    """Looks at the training loss after every update, or every few where looking means waiting for a device.

    There the state is kept on the host now and then: where a run has diverged, the updates since then are taken again,
    one by one, up to the one at fault, which the message names.
    """

    def __init__(self, training: TrainingState) -> None:
        self.training = training
        self._pause = SECONDS
        if not training.session.waits:
            self._keep()

    def check(self, *, now: bool, last: bool) -> None:
        """Look, where it is time to.

        now: look in any case   last: there are no more updates, whose loss would show what became of the weights

        Raises:
            DivergedError: If the training loss or, after the last update, the weights are not finite, or the loss is
                far above what it began with.
        """
        training, session = self.training, self.training.session
        waits = session.waits
        due = not waits and session.steps - self._steps >= EVERY and perf_counter() - self._when >= self._pause
        if not (now or due or waits):
            return
        if self._is_sound() and not (last and not _is_finite(session)):
            if due:
                self._keep()
            return
        if not waits:
            self._take_again()
        loss, first = float(session.train_loss()[0]), training.first_loss
        where = first_not_finite(session)
        record = training.evaluate()
        raise DivergedError(
            "training loss",
            expected=f"finite, and not far above the {first:.3g} it began with" if isfinite(first) else "finite",
            got=f"{loss:.3g} {where}, at lr {record['lr']:g} and batch size {record['batch_size']}",
            fix=f"{'; or '.join(filter(None, [unscaled(training), 'lower the learning rate']))}, "
            "or clip the gradient (clip_norm=1.0)",
        )

    def _is_sound(self) -> bool:
        loss = float(self.training.session.train_loss()[0])
        return isfinite(loss) and loss <= FACTOR * (1 + abs(self.training.first_loss))

    def _keep(self) -> None:
        """Keep the state of the training run, and wait for the next time so long that this costs a small share."""
        session, begun = self.training.session, perf_counter()
        self._steps, self._state = session.steps, session.state()
        self._when = perf_counter()
        self._pause = max(SECONDS, (self._when - begun) / SHARE)

    def _take_again(self) -> None:
        """Take the updates since then once more, up to the first whose loss tells."""
        session, last = self.training.session, self.training.session.steps
        session.restore(self._state)
        while session.steps < last and self._is_sound():
            session.step()


def first_not_finite(session: Session) -> str:
    """Return in which step, and in which layer, the first number appeared that is not finite, as far as is known."""
    arrays, to_host = _in_order_of_computation(session), session.ops.to_host
    name = next((name for name, array in arrays if not np.isfinite(to_host(array)).all()), None)
    return f"by step {session.steps}" if name is None else f"in step {session.steps}, first in {name}"


def _in_order_of_computation(session: Session) -> Iterator[tuple[str, Array]]:
    """Yield the arrays that the last update has left in memory, by what they are called in a message."""
    net = session.network
    assert net.input_shape is not None
    session.record_gradient(session.held)  # gives the layers these arrays again, and computes nothing
    for leaf in net.leaves((session.held, *net.input_shape), ""):
        yield f"the output of {_label(leaf)}", leaf.layer.y
    yield f"the loss {type(session.recipe.loss).__name__}", session.recipe.loss.losses
    for segment in reversed(list(net.layout)):
        yield f"the gradient of {segment.name}", segment.view(session.gradient)
    for layout, vector in ((net.layout, net.vector), (net.statistics_layout, net.statistics)):
        for segment in layout:
            yield segment.name, segment.view(vector)


def _label(leaf: Leaf) -> str:
    return leaf.layer.label if leaf.layer.name else f"{leaf.layer.label} (layer {leaf.path})"


def _is_finite(session: Session) -> bool:
    weights = session.network.vector, session.network.statistics
    return all(bool(np.isfinite(session.ops.to_host(array)).all()) for array in weights)
