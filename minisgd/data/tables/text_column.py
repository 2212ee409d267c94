"""A column of text as the features of a table, by a lexicon of the training rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from minisgd.data.lexicon import Lexicon
from minisgd.data.tables.cells import as_text
from minisgd.data.tables.columns import Decision, require_trained_columns
from minisgd.data.tables.rules import Rule
from minisgd.data.tables.table import Table
from minisgd.errors import DataError
from minisgd.typing import HostArray

LEAST, MOST = 2, 5000
"""Words of a text column: those of at least two training texts, and the 5,000 commonest of them."""


@dataclass(frozen=True)
class TextEncoding:
    """A column and the lexicon that turns its texts into features; other columns do not count."""

    column: str
    lexicon: Lexicon
    rules: ClassVar[tuple[Rule, ...]] = ()

    @classmethod
    def fit(cls, table: Table, rows: HostArray, column: str) -> TextEncoding:
        """Return the encoding by the words of the training rows, by number.

        Raises:
            DataError: Where they have no word in common.
        """
        return cls(column, Lexicon.fit(_texts(table, column, rows), least=LEAST, most=MOST))

    def decisions(self, table: Table, target: tuple[str, ...]) -> list[Decision]:
        """Say what was decided about the columns."""
        reason = f"you said so; {len(self.lexicon):,} words by tf-idf"
        return [
            Decision(name, "text", reason)
            if name == self.column
            else Decision(name, "dropped", "not the text", "--text")
            for name in table.names
            if name not in target
        ]

    @property
    def width(self) -> int:
        """F, the number of features."""
        return self.lexicon.width

    def features(self) -> list[str]:
        """Name the features, F of them."""
        return list(self.lexicon.words)

    def apply(self, table: Table, rows: HostArray | None = None) -> HostArray:
        """Return the features (N, F) of a table with the column.

        Raises:
            DataError: Without it.
        """
        require_trained_columns([self.column], table)
        return self.lexicon.apply(_texts(table, self.column, np.arange(len(table)) if rows is None else rows))

    def to_dict(self) -> dict[str, Any]:
        """Return the encoding as what JSON can hold."""
        return {"text": self.column, "lexicon": self.lexicon.to_dict()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TextEncoding:
        """Return the encoding that ``to_dict`` wrote.

        Raises:
            DataError: For anything else.
        """
        if not isinstance(values["text"], str):
            raise DataError("encoding", expected="the name of a column", got=values["text"], fix="save the model again")
        return cls(values["text"], Lexicon.from_dict(values["lexicon"]))


def _texts(table: Table, column: str, rows: HostArray) -> list[str]:
    """Return the texts of some rows, by number; a missing one is empty."""
    text = as_text(table, column)
    values = [*text.values, ""]
    return [values[code] for code in text.codes[rows]]
