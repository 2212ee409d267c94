"""Memory is known, not discovered: what a training step takes, before anything is allocated."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from minisgd.backend import Plan
from minisgd.checks import require_kind
from minisgd.errors import ArgumentError, MemoryLimitError
from minisgd.nn import BinaryCrossEntropy, Loss, MeanSquaredError, Network, SoftmaxCrossEntropy
from minisgd.nn.losses import LossLike, as_loss
from minisgd.nn.network import require_network
from minisgd.nn.sequential import clone
from minisgd.optim import SGD, ClipNorm, Optimizer, as_optimizer
from minisgd.optim.checks import count, positive
from minisgd.tables import Shown, bars
from minisgd.training.distributed.communicator import Communicator, PlannedRanks
from minisgd.training.feeds.feed import ExampleSpec, Feed
from minisgd.training.program_size import program_bytes
from minisgd.training.recipe import Recipe
from minisgd.typing import Shape

LARGEST_BATCH = 1 << 31
"""Where the search for the largest batch ends."""


@dataclass(frozen=True)
class MemoryPlan(Shown):
    """Bytes of a training step at one batch size, and how they grow: bytes(B) = bytes_fixed + B · bytes_per_example.

    The data set itself is not counted: it is the caller's, and stays as it is. Nor is the recorded program, which takes
    much the same at every batch size, and matters beside small networks only.

    Attributes:
        batch_size: B, examples of a batch.
        bytes: All bytes of a step.
        by_owner: Bytes by what they are for: parameters, gradients, optimizer state, …; "data" is the batch.
        bytes_fixed: Bytes that do not depend on the batch size.
        bytes_per_example: Bytes that every further example of a batch adds.
        recorded_program: About how many bytes the objects of the recorded program take besides, at most.
        limit: The limit in bytes, where one was given.
        largest_batch: The largest batch that fits under the limit in one piece.
        micro_batch: Examples computed at a time so that the batch fits under the limit.
    """

    batch_size: int
    bytes: int
    by_owner: dict[str, int]
    bytes_fixed: int
    bytes_per_example: int
    recorded_program: int
    limit: int | None = None
    largest_batch: int | None = None
    micro_batch: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as plain numbers."""
        return asdict(self)

    def __str__(self) -> str:
        lines = [
            f"batch size {self.batch_size}: {format_bytes(self.bytes)}",
            owners_text(self.by_owner),
            f"  bytes(B) = {format_bytes(self.bytes_fixed)} + B · {format_bytes(self.bytes_per_example)}",
            f"  and about {format_bytes(self.recorded_program)} for the recorded program, at any batch size",
        ]
        if self.limit is not None:
            lines.append(f"  largest batch under {format_bytes(self.limit)}: {self.largest_batch or 'none'}")
            if self.micro_batch is not None and self.micro_batch < self.batch_size:
                lines.append(f"  so a batch of {self.batch_size} is made of micro-batches of {self.micro_batch}")
        return "\n".join(lines)

    def picture(self) -> str:
        return bars(self.by_owner, format_bytes)


