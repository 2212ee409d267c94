"""What a caller may ask of the claims, checked before any work is done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np

from minisgd.checks import as_seed, is_integer
from minisgd.errors import ArgumentError, DataError
from minisgd.lab.claims.claim import Claim
from minisgd.lab.claims.lab import FEWEST_SIZES, Lab, default_sizes
from minisgd.lab.claims.setting import Setting
from minisgd.lab.study.identity import fingerprint, initial_weights
from minisgd.lab.trial import Trial
from minisgd.nn import Network
from minisgd.nn.network import require_network

FEWEST_SEEDS = 1
"""One seed has no interval, and so decides nothing; from two on intervals hold their level."""


def chosen_claims(only: Sequence[Any] | None, table: Mapping[int, Claim]) -> list[Claim]:
    """Return the claims that were asked for, in the order of their numbers.

    Raises:
        ArgumentError: No claim has such a number, or none is asked for.
    """
    if only is None:
        return [table[number] for number in sorted(table)]
    if isinstance(only, int | str):
        only = [only]
    for number in only:
        if isinstance(number, bool) or number not in table:
            near = get_close_matches(str(number), [str(known) for known in table], n=1, cutoff=0.5)
            fix = f"did you mean {near[0]}?" if near else f"choose among {', '.join(map(str, sorted(table)))}"
            if near and near[0] == number:
                fix = f"leave the quotes out: only=[{number}]"
            raise ArgumentError("only", expected="numbers of claims", got=number, fix=fix)
    if not len(only):
        raise ArgumentError("only", expected="at least one claim", got="none", fix="leave it out to have all answered")
    return [table[number] for number in sorted(set(only))]


def resolve_seeds(seeds: int, seed: int) -> tuple[int, ...]:
    """Return the seeds of the training runs, none of which another ``seed`` would use.

    Raises:
        ArgumentError: A number is out of range.
    """
    if not is_integer(seeds) or not FEWEST_SEEDS <= seeds <= 1000:
        raise ArgumentError("seeds", expected=f"from {FEWEST_SEEDS} to 1000", got=seeds, fix="use 8")
    return tuple(1000 * as_seed(seed) + k for k in range(seeds))


def check_network(network: Network) -> None:
    """Refuse what is no network, and weights that are not finite: whoever hands them over expects something of them."""
    require_network(network)
    if network.is_built and not np.isfinite(network.ops.to_host(network.vector)).all():
        raise DataError(
            "network",
            expected="finite in all its weights",
            got="NaN or infinity among them",
            fix="describe it anew: claims train from fresh weights",
        )


def laboratory(base: Trial, seeds: tuple[int, ...], threads: int | None, folder: Path | None) -> Lab:
    """Return what experiments work with, checked before anything is written."""
    sizes = resolve_sizes(len(base.data))
    trial = Lab(base, seeds, sizes, threads, None, {}).trial(Setting())
    for b in sizes:
        trial.prepare(b, 0).session(last_batch="drop")
    settings = {
        "data": fingerprint(base.data),
        "model": repr(base.network),
        "weights": initial_weights(trial),
        "loss": repr(base.loss),
        "dtype": base.dtype,
        "batch_sizes": sizes,
        "seeds": seeds,
    }
    return Lab(base, seeds, sizes, threads, folder, settings)


def resolve_sizes(n: int) -> tuple[int, ...]:
    """Return the batch sizes to compare among N examples.

    Raises:
        DataError: N leaves too few.
    """
    sizes = default_sizes(n)
    if len(sizes) < FEWEST_SIZES:
        raise DataError(
            "data",
            expected="at least 80 training examples, for batch sizes 4, 16 and 64",
            got=n,
            fix="add examples, or hold out fewer",
        )
    return sizes
