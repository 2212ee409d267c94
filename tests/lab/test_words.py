from __future__ import annotations

import math

import pytest

from minisgd.lab import words


@pytest.mark.parametrize(
    "value, text",
    [
        (0.52, "0.52"),
        (7.34, "7.3"),
        (95.8, "96"),
        (320.4, "320"),
        (20512, "20,500"),
        (1e6, "1,000,000"),
        (math.inf, "∞"),
    ],
)
def test_count(value, text):
    assert words.count(value) == text


@pytest.mark.parametrize("value, text", [(0.831, "0.83"), (99.6, "100"), (1437, "1437"), (math.inf, "∞")])
def test_size(value, text):
    assert words.size(value) == text


@pytest.mark.parametrize(
    "value, text",
    [
        (0.5, "0.5"),
        (72, "72"),
        (537.4, "537"),
        (1000, "1k"),
        (8055, "8.1k"),
        (32563, "33k"),
        (1.2e6, "1.2M"),
        (2e9, "2G"),
    ],
)
def test_short(value, text):
    assert words.short(value) == text


@pytest.mark.parametrize(
    "value, text",
    [
        (8.5e-5, "85 µs"),
        (0.0032, "3.2 ms"),
        (0.9999, "1000 ms"),
        (1.404, "1.4 s"),
        (119, "119 s"),
        (720, "12 min"),
        (11160, "3.1 h"),
        (math.inf, "never"),
    ],
)
def test_seconds(value, text):
    assert words.seconds(value) == text


@pytest.mark.parametrize("value, text", [(512, "512 B"), (1536, "1.5 KiB"), (3.2 * 2**20, "3.2 MiB"), (2**40, "1 TiB")])
def test_memory(value, text):
    assert words.memory(value) == text


def test_lists_and_plurals():
    assert words.join(["1", "4", "16"]) == "1, 4 and 16"
    assert words.join(["1"]) == "1"
    assert words.plural(1, "seed") == "1 seed" and words.plural(1437, "example") == "1,437 examples"


@pytest.mark.parametrize("value, text", [(-0.523, "−0.523"), (999.7, "1,000"), (1234.5, "1,234"), (math.inf, "∞")])
def test_signed(value, text):
    assert words.signed(value) == text


def test_scores_and_shares():
    assert (words.score(0.367), words.score(1.0234e-5), words.share(0.97222)) == ("0.367", "1.023e-5", "97.22%")
    assert (words.score(14093.2), words.score(9999.4), words.score(-2.5e5)) == ("14,090", "9999", "-250,000")


def test_number():
    assert words.number(2e12) == "2e12"


def test_batch_sizes_have_their_plural():
    assert words.batch_sizes([16]) == "batch size 16"
    assert words.batch_sizes([1, "4 (after 9 steps)", 16]) == "batch sizes 1, 4 (after 9 steps) and 16"
