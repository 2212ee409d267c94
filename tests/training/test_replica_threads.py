"""A crew of threads trains what one stack trains, bit for bit."""

from __future__ import annotations

from contextlib import closing
from functools import partial

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from minisgd.data.digits import digits
from minisgd.nn import BatchNorm, Linear, Network, ReLU
from minisgd.optim import Adam
from minisgd.training.prepare import prepare
from minisgd.training.replica_threads import ReplicaThreads

RATES = [1e-3, 3e-3, 1e-2, 3e-2, 1e-1]


def replica_threads(threads: int) -> ReplicaThreads:
    data = digits(validation=0.2)
    network = Network(Linear(16), BatchNorm(), ReLU(), Linear(10))
    some = partial(prepare, network, data, Adam(lr=1.0))
    return ReplicaThreads(
        lambda seeds: some(batch_size=64, seeds=seeds), range(5), RATES, threads=threads, last_batch="drop"
    )


def history(threads: int) -> list[np.ndarray]:
    """Train, let some replicas leave, train on; return all that was seen."""
    seen = []
    with closing(replica_threads(threads)) as c:
        for left in ([0, 1, 2, 3, 4], [0, 3, 4], [2]):
            c.keep(left)
            c.advance(7)
            score = c.score()
            assert score.accuracy is not None
            seen += [c.take_train_loss(), score.loss, score.accuracy]
            assert len(seen[-1]) == len(left)
        assert c.steps == 21
    return seen


@pytest.mark.parametrize("threads", [2, 3, 8])
def test_threads_change_nothing(threads: int) -> None:
    for one, several in zip(history(1), history(threads), strict=True):
        assert_array_equal(one, several)


def test_replicas_are_shared_out_evenly_and_a_member_without_any_leaves() -> None:
    with closing(replica_threads(2)) as c:
        assert [session.replicas for session in c.sessions] == [3, 2]
        c.keep([3, 4])
        assert [session.replicas for session in c.sessions] == [2]


def test_an_error_in_a_thread_reaches_the_caller() -> None:
    with closing(replica_threads(2)) as c:
        c.sessions[1].sampler.n = 0
        c.sessions[1].sampler._at = 0
        with pytest.raises(Exception, match="batch_size"):
            c.advance(1)


def test_more_threads_than_replicas() -> None:
    with closing(replica_threads(99)) as c:
        assert len(c.sessions) == 5
