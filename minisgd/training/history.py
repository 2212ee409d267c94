"""What a training run measured on its way: one record for every evaluation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

from minisgd.errors import missing_extra
from minisgd.tables import Table

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

    def __getitem__(self, key: str | int | slice) -> Any:
        return [record[key] for record in self.records] if isinstance(key, str) else self.records[key]

    def __len__(self) -> int:
        return len(self.records)

    def __iter__(self) -> Iterator[Record]:
        return iter(self.records)

    def to_pandas(self) -> Any:
        """Return the records as a data frame of pandas, a row an evaluation.

        Returns:
            A ``pandas.DataFrame``.

        Raises:
            MissingExtraError: If pandas is not installed.
        """
        fix = "pip install 'minisgd[data]', or use history.records"
        with missing_extra("pandas", expected="installed", got="no pandas", fix=fix):
            from pandas import DataFrame
        return DataFrame(self.records)

    def plot(self) -> Any:
        """Draw the losses against epochs, and what was measured on the validation split beside them.

        Returns:
            A matplotlib figure, which notebooks show and ``savefig`` writes.

        Raises:
            MissingExtraError: If matplotlib is not installed.
        """
        fix = "pip install 'minisgd[report]'"
        with missing_extra("matplotlib", expected="installed", got="no matplotlib", fix=fix):
            from matplotlib.figure import Figure
        parts = [part for part in (self.curves("loss"), self.curves("")) if part]
        page = Figure(figsize=(5.2 * max(len(parts), 1), 3.6), layout="constrained")
        for axes, part in zip(page.subplots(1, max(len(parts), 1), squeeze=False)[0], parts, strict=False):
            for name, points in part.items():
                axes.plot(*zip(*points, strict=True), label=name)
            axes.set_xlabel("epoch")
            axes.legend()
        return page

    def curves(self, ending: str) -> dict[str, list[tuple[float, float]]]:
        """Return what was measured against epochs: the losses, or all else.

        Args:
            ending: "loss" for the losses, "" for all else that was measured on the validation split.

        Returns:
            Points (epoch, value) by name.
        """
        names = [name for name in self.columns if name.startswith(("train_", "val_"))]
        chosen = [name for name in names if name.endswith("_loss") == bool(ending)]
        points = {
            name: [(record["epoch"] or 0.0, value) for record in self if (value := record[name]) is not None]
            for name in chosen
        }
        return {name: each for name, each in points.items() if each}

    def _repr_html_(self) -> str:
        rows = [["" if value is None else f"{value:.4g}" for value in record.values()] for record in self]
        return Table(self.columns, rows)._repr_html_()

    def __repr__(self) -> str:
        return f"History({len(self.records)} records: {', '.join(self.columns)})"
