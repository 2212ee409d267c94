"""Where branches of a training run begin: at a network with weights, at the end of a run, or in the middle of one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from minisgd.data import Dataset
from minisgd.errors import DtypeError
from minisgd.lab.instruments.subject import require_single, training_part
from minisgd.nn import Loss, Network
from minisgd.optim import SGD, Optimizer
from minisgd.training import Run
from minisgd.training.session import Session
from minisgd.training.state import TrainingState
from minisgd.typing import HostArray

Subject: TypeAlias = Network | Run | TrainingState

BATCH_SIZE = 16
"""Where nothing else is known."""


@dataclass(frozen=True)
class BranchPoint:
    """The weights that branches go on from, the examples they see, and how the training run was tuned.

    arrays: weights, running statistics and, of a training run in progress, what its optimizer has gathered, each (1, …)
    """

    network: Network
    data: Dataset
    optimizer: Optimizer
    batch_size: int
    loss: Loss | None
    clip_norm: float | None
    arrays: dict[str, HostArray]

    @classmethod
    def of(
        cls, subject: Subject, data: Any, optimizer: Optimizer | None, batch_size: int | None, loss: Loss | None
    ) -> BranchPoint:
        """Take from the subject what was not given; another optimizer begins without state."""
        arrays: dict[str, HostArray] = {}
        clip_norm: float | None = None
        network: Any = subject if isinstance(subject, Network) else getattr(subject, "network", subject)
        if isinstance(subject, TrainingState):
            session = subject.session
            own = session.recipe.optimizer
            data, loss = subject.data if data is None else data, loss or session.recipe.loss
            batch_size = batch_size or session.size
            clip_norm = None if session.recipe.clip is None else session.recipe.clip.max_norm
            if optimizer is None:
                coming = own.schedule(session.progress())  # 0 behind the last update of many schedules
                optimizer = replace(own, lr=coming or session.lr)
                arrays = session.state()["arrays"]
        elif isinstance(subject, Run):
            data, loss = subject.data if data is None else data, loss or subject.loss
            last, own = subject.history[-1], subject.optimizer
            batch_size = batch_size or last["batch_size"]
            optimizer = replace(own, lr=last["lr"]) if optimizer is None else optimizer
        require_single(network)
        if data is None:
            fix = "pass a Dataset, a Split or a pair (x, y)"
            raise DtypeError("data", expected="the examples that a network is to see", got="nothing", fix=fix)
        ops = network.ops
        weights = {"parameters": ops.to_host(network.vector)[None], "statistics": ops.to_host(network.statistics)[None]}
        part = training_part(network, data, "train")
        return cls(
            network,
            part,
            SGD(lr=0.1) if optimizer is None else optimizer,
            batch_size or max(1, min(BATCH_SIZE, len(part) // 2)),
            loss,
            clip_norm,
            arrays | weights,
        )

    def enter(self, session: Session) -> None:
        """Bring every replica of a new session to this point.

        Args:
            session: Of the same network and, where the optimizer's state is known, the same optimizer.
        """
        session.restore_arrays(session.state()["arrays"] | self.arrays)
