from __future__ import annotations

import numpy as np
import pytest

from minisgd.data.target import TargetScale, guess_task, require_task
from minisgd.errors import ArgumentError, DataError

N = 200


@pytest.mark.parametrize(
    ("values", "name", "task", "reason"),
    [
        (np.array(["a", "b"] * 5), "y", "classification", "text"),
        (np.arange(6) % 2 == 0, "y", "classification", "true or false"),
        (np.arange(N) % 2 * 1.0, "y", "classification", "two distinct values, 0 and 1"),
        (np.arange(N) % 2 * 7.0 - 3, "y", "classification", "two distinct values, -3 and 4"),
        (np.arange(N) % 10, "y", "classification", "10 distinct whole numbers from 0 to 9, each at least 20 times"),
        (np.arange(N) % 3 + 1, "y", "classification", "3 distinct whole numbers from 1 to 3"),
        (np.arange(N) % 3 + 5, "class", "classification", "called 'class'"),
        (np.arange(N) % 6 + 3, "quality", "regression", "called 'quality', 6 distinct whole numbers"),
        (np.arange(N) % 5, "rating", "regression", "called 'rating'"),
        (np.arange(N) % 5, "n_visits", "regression", "called 'n_visits'"),
        (np.arange(N) % 40 + 1960, "year", "regression", "called 'year'"),
        (np.arange(N) % 40, "y", "regression", "40 distinct whole numbers"),
        (np.minimum(np.arange(N) % 60, 3), "y", "regression", "4 distinct whole numbers"),  # rare ones: a count
        (np.arange(N) / 7, "class", "regression", "numbers with fractions"),
        (np.eye(3)[np.arange(N) % 3], "", "classification", "one 1 in every row"),
        (np.array([[0, 1], [1, 1], [1, 0]]), "", "multilabel", "0 or 1 in every column"),
        (np.array([[0.5, 1], [1, 1], [1, 0]]), "", "regression", "2 columns of numbers"),
        (np.arange(N)[:, None] / 3, "", "regression", "numbers with fractions"),
    ],
)
def test_the_task_is_guessed_with_its_reason(values, name, task, reason):
    guess = guess_task(values, name)
    assert guess.task == task and guess.reason.startswith(reason)


def test_other_tasks_are_refused():
    require_task(None)
    require_task("regression")
    with pytest.raises(ArgumentError, match="task must be 'classification', 'regression', 'multilabel' or None"):
        require_task("classify")


@pytest.mark.parametrize("shape", [(50,), (50, 1), (50, 3)])
def test_targets_are_standardized_and_restored(shape):
    y = np.random.default_rng(0).normal(300, 40, shape).astype(np.float32)
    scale = TargetScale.of(y)
    t = scale.apply(y)
    assert t.shape == shape and t.dtype == np.float32
    np.testing.assert_allclose(t.reshape(50, -1).mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(t.reshape(50, -1).std(axis=0), 1, rtol=1e-5)
    np.testing.assert_allclose(scale.restore(t.reshape(50, -1)).reshape(shape), y, rtol=1e-5)


def test_constant_and_huge_targets():
    np.testing.assert_array_equal(TargetScale.of(np.full(3, 0.1)).std, [1.0])
    with pytest.raises(DataError, match="y must be targets of finite variance"):
        TargetScale.of(np.array([1e308, -1e308, 1e308]))
