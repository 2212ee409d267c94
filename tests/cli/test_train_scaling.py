"""``--scaled-from``: what is carried over, and what is said of it."""

from __future__ import annotations

import pytest

from minisgd.cli import main

TINY = ["train", "--data", "digits", "--model", "mlp:4", "--steps", "2", "--batch-size", "256"]


def test_it_says_what_it_changes(capsys):
    assert main([*TINY, "--optimizer", "adam", "--lr", "0.001", "--scaled-from", "64", "--scaling", "malladi"]) == 0
    said = capsys.readouterr().err
    assert "Scaled from batch size 64 to 256 by malladi" in said
    assert "lr 0.001 → 0.002, betas (0.9, 0.999) → (0.6, 0.996), eps 1e-08 → 5e-09" in said


def test_it_says_of_which_update_the_rate_of_a_schedule_is(capsys):
    assert main([*TINY, "--lr", "0.05", "--scaled-from", "64", "--warmup", "1"]) == 0
    assert "lr at the first update 0.005 → 0.02\n" in capsys.readouterr().err


def test_the_scaled_rate_trains(capsys):
    assert main([*TINY, "--lr", "0.05", "--scaled-from", "64", "--json"]) == 0
    scaled = capsys.readouterr().out.split('"train_loss"')[1].split(",")[0]
    assert main([*TINY, "--lr", "0.2", "--json"]) == 0
    assert capsys.readouterr().out.split('"train_loss"')[1].split(",")[0] == scaled


def test_no_learning_rate_is_announced_that_is_not_trained_with(capsys):
    assert main([*TINY, "--lr", "0.05", "--scaled-from", "64"]) == 0
    assert "learning rate 0.05" not in capsys.readouterr().err
    assert main([*TINY, "--lr", "0.05"]) == 0
    assert "learning rate 0.05" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--scaling", "sqrt"], "--scaling"),
        (["--scaled-from", "64", "--scaling", "cubic"], "--scaling"),
        (["--scaled-from", "64", "--scaling", "half-life"], "which is for Adam"),
        (["--scaled-from", "64", "--batch-size", "grow:16,64,2"], "--scaled-from must be a constant batch size"),
        (["--scaled-from", "0"], "--scaled-from"),
        (["--scaled-from", "64", "--batch-size", "auto"], "--scaled-from must be left out with --batch-size auto"),
        (
            ["--scaled-from", "8", "--optimizer", "adam", "--scaling", "malladi"],
            "--batch-size / --scaled-from must be below 1 / (1 - betas[0]) = 10, got 32.0; use a smaller batch",
        ),
    ],
)
def test_what_cannot_be_carried_over_is_refused(options, said, capsys):
    assert main([*TINY, *options]) == 2
    assert said in capsys.readouterr().err
