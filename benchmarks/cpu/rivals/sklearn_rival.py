"""scikit-learn: MLPClassifier.partial_fit over stretches of the data, shuffled and cut into batches by itself."""

from __future__ import annotations

import numpy as np
from sklearn.neural_network import MLPClassifier
from threadpoolctl import ThreadpoolController

from benchmarks.cpu.rivals.rival import Rival, cross_entropy, cuts, faster


class Sklearn(Rival):
    def build(self, x: np.ndarray, y: np.ndarray, w: dict[str, np.ndarray]) -> None:
        self.x, self.y, self.at = x, y, 0
        self.model = classifier(self.workload.widths, self.workload.optimizer, self.workload.learning_rate(self.B))
        adopt(self.model, x[:1], y[:1], w)
        self.model.set_params(batch_size=self.B)

    def losses(self, orders: np.ndarray, steps: int) -> np.ndarray:
        batches = [orders[0, a:b] for a, b in cuts(orders.shape[1], self.B)]
        found = []
        for k in range(steps):
            rows = batches[k % len(batches)]
            if self.workload.kind == "predict":
                found.append(cross_entropy(np.log(self.model.predict_proba(self.x[rows])), self.y[rows]))
            else:
                self.model.set_params(batch_size=len(rows))
                self.model.partial_fit(self.x[rows], self.y[rows])
                found.append(self.model.loss_)
        self.model.set_params(batch_size=self.B)
        return np.array(found)[:, None]

    def tune(self) -> None:
        if self.task.cores > 1:
            threads = ThreadpoolController()
            faster([1, self.task.cores], lambda n: threads.limit(limits=n), lambda: self.run(10))

    def run(self, steps: int) -> int:
        if self.workload.kind == "predict":
            rows = min(steps * self.B, self.n)
            for a, b in cuts(rows, self.B):
                self.model.predict_proba(self.x[a:b])
            return rows
        examples = 0
        while examples < steps * self.B:
            stop = self.at + steps * self.B - examples
            if self.n - stop < self.B:  # the short batch goes with those before it
                stop = self.n
            self.model.partial_fit(self.x[self.at : stop], self.y[self.at : stop])
            examples += stop - self.at
            self.at = stop % self.n
        return examples


def classifier(widths: tuple[int, ...], optimizer: str, lr: float) -> MLPClassifier:
    """Return a classifier with the update rules of the workloads: heavy-ball momentum, no penalty."""
    return MLPClassifier(
        widths[:-1],
        solver=optimizer,
        learning_rate_init=lr,
        momentum=0.9,
        nesterovs_momentum=False,
        alpha=0.0,
        shuffle=True,
        random_state=0,
    )


def adopt(model: MLPClassifier, x: np.ndarray, y: np.ndarray, w: dict[str, np.ndarray]) -> None:
    """Give the classifier its weights: it allocates them in a first step, whose traces are wiped out."""
    model.partial_fit(x, y, classes=np.arange(10))
    for k, (W, b) in enumerate(zip(model.coefs_, model.intercepts_, strict=True)):
        W[...], b[...] = w[f"dense{k}.W"], w[f"dense{k}.b"]
    state = model._optimizer
    for name in ("velocities", "ms", "vs"):
        for array in getattr(state, name, []):
            array[...] = 0
    if hasattr(state, "t"):
        state.t = 0
