from __future__ import annotations

import numpy as np
import pytest

from minisgd.data.tables.columns import TableOptions, date_format, decide
from minisgd.data.tables.table import Table
from minisgd.errors import ArgumentError, DataError

N = 60
RNG = np.random.default_rng(0)
TEXT = np.array(["a", "b", "c"] * 20, dtype=object)
GAPPY = np.where(np.arange(N) < 2, "", TEXT).astype(object)
DOSES = np.array([str(i / 4) if i != 30 else "n.d." for i in range(N)], dtype=object)
NAMES = np.array([f"Mr {i}" for i in range(N)], dtype=object)
PROSE = np.array([f"a film of {i} hours" for i in range(N)], dtype=object)
DAYS = np.array([f"2020-01-{i % 28 + 1:02}" for i in range(N)], dtype=object)

# what the column holds | where it stands | what it is taken for | why | the option that says otherwise
COLUMNS = [
    ("Unnamed: 0", np.arange(N), "dropped", "numbers the rows", "--keep-index"),
    ("first", np.arange(1, N + 1), "dropped", "numbers the rows", "--keep-index"),
    ("year", np.arange(N) + 1950, "number", "1950 to 2009", "--categorical year"),
    ("Unnamed: 0", NAMES, "dropped", "names the rows", "--keep-index"),
    ("same", np.full(N, 3), "dropped", "always 3", ""),
    ("same", np.full(N, "x", object), "dropped", "always 'x'", ""),
    ("gone", np.full(N, np.nan), "dropped", "no values at all", ""),
    ("gone", np.full(N, "", object), "dropped", "no values at all", ""),
    ("size", RNG.normal(size=N).clip(-1, 1), "number", "-1 to 1", "--categorical size"),
    ("gaps", np.where(np.arange(N) < 3, np.nan, np.arange(N)), "number", "3 to 59, 3 missing", "--categorical gaps"),
    ("ok", np.arange(N) % 2 == 0, "boolean", "true or false", "--drop ok"),
    ("ok", np.array(["yes", "No"] * 30, object), "boolean", "No or yes", "--categorical ok"),
    ("kind", TEXT, "category", "3 different texts", "--drop kind"),
    ("kind", GAPPY, "category", "3 different texts, 2 missing", "--drop kind"),
    ("name", NAMES, "dropped", "60 different texts in 60 rows, such as 'Mr 0'", "--categorical name"),
    ("dose", DOSES, "dropped", "60 different texts in 60 rows, such as 'n.d.'", "--categorical dose"),
    ("review", PROSE, "dropped", "60 different texts in 60 rows, such as 'a film of 0 hours'", "--text review"),
    ("day", DAYS, "date", "dates written %Y-%m-%d", "--categorical day"),
    ("day", np.array(["2020-01-01", "2021-01-01"] * 30, "datetime64[D]"), "date", "dates, as days", "--drop day"),
]  # fmt: skip


def table(name, values, **others):
    return Table.of("t.csv", {name: values, "more": np.arange(N) / 7, "y": np.arange(N) % 2, **others})


@pytest.mark.parametrize(("name", "values", "kind", "reason", "option"), COLUMNS)
def test_every_rule(name, values, kind, reason, option):
    decision = decide(table(name, values), np.arange(N), ["y"], TableOptions())[0]
    assert (decision.column, decision.kind, decision.option) == (name, kind, option)
    assert decision.reason.startswith(reason)


def test_options_say_otherwise():
    numbered = table("id", np.arange(N), kind=TEXT)
    rows = np.arange(N)

    def kinds(**options):
        return {d.column: d.kind for d in decide(numbered, rows, ["y"], TableOptions(**options))}

    assert kinds() == {"id": "dropped", "more": "number", "kind": "category"}
    assert kinds(keep_index=True)["id"] == "number"
    assert kinds(drop=("kind",))["kind"] == "dropped"
    assert kinds(categorical=("more",))["more"] == "category"


