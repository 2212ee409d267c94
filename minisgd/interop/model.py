"""What is written for other frameworks: a network with weights, and the preprocessing of its data, if there is any."""

from __future__ import annotations

from typing import Any, TypeAlias

from minisgd.data.preprocessing import Preprocessing
from minisgd.errors import ArgumentError, DtypeError
from minisgd.nn import Network
from minisgd.training import Predictor, Run

Model: TypeAlias = Run | Predictor | Network


def parts_of(model: Any) -> tuple[Network, Preprocessing | None]:
    """Return the network of a training run, a model, a fitted estimator or a network itself, and the preprocessing.

    Raises:
        DtypeError: For anything else.
        ArgumentError: For a network without weights, or a stack of replicas.
    """
    model = getattr(model, "model_", model)  # of an estimator
    model = model.model if isinstance(model, Run) else model
    network = model.network if isinstance(model, Predictor) else model
    if not isinstance(network, Network):
        fix = "pass what ms.train or ms.load_model returned"
        raise DtypeError("model", expected="a run, a model or an ms.Network", got=type(model).__name__, fix=fix)
    network.require_built()
    if network.lead:
        fix = "take one of them: network.replica(0)"
        raise ArgumentError("model", expected="a single network", got=f"{network.lead[0]} replicas", fix=fix)
    return network, model.preprocessing if isinstance(model, Predictor) else None
