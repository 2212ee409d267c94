"""Errors of the library name options as they are typed."""

from __future__ import annotations

import pytest

from minisgd.cli.naming import options_named_as_typed
from minisgd.cli.parser import Parser
from minisgd.errors import ArgumentError, MinisgdError, ShapeError


@pytest.fixture
def parser() -> Parser:
    parser = Parser("minisgd train", "Train.", "  minisgd train")
    for option in ("--batch-size", "--last-batch", "--clip-norm", "--model"):
        parser.add_argument(option)
    return parser


@pytest.mark.parametrize(
    ("argument", "fix", "says"),
    [
        ("batch_size", "use 1", "--batch-size must be good, got 3; use 1"),
        ("model 'cnn': input", "use mlp:8", "--model 'cnn': input must be good, got 3; use mlp:8"),
        ("good.npz: batch_size", "use 1", "good.npz: --batch-size must be good, got 3; use 1"),
        ("Linear: model", "use 1", "Linear: model must be good, got 3; use 1"),
        ("model size", "use 1", "model size must be good, got 3; use 1"),
        ("x", "drop it (last_batch='drop')", "x must be good, got 3; drop it (--last-batch drop)"),
        ("loss", "clip it (clip_norm=1.0).", "loss must be good, got 3; clip it (--clip-norm 1.0)."),
        (
            "loss",
            "keep it with last_batch=True (--last-batch) or",
            "loss must be good, got 3; keep it with --last-batch or",
        ),
        ("loss", "use last_batch='drop' (--last-batch drop)", "loss must be good, got 3; use --last-batch drop"),
        ("loss", "name one with loss (--loss)", "loss must be good, got 3; name one with --loss"),
        ("y", "name all with classes=, or seeds=[0]", "y must be good, got 3; name all with classes=, or seeds=[0]"),
    ],
)
def test_arguments_become_options(parser: Parser, argument: str, fix: str, says: str) -> None:
    with pytest.raises(ShapeError) as refusal, options_named_as_typed(parser):
        raise ShapeError(argument, expected="good", got=3, fix=fix)
    assert str(refusal.value) == says
    assert isinstance(refusal.value.__cause__, MinisgdError)


def test_what_was_typed_already_stays(parser: Parser) -> None:
    with pytest.raises(ArgumentError, match="^--batch-size must be"), options_named_as_typed(parser):
        raise ArgumentError("--batch-size", expected="good", got=3, fix="use 1")
