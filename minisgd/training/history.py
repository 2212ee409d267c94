"""What a training run measured on its way: one record for every evaluation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

Record: TypeAlias = dict[str, float | int | None]
"""step, epoch, examples, seconds, lr, batch_size, train_loss, val_loss, val_accuracy, and val_<metric>."""


class History:
    """The evaluations of a training run, in order.

    ``history["val_loss"]`` is a list over the evaluations, ``history[-1]`` the last record.
    train_loss is the mean loss of the batches since the previous record, as they were trained on.
    """

    def __init__(self) -> None:
        self.records: list[Record] = []

    def append(self, record: Record) -> None:
        """Add the record of an evaluation.

        Args:
            record: Numbers by name, the names of every record alike.
        """
        self.records.append(record)

    @property
    def columns(self) -> list[str]:
        """The names of what was measured."""
        return list(self.records[0]) if self.records else []

    def __getitem__(self, key: str | int) -> Any:
        return self.records[key] if isinstance(key, int) else [record[key] for record in self.records]

    def __len__(self) -> int:
        return len(self.records)

    def __iter__(self) -> Iterator[Record]:
        return iter(self.records)

    def __repr__(self) -> str:
        return f"History({len(self.records)} records: {', '.join(self.columns)})"