def memory_plan(
    network: Network,
    input_shape: Shape,
    batch_size: int,
    optimizer: Optimizer | None = None,
    *,
    loss: Loss | None = None,
    dtype: str = "float32",
    memory_limit: int | str | None = None,
    clip_norm: float | None = None,
    spec: ExampleSpec | None = None,
    ranks: int | Communicator | None = None,
) -> MemoryPlan:
    """Return what a training step takes, without allocating it.

    Args:
        network: The network; it is not changed and needs no weights.
        input_shape: Shape of one example.
        batch_size: B, examples of a batch.
        optimizer: The optimizer, for its state; SGD by default.
        loss: The loss; softmax cross-entropy by default.
        dtype: "float32" or "float64".
        memory_limit: Bytes, or text such as "512MiB"; adds the largest batch that fits and, where ``batch_size`` does
            not, the micro-batch that ``ms.train`` would choose.
        clip_norm: Limit of the gradient's norm, whose computation takes memory too.
        spec: Shape and dtype of the examples as they are stored; by default as the network reads them.
        ranks: Ranks that share every batch, 4 or ``ms.distributed.mpi()``: then the memory is that of one of them.

    Returns:
        The bytes of a step, by owner, and how they grow with the batch.

    Raises:
        ShapeError: If the network does not fit the input.
        ArgumentError: For a batch size or limit that is not positive.
        MemoryLimitError: If not even one example fits.
    """
    count("batch_size", batch_size, "use 32, for example")
    require_network(network)
    net: Network = clone(network).shape_only(input_shape, dtype)
    loss = loss_for(loss, "classification")
    if spec is None:
        outputs = net.output_shape
        labels = isinstance(loss, SoftmaxCrossEntropy)
        assert net.input_shape is not None
        spec = ExampleSpec(net.input_shape, dtype, "labels" if labels else "values", () if labels else outputs)
    require_kind(spec, ExampleSpec, "spec", "shape and dtype of the examples", "leave it out")
    clip = None if clip_norm is None else clip_to(clip_norm)
    several = ranks if ranks is None or isinstance(ranks, Communicator) else PlannedRanks(0, count("ranks", ranks, "4"))
    size = StepSize(net, loss, optimizer_for(optimizer), Feed(spec, dtype), clip, communicator=several)
    limit = None if memory_limit is None else parse_bytes(memory_limit)
    further = batch_size * (1 if several is None else several.shards)  # so that every shard has as many more
    plan = size.plan(batch_size, size.at_once(batch_size))
    slope = size.plan(batch_size + further, size.at_once(batch_size + further)).bytes() - plan.bytes()
    per_example = -(-slope // further)
    owners: dict[str, int] = {str(owner): n for owner, n in plan.bytes_by_owner().items()}
    return MemoryPlan(
        batch_size,
        plan.bytes(),
        owners,
        plan.bytes() - per_example * batch_size,
        per_example,
        program_bytes(size.recipe(batch_size, batch_size)),
        limit,
        None if limit is None else size.largest(limit),
        None if limit is None else size.micro_batch(batch_size, limit, size.at_once(batch_size)),
    )


@dataclass(frozen=True)
class StepSize:
    """Bytes of a training step as a function of the batch and the micro-batch.

    steps_per_launch: updates that a device takes between two messages from the host
    other_bytes: what a limit has to cover besides the step
    communicator: the ranks of which one takes this memory
    """

    network: Network
    loss: Loss
    optimizer: Optimizer
    feed: Feed
    clip: ClipNorm | None = None
    steps_per_launch: int = 1
    other_bytes: int = 0
    communicator: Communicator | None = None

    def at_once(self, batch_size: int) -> int:
        """Return how many examples are computed together: a batch, or where ranks share it a shard."""
        return batch_size if self.communicator is None else -(-batch_size // self.communicator.shards)

    def plan(self, batch_size: int, micro_batch: int) -> Plan:
        """Return the memory of a step."""
        return Plan(self.recipe(batch_size, micro_batch).requests())

    def recipe(self, batch_size: int, micro_batch: int) -> Recipe:
        """Return what is trained and how."""
        # micro-batches need the host in between
        steps_per_launch = self.steps_per_launch if micro_batch == batch_size else 1
        recipe = Recipe(self.network, self.loss, self.optimizer, self.feed, batch_size, micro_batch, self.clip)
        return replace(recipe, steps_per_launch=steps_per_launch, communicator=self.communicator)

    def _bytes(self, batch_size: int, micro_batch: int) -> int:
        return self.plan(batch_size, micro_batch).bytes() + self.other_bytes

    def largest(self, limit: int) -> int | None:
        """Return the largest batch that fits in one piece, or None."""
        return _largest(lambda b: self._bytes(b, self.at_once(b)) <= limit, LARGEST_BATCH)

    def micro_batch(self, batch_size: int, limit: int, most: int) -> int:
        """Return the most examples at a time with which a batch fits, ``most`` at most: the batch itself, or less.

        Raises:
            MemoryLimitError: If a single example does not fit.
        """
        if self._bytes(batch_size, most) <= limit:
            return most
        found = _largest(lambda m: self._bytes(batch_size, m) <= limit, most - 1)
        if found is None:
            least = self._bytes(batch_size, 1)
            raise MemoryLimitError(
                "memory_limit",
                expected=f"at least {format_bytes(least)}, the memory of a step with one example at a time",
                got=format_bytes(limit),
                fix="raise the limit, or use a smaller network or an optimizer with less state",
            )
        # the same number of micro-batches, as even as can be
        return -(-batch_size // -(-batch_size // found))


def _largest(fits: Any, bound: int) -> int | None:
    """Return the largest b in 1 … bound that fits, by bisection; memory grows with b."""
    if not fits(1):
        return None
    low, high = 1, 2
    while high <= bound and fits(high):
        low, high = high, 2 * high
    high = min(high, bound + 1)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


UNITS = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 2**10, "mib": 2**20, "gib": 2**30}


def owners_text(by_owner: Mapping[Any, int]) -> str:
    """Write who answers for how many bytes, a line each."""
    return "\n".join(f"  {owner:<16}{format_bytes(n):>12}" for owner, n in by_owner.items())


def parse_bytes(limit: int | str) -> int:
    """Return a number of bytes from a number or text such as "512MiB" or "2 GB".

    Raises:
        ArgumentError: For what is no whole number of bytes; names memory_limit.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*", str(limit).lower())
    size = float(match[1]) * UNITS.get(match[2], 0) if match is not None else 0.0
    if isinstance(limit, bool | float) or size < 1 or (match and match[2] in ("", "b") and size % 1):
        raise ArgumentError(
            "memory_limit",
            expected="a whole number of bytes, or text such as '512MiB' or '2GB'",
            got=limit,
            fix="write '512MiB'",
        )
    return int(size)


def format_bytes(n: float) -> str:
    """Write bytes for people, in binary units and to three digits: 512 B, 1.5 KiB, 3.2 MiB."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(n) < 999.5:
            return f"{n:.3g} {unit}"
        n /= 1024
    return f"{n:.3g} TiB"


def clip_to(norm: float) -> ClipNorm:
    """Return the clipping of gradients to a norm, by the name that users know it by."""
    return ClipNorm(positive("clip_norm", norm, "1.0 is customary; leave it out for no clipping"))


def loss_for(loss: LossLike | None, task: str) -> Loss:
    """Return the loss that was chosen, or else that of the task; refuse what is no loss."""
    return default_loss(task) if loss is None else as_loss(loss)


def optimizer_for(optimizer: Optimizer | str | None) -> Optimizer:
    """Return the optimizer that was chosen, or else SGD."""
    return SGD(lr=0.1) if optimizer is None else as_optimizer(optimizer)


def default_loss(task: str) -> Loss:
    """Return the loss of a task: cross-entropy for classes or labels, mean squared error for values."""
    losses: dict[str, type[Loss]] = {"classification": SoftmaxCrossEntropy, "multilabel": BinaryCrossEntropy}
    return losses.get(task, MeanSquaredError)()
