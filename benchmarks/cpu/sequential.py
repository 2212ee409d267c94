"""The training runs of a study one after the other, as one would write them in PyTorch or scikit-learn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np

HIDDEN = 64
"""Width of the default study's network, mlp:64."""


@dataclass(frozen=True)
class Order:
    """One training run to repeat: steps at a batch size, evaluated every few steps; short batches are dropped"""

    batch_size: int
    lr: float
    seed: int
    steps: int
    every: int
    val_accuracy: float | None
    """What the study reached."""


@dataclass(frozen=True)
class Data:
    """Training and validation examples, float32 and int64."""

    x: np.ndarray
    y: np.ndarray
    x_val: np.ndarray
    y_val: np.ndarray


Trainer = Callable[[Data, Order], tuple[int, float]]
"""Trains once; returns the steps taken (fewer if it refused to go on) and the final validation accuracy."""


def repeat(train: Trainer, data: Data, orders: Sequence[Order]) -> list[dict[str, Any]]:
    """Train one after the other and return what each took."""
    found = []
    for order in orders:
        start = perf_counter()
        steps, accuracy = train(data, order)
        seconds = perf_counter() - start
        found.append({"batch_size": order.batch_size, "steps": steps, "seconds": seconds, "val_accuracy": accuracy})
    return found


def torch_trainer(threads: int) -> Trainer:
    """Return training in eager PyTorch: fused SGD, batches by index_select, evaluation in inference mode."""
    import torch
    from torch import nn
    from torch.nn import functional as F

    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)

    def train(data: Data, order: Order) -> tuple[int, float]:
        torch.manual_seed(order.seed)
        x, y, x_val, y_val = map(torch.from_numpy, (data.x, data.y, data.x_val, data.y_val))
        model = nn.Sequential(nn.Linear(x.shape[1], HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 10))
        optimizer = torch.optim.SGD(model.parameters(), lr=order.lr, momentum=0.9, fused=True)
        total, accuracy, batches = torch.zeros(()), 0.0, iter(())
        for step in range(1, order.steps + 1):
            index = next(batches, None)
            if index is None:
                whole = len(x) // order.batch_size * order.batch_size
                batches = iter(torch.randperm(len(x))[:whole].split(order.batch_size))
                index = next(batches)
            loss = F.cross_entropy(model(x.index_select(0, index)), y.index_select(0, index))
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            total += loss.detach()
            if step % order.every == 0 or step == order.steps:
                with torch.inference_mode():
                    z = model(x_val)
                    F.cross_entropy(z, y_val).item()
                    accuracy = (z.argmax(1) == y_val).float().mean().item()
                total.item()
                total.zero_()
        return order.steps, accuracy

    return train


def sklearn_trainer(threads: int) -> Trainer:
    """Return training by MLPClassifier.partial_fit, over as many batches at a time as lie between evaluations."""
    from sklearn.metrics import log_loss
    from threadpoolctl import ThreadpoolController

    from benchmarks.cpu.rivals.sklearn_rival import classifier

    ThreadpoolController().limit(limits=threads)

    def train(data: Data, order: Order) -> tuple[int, float]:
        model = classifier((HIDDEN, 10), "sgd", order.lr).set_params(batch_size=order.batch_size)
        model.set_params(random_state=order.seed)
        whole, at, accuracy, done = len(data.x) // order.batch_size * order.batch_size, 0, 0.0, 0
        while done < order.steps:
            until = min(order.every - done % order.every, order.steps - done, (whole - at) // order.batch_size)
            stop = at + until * order.batch_size
            try:
                model.partial_fit(data.x[at:stop], data.y[at:stop], classes=np.arange(10))
            except ValueError:  # it refuses weights that are not finite
                break
            done, at = done + until, stop % whole
            if done % order.every == 0 or done == order.steps:
                probabilities = model.predict_proba(data.x_val)
                log_loss(data.y_val, np.nan_to_num(probabilities), labels=np.arange(10))
                accuracy = float(np.mean(probabilities.argmax(1) == data.y_val))
        return max(done, 1), accuracy

    return train


TRAINERS: dict[str, Callable[[int], Trainer]] = {"torch": torch_trainer, "sklearn": sklearn_trainer}
