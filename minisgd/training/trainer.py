"""``ms.train``: from a network and a data set to a trained network."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from minisgd.backend import Precision
from minisgd.backend.cpu.threads import blas_threads, choose_threads
from minisgd.checks import as_seed, require_flag, require_function
from minisgd.data import Split
from minisgd.data.augmentation import Transform, as_transforms, with_soft_labels
from minisgd.data.stream import opened
from minisgd.data.target import Task
from minisgd.errors import ArgumentError, DivergedError
from minisgd.nn import Network
from minisgd.nn.losses import LossLike, as_loss
from minisgd.nn.network import require_network
from minisgd.optim import Optimizer, as_batch_schedule
from minisgd.optim.batch_size import BatchSize
from minisgd.training.arithmetic import quiet_arithmetic
from minisgd.training.automatic import chosen, is_auto
from minisgd.training.callbacks import Callback, require_callbacks
from minisgd.training.distributed.communicator import Communicator
from minisgd.training.identity import require_same_everywhere
from minisgd.training.intake import (
    ClassWeight,
    as_dataset,
    check_duration,
    default_batch_size,
    default_epochs,
    default_optimizer,
    weighted,
)
from minisgd.training.interruption import Interruption
from minisgd.training.keeper import Keeper
from minisgd.training.loop import ProgressHook, run_to_end
from minisgd.training.metrics import Metrics, as_metrics
from minisgd.training.placement import planned_memory
from minisgd.training.prepare import Sampling, prepare
from minisgd.training.progress import ProgressLine
from minisgd.training.run import Run
from minisgd.training.state import TrainingState
from minisgd.training.streaming import buffered, check_schedules, check_streamed, in_buffer


def train(
    network: Network,
    data: Any,
    *,
    optimizer: Optimizer | str | None = None,
    loss: LossLike | None = None,
    task: Task | None = None,
    batch_size: BatchSize | str | None = None,
    epochs: float | None = None,
    steps: int | None = None,
    sampling: Sampling = "shuffle",
    last_batch: Literal["use", "drop"] = "use",
    validation: float | tuple[Any, ...] | Split | None = None,
    metrics: Metrics | None = None,
    class_weight: ClassWeight | None = None,
    transform: Transform | Sequence[Transform] | None = None,
    callbacks: Sequence[Callback] = (),
    clip_norm: float | None = None,
    evaluate_every: float = 1.0,
    micro_batch: int | None = None,
    memory_limit: int | str | None = None,
    dtype: str = "float32",
    device: str | None = None,
    precision: Precision = "full",
    threads: int | None = None,
    seed: int = 0,
    progress: bool | None = None,
    on_progress: ProgressHook | None = None,
    checkpoint: str | Path | None = None,
    checkpoint_every: float | None = None,
    resume: str | Path | None = None,
    communicator: Communicator | None = None,
) -> Run:
    """Train a copy of a network by mini-batch gradient descent; the network passed in keeps its weights, or none.

    A network without weights starts from those that ``seed`` draws, one with weights goes on from them. The
    seed also fixes shuffling and dropout: the same call gives the same bits.

    Args:
        network: The network to start from.
        data: A Dataset, arrays (x, y) with x (N, …) and y (N,) or (N, O), a data frame whose last column is the target,
            or batches (x, y) of a generator, a function that makes one, a PyTorch DataLoader or an ms.Stream: what
            64 MiB do not hold is read as it comes, and shuffled within a buffer.
        optimizer: The optimizer, with its learning rate or schedule, or a name such as "adam"; by default SGD(lr=0.1),
            SGD(lr=0.05) for tables, and Adam(lr=0.001) for regression, Adam(lr=0.03) with one layer.
        loss: The loss, a name such as "huber", or a function (z, target) → losses (B,) of NumPy arrays, z (B, O) and
            target (B,) or (B, O), whose gradient is then taken by differences; by default softmax cross-entropy for
            classes, mean squared error for values.
        task: "classification", "regression" or "multilabel"; by default guessed from y.
        batch_size: Examples of a batch: 1 is stochastic, "full" is full-batch; or a schedule such as GrowBatch. By
            default 32, or all examples where these are fewer. "auto" is what a study of at most 20 s finds,
            "auto:1min" of a minute, with the best learning rate unless ``optimizer`` is an object, which has one; what
            was chosen is printed on stderr, unless ``progress`` is False.
        epochs: Passes over the training data; where ``steps`` is not given either 10, and over small tables up to 200.
        steps: Updates; where both are given, the training run ends with whichever ends first.
        sampling: "shuffle" anew each epoch, "sequential", or with "replacement".
        last_batch: "use" the short one at the end of an epoch, or "drop" it; where the batch size varies, a single
            example left over is dropped before BatchNorm, which cannot take it.
        validation: A fraction of the training data to hold out, or (x, y), where the data set has no such split.
        metrics: Names such as ["r2", "mae"] or ["f1", "auc"]; or functions (target, prediction) → number, by names of
            their own or of yours, given a prediction in the shape and units of y, class codes for classes; or
            ``ms.Metric``. Evaluated on the validation split, and tried on a few rows of it before the first step.
        class_weight: "balanced", or a weight by class name: what the training examples of a class count.
        transform: What is done to every training batch on the CPU: objects such as ms.Flip(), or functions
            (x, y, rng) → (x, y).
        callbacks: What to do between steps and evaluations.
        clip_norm: Limit of the gradient's norm; larger gradients are scaled down to it.
        evaluate_every: Epochs between evaluations.
        micro_batch: Examples to compute at a time; the gradient of the batch is the same, except that BatchNorm then
            normalises each part.
        memory_limit: Bytes, or text such as "512MiB"; a batch that does not fit is computed in micro-batches.
        dtype: "float32" or "float64", of weights and activations.
        device: "cpu", "cuda", or "auto", which is "cuda" where that works; by default where the network's weights are.
        precision: "full", or "tf32" for matrix products of float32 on the GPU with 10 bits of mantissa.
        threads: BLAS threads; by default chosen by the size of the matrix products.
        seed: Seed of initial weights, shuffling, dropout and the validation split.
        progress: Whether to show a line of progress on stderr; by default in a terminal or a notebook, once the
            training run has taken two seconds, and never where ``on_progress`` is given.
        on_progress: Called with the share of the training run done and, after an evaluation, its record.
        checkpoint: A folder in which the training run is kept while it goes, and at its end; by default that of
            ``resume``. The last two checkpoints stay.
        checkpoint_every: Epochs between checkpoints; by default about a minute.
        resume: A folder with checkpoints: go on from the last one, to the same bits as without the stop. All arguments
            that decide these must be as they were; ``epochs`` and ``steps`` may be more, unless a schedule spans them.
        communicator: ``ms.distributed.mpi()`` in a script that ``mpirun`` has started: the ranks share every batch, and
            all return the same network. Rank 0 writes checkpoints; every rank evaluates, and computes with one thread.

    Returns:
        The trained network, what was measured, and what it cost.

    Raises:
        ArgumentError: For a value out of range, or options that exclude each other.
        ShapeError: If network, data and loss do not fit together.
        DtypeError: For an argument of the wrong type.
        DataError: For data that cannot be learned from.
        MemoryLimitError: If one example at a time exceeds the limit.
        DivergedError: When the loss is no longer finite.
        CheckpointError: If there is no checkpoint to resume, or it is of another training run.
        OutputError: If checkpoints cannot be written.
    """
    seed = as_seed(seed)
    require_callbacks(callbacks)
    if progress is not None:
        require_flag(progress, "progress")
    require_function(on_progress, "on_progress", "(share, record)")
    require_network(network)
    loss = None if loss is None else as_loss(loss)
    data, stream = opened(data)
    if stream is not None:
        check_streamed(stream, validation, class_weight, sampling, epochs, resume)
    raw = weighted(as_dataset(data, validation, seed, task=task, loss=loss), class_weight)
    dataset = with_soft_labels(raw, transforms := as_transforms(transform))
    if stream is not None:
        dataset = in_buffer(dataset, dtype, sampling)
    measured = as_metrics(metrics, dataset.task)
    size: Any = default_batch_size(len(dataset), getattr(network, "couples_batch", False))
    if is_auto(batch_size):
        if resume is not None or communicator is not None:
            fix = "pass the one that was chosen, and its learning rate"
            argument = "resume" if communicator is None else "communicator"
            raise ArgumentError("batch_size", expected=f"a number with {argument}", got=batch_size, fix=fix)
        settings = {"memory_limit": memory_limit, "dtype": dtype, "device": device or "cpu", "threads": threads}
        keep = isinstance(optimizer, Optimizer)
        choice = chosen(batch_size, network, dataset, optimizer, loss, keep_rate=keep, seed=seed, **settings)
        size, optimizer = choice.batch_size, choice.optimizer
        if progress is not False:
            print(choice, file=sys.stderr)
    elif batch_size is not None:
        size = batch_size
    if epochs is None and steps is None:
        once = stream is not None and not stream.stream.repeats
        epochs = 1.0 if once else default_epochs(dataset, as_batch_schedule(size, len(dataset)).largest)
    check_duration(epochs, steps, evaluate_every)
    epochs = epochs if isinstance(epochs, int | float | None) else float(epochs)  # which a checkpoint can hold
    prepared = prepare(
        network,
        dataset,
        default_optimizer(dataset, network) if optimizer is None else optimizer,
        loss=loss,
        batch_size=size,
        clip_norm=clip_norm,
        micro_batch=micro_batch,
        memory_limit=memory_limit,
        dtype=dtype,
        device=device,
        precision=precision,
        transform=transforms,
        seeds=seed,
        communicator=communicator,
        streamed=stream is not None,
    )
    sampler = None
    if stream is not None:
        check_schedules(stream, len(dataset), prepared.batch_size, prepared.recipe.optimizer.schedule, steps)
        sampler = buffered(stream, raw, dataset, dtype, seed, sampling, last_batch)
    del data, raw  # which may hold a copy of the buffer in another dtype
    session = prepared.session(sampling=sampling, last_batch=last_batch, epochs=epochs, steps=steps, sampler=sampler)
    training = TrainingState(session, prepared.evaluator(), dataset, measured)
    training.try_metrics()
    decisive = {
        "sampling": sampling,
        "last_batch": last_batch,
        "clip_norm": clip_norm,
        "precision": precision,
        "transform": transforms,
        "seed": seed,
        "evaluate_every": evaluate_every,
        "callbacks": [type(callback).__name__ for callback in callbacks],
        "metrics": list(measured),
    }
    writes = True
    if communicator is not None:
        require_same_everywhere(communicator, session, dataset, decisive)
        writes, threads = communicator.rank == 0, threads or 1
    line = ProgressLine(progress if on_progress is None and writes else False)
    keeper = Keeper(training, callbacks, checkpoint, checkpoint_every, resume, decisive, writes)
    with (
        blas_threads(choose_threads(session.largest_product(), threads)),
        quiet_arithmetic(),
        planned_memory(session.network, lambda: session.plan),
        Interruption() as interruption,
    ):
        try:
            stopped = run_to_end(training, callbacks, evaluate_every, on_progress or line, keeper, interruption)
        except DivergedError as error:
            error.run = _finished(training, "diverged")
            raise
        finally:
            line.close()
    return _finished(training, stopped)


def _finished(training: TrainingState, stopped: str) -> Run:
    """Return what the training run leaves behind."""
    session = training.session
    evaluation_bytes = training.evaluator.plan.bytes() if training.evaluator else 0
    return Run(
        network=session.network.copy(),
        history=training.history,
        data=training.data,
        loss=session.recipe.loss,
        optimizer=session.recipe.optimizer,
        metrics=training.metrics,
        steps=session.steps,
        epochs=session.epochs,
        examples=session.examples,
        seconds=training.seconds,
        train_seconds=training.train_seconds,
        memory_bytes=session.plan.bytes() + evaluation_bytes + session.ops.own_bytes(),
        stopped=stopped,
        device=session.ops.device,
        warnings=tuple(training.warnings),
    )
