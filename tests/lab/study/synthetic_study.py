"""A made-up study that behaves like a real one: trials drawn from S(B) = Smin + Emin/B around an optimal lr."""

from __future__ import annotations

import numpy as np

from minisgd.lab.study.analysis import Setting, Trials, analyse
from minisgd.lab.study.batch_result import Curve
from minisgd.lab.study.result import StudyResult
from minisgd.lab.study.target import Target

SIZES = (1, 4, 16, 64, 256, 1024, 1437)


def trials(
    sizes: tuple[int, ...] = SIZES,
    s_min: float = 95.0,
    e_min: float = 9500.0,
    n_train: int = 1437,
    seeds: int = 5,
    noise: float = 0.25,
    lr_max: float = 1.0,
    limit: float = 40.0,
    target: Target | None = None,
    accuracy: bool = True,
    t0: float = 60e-6,
    r: float = 2.2e6,
) -> list[Trials]:
    """Draw the trials; a run that would take more than `limit` times the best steps is censored."""
    target = target or Target("val_accuracy", 0.95)
    rng = np.random.default_rng(0)
    grid = np.geomspace(1e-3, 4.0, 13)
    b_crit = e_min / s_min
    by_seed = noise * rng.standard_normal(seeds)
    out = []
    for size in sizes:
        best_lr = lr_max / (1 + b_crit / size)
        fewest = s_min + e_min / size
        lrs = grid[(grid > best_lr / 40) & (grid < best_lr * 25)]
        shape = np.cosh(1.1 * np.log(lrs / best_lr)) ** 0.9  # (L,)
        jitter = np.exp(0.3 * by_seed + 0.5 * noise * rng.standard_normal((len(lrs), seeds)))
        steps = fewest * shape[:, None] * jitter
        diverged = np.broadcast_to(lrs[:, None] > 4 * best_lr, steps.shape).copy()
        max_steps = int(min(limit * fewest, 4 * fewest + 4000))
        steps[diverged | (steps > max_steps)] = np.inf
        loss = np.where(diverged, np.nan, 0.05 * shape[:, None] ** 0.5 * jitter)
        curves = [_curve(row, max_steps, target, rng) for row in np.median(steps, axis=1)]
        step_seconds = (t0 + size / r) * float(np.exp(0.03 * rng.standard_normal()))
        out.append(
            Trials(
                batch_size=size,
                full=size == n_train,
                learning_rates=lrs,
                steps=steps,
                given=np.full(steps.shape, float(max_steps)),
                ran=np.ones(steps.shape, bool),
                diverged=diverged,
                train_loss=loss,
                val_accuracy=np.where(diverged, 0.1, 0.96 + 0.005 * jitter) if accuracy else None,
                max_steps=max_steps,
                step_flops=2.0e4 * size + 1e4,
                visits=step_seconds * np.exp(np.roll([-0.1, 0.0, 0.1], len(out))),
                memory_bytes=120_000 + 1_900 * size,
                curves=curves,
            )
        )
    return out


def _curve(steps: float, max_steps: int, target: Target, rng: np.random.Generator) -> Curve:
    """Draw an exponential approach that meets the target at `steps`."""
    last = min(steps, float(max_steps))
    at = np.unique(np.ceil(np.geomspace(max(last / 50, 1), max(last, 2), 25)))
    pace = at / (steps if np.isfinite(steps) else 3 * last)
    wobble = 0.004 * rng.standard_normal(len(at))
    if target.rises:
        metric = 0.98 - 0.88 * np.exp(-pace * np.log(0.88 / 0.03)) + wobble
    else:
        metric = target.value * np.exp(2.5 * (1 - pace)) * (1 + 5 * wobble)
    return Curve(tuple(at.tolist()), tuple((2.3 * np.exp(-3.8 * pace) + 0.02).tolist()), tuple(metric.tolist()))


def setting(target: Target | None = None, n_train: int = 1437, seeds: int = 5) -> Setting:
    return Setting(
        data="digits",
        model="mlp:64",
        optimizer="SGD with momentum 0.9",
        target=target or Target("val_accuracy", 0.95),
        n_train=n_train,
        seeds=tuple(range(seeds)),
        command="minisgd study --data digits --model mlp:64 --momentum 0.9 --out report",
        environment={
            "minisgd": "0.1.0",
            "python": "3.11.9",
            "numpy": "2.4.0",
            "BLAS": "openblas 0.3.30, 2 threads",
            "machine": "x86_64, 2 cores",
            "device": "cpu",
            "date": "2025-01-01",
        },
    )


def study() -> StudyResult:
    return analyse(trials(), setting())


def partial() -> StudyResult:
    """Draw a study that most batch sizes did not finish, with a loss to reach and no accuracy."""
    goal = Target("val_loss", 0.31)
    some = trials(sizes=(1, 8, 64, 512), n_train=512, seeds=3, target=goal, accuracy=False)
    for t in (some[0], some[2]):
        t.steps[:] = np.inf
    return analyse(some, setting(goal, 512, 3))


def single() -> StudyResult:
    return analyse(trials(sizes=(32,)), setting())


def nothing() -> StudyResult:
    some = trials(sizes=(1, 16, 1437))
    for t in some:
        t.steps[:] = np.inf
        t.diverged[:] = True
        t.train_loss[:] = np.nan
    return analyse(some, setting())
