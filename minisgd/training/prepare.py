"""Everything that is checked and decided before the first step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from numbers import Integral
from typing import Literal, TypeAlias

from minisgd.backend import Plan, Precision, get_ops
from minisgd.checks import positive, require_one_of
from minisgd.data import Dataset
from minisgd.data.augmentation import Transform, as_transforms
from minisgd.data.checks import about
from minisgd.data.sampling import Sampler, Sequential, Shuffled, WithReplacement
from minisgd.errors import ArgumentError, DataError, DtypeError, ShapeError
from minisgd.nn import Loss, Network
from minisgd.nn.losses import LossLike
from minisgd.nn.network import require_network
from minisgd.nn.sequential import clone
from minisgd.optim import BatchSizeSchedule, ConstantBatch, Optimizer, as_batch_schedule, as_optimizer, measures_every
from minisgd.optim.batch_size import BatchSize
from minisgd.optim.rows import require_rows
from minisgd.sparse import SparseRows
from minisgd.training.consecutive_steps import ConsecutiveStepsSession
from minisgd.training.distributed.communicator import Communicator
from minisgd.training.distributed.session import DistributedSession
from minisgd.training.distributed.synchronised import SynchronisedSession
from minisgd.training.evaluation import Evaluator, evaluation_plan
from minisgd.training.feeds.device_feeds import ResidentFeed, StreamedFeed
from minisgd.training.feeds.feed import ExampleSpec, Feed, HostData
from minisgd.training.memory import StepSize, clip_to, loss_for, parse_bytes
from minisgd.training.multi_step import MultiStepSession
from minisgd.training.placement import evaluation_feed, place, planned_memory, room
from minisgd.training.recipe import Recipe
from minisgd.training.session import Session

Sampling: TypeAlias = Literal["shuffle", "sequential", "replacement"]

SAMPLERS: dict[str, type[Sampler]] = {"shuffle": Shuffled, "sequential": Sequential, "replacement": WithReplacement}


@dataclass(frozen=True)
class Prepared:
    """A training run that can begin: the network has weights, the recipe its memory."""

    recipe: Recipe
    data: Dataset
    batch_size: BatchSizeSchedule
    seeds: tuple[int, ...]

    def session(
        self,
        *,
        sampling: Sampling = "shuffle",
        last_batch: Literal["use", "drop"] = "use",
        epochs: float | None = None,
        steps: int | None = None,
        lr_factors: Sequence[float] | None = None,
        sampler: Sampler | None = None,
    ) -> Session:
        """Begin the training run; the short batch at the end of an epoch is recorded, and so refused, now."""
        require_one_of(sampling, SAMPLERS, "sampling")
        require_one_of(last_batch, ("use", "drop"), "last_batch")
        streamed = sampler is not None
        sampler = sampler or SAMPLERS[sampling](len(self.data), self.seeds, last=last_batch)
        recipe = self.recipe
        if recipe.network.couples_batch and (streamed or not isinstance(self.batch_size, ConstantBatch)):
            # what is left of an epoch is only known then: one example is no batch, nor fewer than there are shards
            sampler.least = max(2, recipe.communicator.shards) if recipe.communicator and recipe.synchronised else 2
        if sampling == "replacement":  # then even a full batch is not the whole set
            recipe = replace(recipe, feed=recipe.feed.each_its_own())
        net = recipe.network
        with planned_memory(net, lambda: Plan(recipe.requests())):
            session = self._session_type()(
                recipe,
                HostData.of(self.data.train, net.dtype),
                sampler,
                self.batch_size,
                seeds=self.seeds,
                epochs=epochs,
                steps=steps,
                lr_factors=lr_factors,
            )
            left = len(self.data) % recipe.batch_size if last_batch == "use" and not streamed else 0
            for b in {recipe.batch_size, left} - set(range(sampler.least)):
                session.record_parts(b)
        return session

    def _session_type(self) -> type[Session]:
        """Return how updates are taken: one by one where something is measured or added up in between."""
        recipe = self.recipe
        if recipe.communicator is not None:
            return SynchronisedSession if recipe.synchronised else DistributedSession
        if recipe.steps_per_launch > 1:
            return MultiStepSession
        foreseeable = not recipe.accumulates and measures_every(self.batch_size) is None
        return ConsecutiveStepsSession if recipe.network.ops.repeats_programs and foreseeable else Session

    def evaluator(self, split: str = "validation") -> Evaluator | None:
        """Return an evaluator of the network on a split, or None where there is no such split."""
        part = self.data.splits.get(split)
        if part is None:
            return None
        net, loss = self.recipe.network, self.recipe.loss
        feed = evaluation_feed(net, part, self.data.scale, type(self.recipe.feed))
        with planned_memory(net, lambda: evaluation_plan(net, loss, feed, len(part))):
            return Evaluator(net, loss, HostData.of(part, net.dtype), feed)


def prepare(
    network: Network,
    data: Dataset,
    optimizer: Optimizer | str,
    *,
    loss: LossLike | None = None,
    batch_size: BatchSize = 32,
    clip_norm: float | None = None,
    micro_batch: int | None = None,
    memory_limit: int | str | None = None,
    dtype: str = "float32",
    device: str | None = None,
    precision: Precision = "full",
    transform: Transform | Sequence[Transform] | None = None,
    seeds: int | Sequence[int] = 0,
    communicator: Communicator | None = None,
    streamed: bool = False,
) -> Prepared:
    """Check that network, data, loss and optimizer fit together, and decide the memory of a step.

    seeds: one, or a sequence of R for a stack of R replicas, each drawn anew from its seed.
    device: by default where the network is, and the CPU for one without weights
    streamed: whether the training examples are a buffer that changes on the way
    """
    require_network(network)
    optimizer = as_optimizer(optimizer)
    schedule = as_batch_schedule(batch_size, len(data))
    net = _built(network, data, dtype, device, precision, seeds)
    loss_fn: Loss = clone(loss_for(loss, data.task))  # a loss carries the arrays of one training run
    spec = ExampleSpec.of(data.train, data.scale, dtype)
    _check_outputs(net, loss_fn, data, spec)
    divided = micro_batch is not None or memory_limit is not None or communicator is not None
    full = schedule == ConstantBatch(len(data)) and not divided
    transforms = as_transforms(transform)
    if transforms and net.ops.device != "cpu":
        fix = "train on the CPU, or transform the data set beforehand"
        raise ArgumentError("transform", expected="left out on a GPU", got=transforms, fix=fix)
    # where the order matters, even the full batch is shuffled, and what is transformed is gathered every time
    shared = full and not net.order_matters and not transforms
    clip = None if clip_norm is None else clip_to(clip_norm)
    each = (int(seeds),) if isinstance(seeds, Integral) else tuple(int(s) for s in seeds)  # type: ignore[union-attr]
    largest = schedule.largest
    if micro_batch is not None:
        largest = min(largest, positive(micro_batch, "micro_batch"))
    if communicator is not None:
        communicator.require_device(net.ops.device)
        largest = min(largest, -(-schedule.largest // communicator.shards))
    limit = None if memory_limit is None else parse_bytes(memory_limit)

    def size(kind: type[Feed]) -> StepSize:
        # on the CPU a limit is for the step alone, as in the memory plan
        other_bytes = 0 if kind is Feed else evaluation(kind) + net.ops.own_bytes()
        foreseeable = kind is ResidentFeed and measures_every(schedule) is None and communicator is None
        steps_per_launch = net.ops.steps_per_launch if foreseeable else 1
        feed = kind(spec, dtype, shared=shared, n=len(data))
        return StepSize(net, loss_fn, optimizer, feed, clip, steps_per_launch, other_bytes, communicator)

    def evaluation(kind: type[Feed]) -> int:
        part = data.validation
        if part is None:
            return 0
        feed = evaluation_feed(net, part, data.scale, kind)
        return evaluation_plan(net, loss_fn, feed, len(part)).bytes(len(each))

    def training(kind: type[Feed]) -> int:
        wanted = size(kind)
        return wanted.plan(schedule.largest, largest).bytes(len(each)) + wanted.other_bytes

    kind = place(net.ops, room(net.ops, limit), training)
    if kind is ResidentFeed and (streamed or isinstance(data.train.x, SparseRows)):
        kind = StreamedFeed  # rows become dense, or are exchanged, on the host
    if limit is not None:
        largest = size(kind).micro_batch(schedule.largest, limit, largest)
    recipe = replace(size(kind).recipe(schedule.largest, largest), transforms=transforms)
    _check_rows(recipe)
    if communicator is not None and recipe.synchronised and largest * communicator.shards < schedule.largest:
        raise ArgumentError(
            "memory_limit" if micro_batch is None else "micro_batch",
            expected=f"enough for a shard of {-(-schedule.largest // communicator.shards)} examples: SyncBatchNorm "
            "normalises batches that are in memory",
            got=memory_limit if micro_batch is None else micro_batch,
            fix="leave it out, use more ranks, or use ms.BatchNorm",
        )
    return Prepared(recipe, data, schedule, each)


def _built(
    network: Network, data: Dataset, dtype: str, device: str | None, precision: Precision, seeds: int | Sequence[int]
) -> Network:
    if device is None:
        device = network.ops.device if network.is_built else "cpu"
    ops = get_ops(device, precision)
    if network.is_built and isinstance(seeds, Integral):
        if network.input_shape != data.input_shape:
            raise ShapeError(
                "data",
                expected=f"examples of shape {network.input_shape}, as the network was built for",
                got=data.input_shape,
                fix="reshape the data, or start from a network without weights",
            )
        if network.dtype != dtype:
            raise DtypeError(
                "dtype",
                expected=f"{network.dtype!r}, as the network has it",
                got=dtype,
                fix=f"pass dtype={network.dtype!r}",
            )
        net = network.moved(ops)
    else:
        net = clone(network).build(data.input_shape, seeds=seeds, dtype=dtype, ops=ops)
        if not network.is_built:
            network.shape_only(data.input_shape, dtype)  # so that ms.explain(network) knows them too
    if not net.n_parameters:
        got, fix = "layers without parameters", "add one, such as ms.Linear(10)"
        if net.statistics_layout.size:
            got, fix = "all layers frozen", "freeze fewer layers, such as network.freeze('hidden*')"
        raise ArgumentError("network", expected="at least one layer that learns", got=got, fix=fix)
    net.input_scale, net.classes = data.scale, data.classes
    scale = data.target.scale if data.target is not None else None
    net.output_scale = None if scale is None else (scale.mean, scale.std)
    return net


def _check_rows(recipe: Recipe) -> None:
    """Refuse what needs a whole gradient where only some rows of a tensor move."""
    names = recipe.rows()
    if not names:
        return
    require_rows(recipe.optimizer, recipe.network.layout, names)
    if recipe.accumulates:
        fix = "leave out micro_batch, memory_limit and communicator, or the embedding's sparse=True"
        expected = f"in one piece, as only the rows of a batch of {', '.join(names)} move"
        raise ArgumentError("batch", expected=expected, got="micro-batches or shards", fix=fix)


def _check_outputs(net: Network, loss: Loss, data: Dataset, spec: ExampleSpec) -> None:
    loss.declare((1, *net.output_shape), spec.kind)
    loss.check_target(data.train.y)
    for name, split in data.splits.items():
        with about(name):
            net.check_input(split.x, data.scale)
    outputs = net.output_shape[-1]
    if spec.kind == "labels" and outputs < data.n_classes:
        raise ShapeError(
            "network output",
            expected=f"at least {data.n_classes} values, one for each class of the data",
            got=outputs,
            fix=f"end the network with ms.Linear({data.n_classes})",
        )
    if spec.kind == "labels" and data.n_classes < 2:
        raise DataError(
            "data",
            expected="labelled with at least two classes",
            got=f"data labelled only {', '.join(data.classes or ())}",
            fix="add examples of another class",
        )
