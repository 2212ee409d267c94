"""What else is timed on single networks: powers of two against their neighbours, and predictions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from minisgd.lab.claims.experiment import Experiment, Unsuitable
from minisgd.lab.claims.lab import Lab
from minisgd.lab.claims.setting import Setting
from minisgd.lab.instruments.throughput.latency import latency
from minisgd.lab.instruments.throughput.pairs import PowersOfTwo, powers_of_two
from minisgd.lab.instruments.throughput.speed import Speed

POWERS = (8, 16, 32, 64, 128, 256)


@dataclass(frozen=True)
class ComparePowers(Experiment[PowersOfTwo]):
    """Time steps at powers of two and one example to either side, in random order."""

    alone: ClassVar[bool] = True

    setting: Setting = Setting()

    @property
    def name(self) -> str:
        return f"{self.setting.name}-powers-of-two"

    def seconds(self, lab: Lab) -> float:
        return 0.8 * len(self._powers(lab))

    def run(self, lab: Lab) -> PowersOfTwo:
        trial = lab.trial(self.setting)
        return powers_of_two(
            trial.network,
            trial.data,
            self._powers(lab),
            optimizer=trial.optimizer,
            loss=trial.loss,
            dtype=trial.dtype,
            device=trial.device,
            threads=lab.threads,
            seed=lab.seed,
        )

    def _powers(self, lab: Lab) -> list[int]:
        n = len(lab.trial(self.setting).data)
        powers = [power for power in POWERS if power < n]
        if len(powers) < 3:
            raise Unsuitable(f"{n} examples hold too few powers of two to compare")
        return powers[::2] if lab.hurried and len(powers) > 4 else powers


@dataclass(frozen=True)
class TimePredictions(Experiment[Speed]):
    """Time every prediction by itself, batch sizes visited in random order."""

    alone: ClassVar[bool] = True

    setting: Setting = Setting()

    @property
    def name(self) -> str:
        return f"{self.setting.name}-predictions"

    def seconds(self, lab: Lab) -> float:
        return 0.15 * len(self._sizes(lab))

    def run(self, lab: Lab) -> Speed:
        trial = lab.trial(self.setting)
        return latency(
            trial.network,
            trial.data,
            self._sizes(lab),
            dtype=trial.dtype,
            device=trial.device,
            threads=lab.threads,
            seed=lab.seed,
        )

    def _sizes(self, lab: Lab) -> tuple[int, ...]:
        trial = lab.trial(self.setting)
        return (1, *lab.held(trial))
