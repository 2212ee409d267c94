from __future__ import annotations

import json

import numpy as np
import pytest

from minisgd.data.tables.columns import TableOptions, decide
from minisgd.data.tables.encoding import Encoding
from minisgd.data.tables.rules import Rule
from minisgd.data.tables.table import Table
from minisgd.errors import DataError

N = 100
TRAIN = np.arange(80)


def columns():
    rng = np.random.default_rng(0)
    size = rng.normal(50, 9, N)
    size[::10] = np.nan
    colour = np.array(["red", "green", "blue", ""] * 25, dtype=object)
    colour[5] = "mauve"
    return {
        "size": size,
        "ok": rng.integers(2, size=N).astype(bool),
        "colour": colour,
        "day": np.array([f"2020-03-{i % 31 + 1:02}" for i in range(N)], dtype=object),
        "y": np.arange(N) % 2,
    }


def fitted(options=None, **changes):
    options = options or TableOptions()
    table = Table.of("t.csv", columns() | changes)
    return table, Encoding.fit(table, TRAIN, decide(table, TRAIN, ["y"], options), options)


def test_features_are_what_the_rules_say():
    table, encoding = fitted()
    x = encoding.apply(table)
    assert x.dtype == np.float32 and x.shape == (N, encoding.width)
    names = encoding.features()
    assert names == ["size", "size missing", "ok", "colour=blue", "colour=green", "colour=mauve", "colour=red",
                     "colour missing", "day"]  # fmt: skip
    raw, column = columns(), dict(zip(names, x.T, strict=True))
    there = ~np.isnan(raw["size"])
    mean, std = np.nanmean(raw["size"][TRAIN]), np.nanstd(raw["size"][TRAIN])
    np.testing.assert_allclose(column["size"][there], (raw["size"][there] - mean) / std, rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(column["size"][~there], 0)
    np.testing.assert_array_equal(column["size missing"], ~there)
    np.testing.assert_array_equal(column["ok"], raw["ok"])
    for level in ("red", "mauve"):
        np.testing.assert_array_equal(column[f"colour={level}"], raw["colour"] == level)
    np.testing.assert_array_equal(column["colour missing"], raw["colour"] == "")
    assert abs(column["day"][TRAIN].mean()) < 1e-6 and column["day"][TRAIN].std() == pytest.approx(1, rel=1e-5)


def test_nothing_is_learned_from_other_rows():
    spoilt = columns()
    spoilt["size"][80:], spoilt["colour"][80:], spoilt["day"][80:] = 1e6, "violet", "1990-01-01"
    assert fitted()[1] == fitted(**spoilt)[1]


def test_rare_levels_are_joined():
    many = np.array([f"level {min(i // 2, 30)}" for i in range(N)], dtype=object)
    _, encoding = fitted(colour=many)
    names = [name for name in encoding.features() if name.startswith("colour")]
    assert len(names) == 21 and names[-1] == "colour=other"


def test_new_tables_may_have_other_orders_types_and_levels():
    table, encoding = fitted()
    x = encoding.apply(table)
    raw = columns()
    del raw["y"]
    turned = Table.of("new", dict(reversed(raw.items())) | {"extra": np.ones(N)})
    np.testing.assert_array_equal(encoding.apply(turned), x)
    as_text = raw | {
        "size": np.array(["" if np.isnan(v) else repr(float(v)) for v in raw["size"]], dtype=object),
        "ok": np.array(["yes" if v else "no" for v in raw["ok"]], dtype=object),
        "day": np.array(raw["day"], dtype="datetime64[D]"),
    }
    np.testing.assert_array_equal(encoding.apply(Table.of("new", as_text)), x)
    raw["colour"][:] = "never seen"
    new = encoding.apply(Table.of("new", raw))
    assert not new[:, 3:8].any()
    np.testing.assert_array_equal(encoding.apply(table, np.array([3, 1])), x[[3, 1]])


def test_unscaled_numbers_stay_and_gaps_become_the_mean():
    table, encoding = fitted(TableOptions(standardize=False))
    x, size = encoding.apply(table)[:, 0], columns()["size"]
    expected = np.where(np.isnan(size), np.nanmean(size[TRAIN]), size)
    np.testing.assert_allclose(x, expected, rtol=1e-6)


def test_numbers_may_be_categories():
    _, encoding = fitted(TableOptions(categorical=("count",)), count=np.arange(N) % 3 + 0.0)
    assert [name for name in encoding.features() if "count" in name] == ["count=0", "count=1", "count=2"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"size": None}, "new must be a table with the 4 columns .* got none called size; add what is missing"),
        ({"size": np.array(["big"] * N, object)}, "column 'size' must be numbers, as in training, got 'big'"),
        ({"size": np.full(N, np.inf)}, "column 'size' must be finite numbers, got infinity"),
        ({"size": np.full(N, "2020-01-01", "datetime64[D]")}, "column 'size' must be numbers, .* got dates"),
        ({"ok": np.array(["maybe"] * N, object)}, "column 'ok' must be true or false, as in training, got 'maybe'"),
        ({"day": np.array(["1.3.2020"] * N, object)}, "column 'day' must be dates written %Y-%m-%d"),
    ],
)
def test_new_tables_that_do_not_fit(changes, message):
    _, encoding = fitted()
    raw = {name: values for name, values in (columns() | changes).items() if values is not None}
    with pytest.raises(DataError, match=message):
        encoding.apply(Table.of("new", raw))


def test_json_keeps_all():
    table, encoding = fitted()
    again = Encoding.from_dict(json.loads(json.dumps(encoding.to_dict())))
    assert again == encoding
    np.testing.assert_array_equal(again.apply(table), encoding.apply(table))


@pytest.mark.parametrize(
    "values",
    [
        None, [], {}, {"rules": []}, {"rules": [1]}, {"rules": [{"column": "a"}]},
        {"rules": [{"column": "a", "kind": "numbers"}]}, {"rules": [{"column": 1, "kind": "number"}]},
        {"rules": [{"column": "a", "kind": "number", "scale": 0}]},
        {"rules": [{"column": "a", "kind": "number", "shift": float("nan")}]},
        {"rules": [{"column": "a", "kind": "category", "levels": [1]}]},
        {"rules": [{"column": "a", "kind": "number", "more": 1}]},
    ],
)  # fmt: skip
def test_other_json_is_refused(values):
    with pytest.raises(DataError, match="must be of the form that minisgd writes"):
        Encoding.from_dict(values)


def test_a_rule_writes_what_differs_from_the_default():
    assert Rule("a", "number", 1.0).to_dict() == {"column": "a", "kind": "number", "shift": 1.0}
