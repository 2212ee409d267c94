"""The loop of a training run: update, evaluate, call back, keep; until the end, or until it is stopped."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf
from time import perf_counter

from minisgd.training.callbacks import Callback, acts_on_steps
from minisgd.training.divergence import DivergenceWatch
from minisgd.training.health import watch_channels, watch_health, watch_outputs
from minisgd.training.history import Record
from minisgd.training.interruption import Interruption
from minisgd.training.keeper import Keeper
from minisgd.training.state import TrainingState
from minisgd.typing import Array, HostArray

ProgressHook = Callable[[float, Record | None], None]


def run_to_end(
    training: TrainingState,
    callbacks: Sequence[Callback],
    evaluate_every: float,
    on_progress: ProgressHook,
    keeper: Keeper,
    interruption: Interruption,
) -> str:
    """Step and evaluate until the end; return why it ended."""
    session, stopped, sound = training.session, "finished", False
    training.due = evaluate_every
    watch_outputs(training)
    watch_channels(training)
    for callback in callbacks:
        callback.on_start(training)
    keeper.start()
    start = perf_counter() - training.seconds
    watch = DivergenceWatch(training)
    intervals = {callback.step_interval for callback in callbacks if acts_on_steps(callback)}

    def between(index: HostArray, gradient: Array) -> None:
        for callback in callbacks:
            callback.on_gradient(training, index, gradient)

    def due_now() -> bool:
        return session.steps == 1 or session.epochs >= training.due or session.share_done >= 1 or keeper.is_due

    def update() -> None:
        """Take one update that callbacks look at, or several, up to the first after which something is due."""
        begun = perf_counter()
        if any(session.steps % interval == 0 for interval in intervals):
            session.step(between)
        else:
            watched = min(((session.steps // k + 1) * k for k in intervals), default=inf)
            session.advance(lambda: due_now() or session.steps >= watched)
        if session.share_done >= 1 or session.epochs >= training.due:
            session.ops.synchronize()  # a device may still be at work, and that is training time
        training.train_seconds += perf_counter() - begun
        for callback in callbacks:
            callback.on_step(training)
        if session.steps == 1:
            training.first_loss = float(session.train_loss()[0])

    try:
        done = session.share_done
        if done < 1 and any(callback.has_stopped for callback in callbacks):
            stopped = "stopped by a callback"
        while stopped == "finished" and not (done >= 1 and training.is_evaluated):
            if done < 1:
                sound = False
                update()
                done = session.share_done
            training.seconds = perf_counter() - start
            regular = session.epochs >= training.due
            watch.check(now=regular or done >= 1, last=done >= 1)
            if done >= 1 and not regular:
                keeper.save()  # a longer training run would not evaluate here, and goes on from before
            if regular or done >= 1:
                training.due = (session.epochs // evaluate_every + 1) * evaluate_every
                record = training.evaluate()
                watch_health(training, record, last=done >= 1)
                on_progress(done, record)
                # every callback sees every evaluation, whichever asks to stop
                asked = [callback.on_evaluation(training, record) for callback in callbacks]
                if any(session.agree(any(asked))) and done < 1:
                    stopped = "stopped by a callback"
            else:
                on_progress(done, None)
            sound = regular or done < 1
            interrupted, save = session.agree(interruption.requested, keeper.is_due)
            if interrupted and done < 1:
                stopped = "interrupted"
            if save and done < 1 and stopped == "finished":
                keeper.save()
    except KeyboardInterrupt:
        if session.recipe.communicator is not None:
            raise  # other ranks wait for this one
        stopped = "interrupted"
    finally:
        session.ops.synchronize()  # what was put on the device's way is done before its programs go
        if sound:  # else an update, an evaluation or a callback was broken off, and the checkpoint before holds
            keeper.save()
        keeper.close()
        for callback in callbacks:
            callback.on_end(training)
        training.seconds = perf_counter() - start
    return stopped