def test_training_rows_alone_decide():
    values = np.zeros(N)
    values[-5:] = 1
    assert decide(table("late", values), np.arange(40), ["y"], TableOptions())[0].kind == "dropped"
    assert decide(table("late", values), np.arange(N), ["y"], TableOptions())[0].kind == "number"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"drop": ("mor",)}, "drop must be a column of t.csv, got 'mor'; did you mean 'more'"),
        ({"categorical": ("zzz",)}, "categorical must be a column of t.csv, got 'zzz'; choose among x, more, y"),
        ({"missing": "ignore"}, "missing must be one of 'impute', 'drop', 'refuse', got 'ignore'"),
    ],
)
def test_options_that_are_refused(options, message):
    with pytest.raises(ArgumentError, match=message):
        decide(table("x", np.ones(N)), np.arange(N), ["y"], TableOptions(**options))


def test_columns_that_leave_nothing():
    alone = Table.of("t.csv", {"id": np.arange(N), "y": np.arange(N) % 2})
    assert decide(alone, np.arange(N), ["y"], TableOptions())[0].kind == "number"  # it is all there is
    with pytest.raises(DataError, match="at least one column to learn from, got 'id' left out: you said so"):
        decide(alone, np.arange(N), ["y"], TableOptions(drop=("id",)))
    infinite = table("x", np.r_[np.inf, np.ones(N - 1)])
    with pytest.raises(DataError, match="column 'x' must be finite numbers, got inf in row 1"):
        decide(infinite, np.arange(N), ["y"], TableOptions())


@pytest.mark.parametrize(
    ("values", "written"),
    [
        (["2020-01-31", "2020-12-01"], "%Y-%m-%d"),
        (["31.12.2020"], "%d.%m.%Y"),
        (["01/31/2020", "01/02/2020"], "%m/%d/%Y"),
        (["31/01/2020", "01/02/2020"], "%d/%m/%Y"),
        (["12/31/2020 09:30"], "%m/%d/%Y %H:%M"),
        (["31.12.2020 9:30"], "%d.%m.%Y %H:%M"),
        (["2020-01-31 12:00:00"], "%Y-%m-%d %H:%M:%S"),
        (["1/31/2020 1:05 PM", "2/1/2020 11:05 AM"], "%m/%d/%Y %I:%M %p"),
        (["31.12.20", "01.02.21"], "%d.%m.%y"),
        (["12/31/20", "01/02/21"], "%m/%d/%y"),
        (["2020-01-31T12:00:00.250Z"], "%Y-%m-%dT%H:%M:%S.%fZ"),
        (["31-Dec-2020"], "%d-%b-%Y"),
        (["2:1", "0:3"], ""),
        (["2020-01-31", "soon"], ""),
        (["May"], ""),
    ],
)
def test_dates(values, written):
    assert date_format(values) == written


def test_numbers_written_as_no_plain_numbers_are_shown():
    prices = np.array([f"${k % 25},000" for k in range(N)], dtype=object)
    marks = np.array(["-" if k % 10 == 9 else str(k % 9) for k in range(N)], dtype=object)
    for values, shown, row in ((prices, "$0,000", 1), (marks, "-", 10)):
        reason = decide(table("cost", values), np.arange(N), ["y"], TableOptions())[0].reason
        assert reason.endswith(f"such as {shown!r} in row {row}, which is no plain number")
    sizes = np.array(["4 doors", "2 doors", "5 doors"] * 20, dtype=object)
    assert decide(table("doors", sizes), np.arange(N), ["y"], TableOptions())[0].reason == "3 different texts"


def test_the_row_that_is_no_number_is_named_though_it_is_held_out():
    widths = np.array(["cm", *(f"{k / 7:.3f}" for k in range(1, N))], dtype=object)
    reason = decide(table("width", widths), np.arange(1, N), ["y"], TableOptions())[0].reason
    assert reason.endswith("such as 'cm' in row 1, which is no plain number")


def test_options_are_given_as_the_shell_takes_them():
    odd = table("price, net (EUR)", np.arange(N) / 3)
    assert decide(odd, np.arange(N), ["y"], TableOptions())[0].option == "--categorical '\"price, net (EUR)\"'"
