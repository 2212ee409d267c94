"""From the columns of a table to features: fitted on the training rows, applied to any others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, Literal

import numpy as np

from minisgd.data.tables.cells import as_numbers, as_text
from minisgd.data.tables.columns import MOST_LEVELS, RARE, Decision, TableOptions, blocks, require_trained_columns
from minisgd.data.tables.rules import Rule
from minisgd.data.tables.table import Table, Text
from minisgd.errors import DataError
from minisgd.typing import HostArray


@dataclass(frozen=True)
class Encoding:
    """The rules of all columns that are learned from, in the order of the features."""

    rules: tuple[Rule, ...]
    missing: Literal["impute", "drop", "refuse"] = "impute"

    @classmethod
    def fit(cls, table: Table, rows: HostArray, decisions: Sequence[Decision], options: TableOptions) -> Encoding:
        """Measure means, standard deviations and categories over the training rows, by number."""
        mean, std, gaps = _moments(table, rows)
        rules = []
        for decision in decisions:
            name, kind = decision.column, decision.kind
            if kind == "dropped":
                continue
            if kind == "category":
                rules.append(_category(name, as_text(table, name), rows))
                continue
            if name in table.place:
                k = table.place[name]
                middle, spread, gap = float(mean[k]), float(std[k]), bool(gaps[k])
            else:
                column = as_numbers(table, name, kind, decision.detail)[rows]
                middle, spread = float(np.nanmean(column)), float(np.nanstd(column)) or 1.0
                gap = bool(np.isnan(column).any())
            if not isfinite(middle + spread):
                raise DataError(
                    f"{table.source}: column {name!r}", expected="numbers of finite variance",
                    got="values near 1e308", fix="divide them by a power of 10",
                )  # fmt: skip
            shift, scale = (middle, spread) if options.standardize and kind != "boolean" else (0.0, 1.0)
            rules.append(Rule(name, kind, shift, scale, middle, gap, format=decision.detail))
        return cls(tuple(rules), options.missing)

    @property
    def width(self) -> int:
        """F, the number of features."""
        return sum(rule.width for rule in self.rules)

    def features(self) -> list[str]:
        """Name the features, F of them."""
        return [feature for rule in self.rules for feature in rule.features()]

    def apply(self, table: Table, rows: HostArray | None = None) -> HostArray:
        """Return the features (N, F) float32 of a table with the same columns, in any order, others ignored.

        rows: the numbers of some rows only

        Raises:
            DataError: For columns that are missing or hold something else than in training, and for gaps where these
                were to be refused.
        """
        require_trained_columns([rule.column for rule in self.rules], table)
        rows = np.arange(len(table)) if rows is None else rows
        x = np.zeros((len(rows), self.width), dtype=np.float32)
        together: list[tuple[int, int, Rule]] = []
        start = 0
        for rule in self.rules:
            if rule.kind == "category":
                self._fill_category(x[:, start : start + rule.width], rule, as_text(table, rule.column), rows)
            elif rule.column in table.place:
                together.append((start, table.place[rule.column], rule))
            else:
                column = as_numbers(table, rule.column, rule.kind, rule.format)[rows, None]
                self._fill_numbers(x, np.array([start]), column, (rule,))
            start += rule.width
        if together:  # some rows of all columns at a time: column by column takes long where these are many
            starts, places = (np.array([each[i] for each in together]) for i in (0, 1))
            rules, done = tuple(rule for _, _, rule in together), 0
            for some in blocks(rows, len(table.numeric)):
                self._fill_numbers(x[done : done + len(some)], starts, table.numbers[some][:, places], rules)
                done += len(some)
        return x

    def _fill_numbers(self, x: HostArray, starts: HostArray, values: HostArray, rules: tuple[Rule, ...]) -> None:
        """Write (v − shift) / scale of some rows to x (n, F), at the columns starts (k,).  values (n, k)"""
        shift, scale, fill = (
            np.array([getattr(rule, name) for rule in rules]) for name in ("shift", "scale", "fill")
        )  # (k,)
        gaps = np.isnan(values)
        if gaps.any():
            for k in np.flatnonzero(gaps.any(axis=0)):
                if rules[k].indicator:
                    x[:, starts[k] + 1] = gaps[:, k]
                elif self.missing == "refuse":
                    raise _gap(rules[k].column)
            values = np.where(gaps, fill, values)
        finite = np.isfinite(values).all(axis=0)
        if not finite.all():
            raise DataError(
                f"column {rules[int(finite.argmin())].column!r}",
                expected="finite numbers",
                got="infinity",
                fix="replace the value, or leave the cell empty",
            )
        x[:, starts] = (values - shift) / scale

    def _fill_category(self, x: HostArray, rule: Rule, column: Text, rows: HostArray) -> None:
        """Set the feature of the level of every row.  x (n, width)"""
        place = {level: k for k, level in enumerate(rule.levels)}
        other = len(rule.levels) if rule.other else -1
        missing = rule.width - 1 if rule.indicator else -1
        codes = column.codes[rows]
        if self.missing == "refuse" and not rule.indicator and (codes < 0).any():
            raise _gap(rule.column)
        feature = np.array([*(place.get(value, other) for value in column.values), missing])[codes]
        hit = np.flatnonzero(feature >= 0)
        x[hit, feature[hit]] = 1.0

    def to_dict(self) -> dict[str, Any]:
        """Return the encoding as what JSON can hold."""
        return {"missing": self.missing, "rules": [rule.to_dict() for rule in self.rules]}

    @classmethod
    def from_dict(cls, values: Any) -> Encoding:
        """Return the encoding that ``to_dict`` wrote.

        Raises:
            DataError: For anything else.
        """
        if not isinstance(values, Mapping) or not isinstance(values.get("rules"), list) or not values["rules"]:
            raise DataError(
                "encoding", expected="of the form that minisgd writes", got=values, fix="save the model again"
            )
        options = TableOptions(missing=values.get("missing", "impute"))
        return cls(tuple(Rule.from_dict(rule) for rule in values["rules"]), options.missing)


def _moments(table: Table, rows: HostArray) -> tuple[HostArray, HostArray, HostArray]:
    """Return mean, standard deviation (1 where nothing varies) and gaps of the numeric columns over rows, (K,) each."""
    k = len(table.numeric)
    count, total, squares = np.zeros(k), np.zeros(k), np.zeros(k)
    for some in blocks(rows, k):
        block = table.numbers[some]
        count += (~np.isnan(block)).sum(axis=0)
        with np.errstate(over="ignore"):
            total += np.nansum(block, axis=0)
    mean = total / np.maximum(count, 1)
    with np.errstate(over="ignore", invalid="ignore"):
        for some in blocks(rows, k):
            squares += np.nansum(np.square(table.numbers[some] - mean), axis=0)
    std = np.sqrt(squares / np.maximum(count, 1))
    std[~(std > 1e-12 * np.abs(mean))] = 1.0
    return mean, std, len(rows) - count


def _category(name: str, column: Text, rows: HostArray) -> Rule:
    """Return the rule of a category: its commonest levels in order of their text, all rare ones joined."""
    codes = column.codes[rows]
    counts = np.bincount(codes[codes >= 0], minlength=len(column.values))
    order = [k for k in np.argsort(-counts, kind="stable").tolist() if counts[k]]
    kept = [k for k in order[:MOST_LEVELS] if counts[k] >= RARE * len(rows)] or order[:1]
    if len(order) == len(kept) + 1 <= MOST_LEVELS:
        kept = order  # "other" would be one level under another name
    levels = tuple(sorted(column.values[k] for k in kept))
    return Rule(name, "category", levels=levels, other=len(kept) < len(order), indicator=bool((codes < 0).any()))


def _gap(name: str) -> DataError:
    return DataError(
        f"column {name!r}",
        expected="without gaps",
        got="missing values",
        fix="fill in the values, or train with missing='impute' (--missing impute)",
    )
