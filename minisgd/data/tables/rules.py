"""How one column becomes features, as plain data that JSON can hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from math import isfinite
from typing import Any

from minisgd.data.tables.columns import Kind
from minisgd.errors import DataError

_KINDS = ("number", "boolean", "category", "date")


@dataclass(frozen=True)
class Rule:
    """How one column becomes features.

    number, boolean, date: (v − shift) / scale, with ``fill`` for a missing v, and a feature [missing] if ``indicator``
    category: a feature [v = level] per level, one for all others if ``other``, and [missing] if ``indicator``
    """

    column: str
    kind: Kind
    shift: float = 0.0
    scale: float = 1.0
    fill: float = 0.0
    indicator: bool = False
    levels: tuple[str, ...] = ()
    other: bool = False
    format: str = ""
    """Of dates."""

    @property
    def width(self) -> int:
        """How many features the column becomes."""
        own = len(self.levels) + self.other if self.kind == "category" else 1
        return own + self.indicator

    def features(self) -> list[str]:
        """Name the features."""
        own = [self.column]
        if self.kind == "category":
            own = [f"{self.column}={level}" for level in (*self.levels, *(("other",) if self.other else ()))]
        return own + [f"{self.column} missing"] * self.indicator

    def to_dict(self) -> dict[str, Any]:
        """Return the rule as what JSON can hold, defaults left out."""
        plain = {field.name: field.default for field in fields(self)}
        return {name: value for name, value in asdict(self).items() if value != plain[name]}

    @classmethod
    def from_dict(cls, values: Any) -> Rule:
        """Return the rule that ``to_dict`` wrote.

        Raises:
            DataError: For anything else.
        """
        kinds: dict[str, tuple[type, ...]] = {
            "column": (str,), "kind": (str,), "shift": (int, float), "scale": (int, float), "fill": (int, float),
            "indicator": (bool,), "levels": (list, tuple), "other": (bool,), "format": (str,),
        }  # fmt: skip
        sound = (
            isinstance(values, Mapping)
            and {"column", "kind"} <= values.keys() <= kinds.keys()
            and all(isinstance(value, kinds[name]) for name, value in values.items())
            and values["kind"] in _KINDS
            and all(isfinite(values.get(name, 1.0)) for name in ("shift", "scale", "fill"))
            and values.get("scale", 1.0) > 0
            and all(isinstance(level, str) for level in values.get("levels", ()))
        )
        if not sound:
            raise DataError("rule", expected="of the form that minisgd writes", got=values, fix="save the model again")
        return cls(**{**values, "levels": tuple(values.get("levels", ()))})
