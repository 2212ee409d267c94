"""What ranks compare before the first step, so that none trains something else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from minisgd.training.digest import settings_of
from minisgd.training.distributed.communicator import Communicator
from minisgd.training.identity import identity
from minisgd.training.state import TrainingState
from minisgd.version import __version__


def require_same_everywhere(communicator: Communicator, training: TrainingState, settings: Mapping[str, Any]) -> None:
    """Refuse ranks with other data, weights, arguments or versions.

    Raises:
        ArgumentError: Names the first difference; on every rank.
    """
    session = training.session
    more = {
        "epochs": session.total_epochs,
        "steps": session.total_steps,
        "version of minisgd": __version__,
        "version of NumPy": np.__version__,
        "weights": settings_of(session.ops.to_host(session.network.vector)),
    }
    communicator.require_same(identity(session, training.data, {**settings, **more}))
