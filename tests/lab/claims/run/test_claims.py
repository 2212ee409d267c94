"""Real runs on small data: shared training runs, journals, budgets, interruptions."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pytest

import minisgd as ms
from minisgd.data.synthetic import gaussian_blobs
from minisgd.lab.claims import lab
from minisgd.lab.claims.experiments.fixed_budget import FixedBudget
from minisgd.lab.claims.experiments.to_target import RunToTarget
from minisgd.lab.claims.run.plan import Runner
from minisgd.lab.claims.setting import Setting
from minisgd.lab.study import elsewhere
from minisgd.lab.timing import clock
from minisgd.training.arithmetic import quiet_arithmetic
from tests.lab.claims.labs import small_lab

DATA = gaussian_blobs(400, 5, 3, 3.0, seed=0)
NETWORK = ms.Network(ms.Linear(8, name="hidden"), ms.ReLU(), ms.Linear(3))


def laboratory(folder=None, network=NETWORK, data=DATA) -> Any:
    return small_lab(network, data, folder=folder)


@pytest.fixture(autouse=True)
def quiet():
    """Let runs diverge in silence, as whoever conducts experiments does."""
    with quiet_arithmetic():
        yield


@pytest.fixture(scope="module")
def answered(tmp_path_factory):
    folder = tmp_path_factory.mktemp("claims")
    return ms.claims(NETWORK, DATA, only=[4, 9, 1], seeds=5, out=folder, threads=1), folder


def test_every_claim_asked_for_is_answered(answered):
    found, _ = answered
    assert [answer.claim.number for answer in found] == [1, 4, 9] and len(found) == 3
    assert found[9].verdict != "not decided" and found[4].verdict == "supported"
    assert found[9].seconds > 0 and found[9].finding.n >= 4 * (
        5 * 2 + 3 * 3
    )  # two seeds everywhere, all at the best and beside it
    with pytest.raises(ms.ArgumentError, match="one of 1, 4, 9"):
        found[2]


def test_the_document_is_what_other_programs_read(answered):
    found, _ = answered
    document = json.loads(found.to_json(), parse_constant=lambda c: pytest.fail(f"{c} is not JSON"))
    assert [entry["id"] for entry in document] == [1, 4, 9]
    for entry in document:
        assert {"id", "claim", "verdict", "effect", "n", "seconds", "held_fixed"} <= entry.keys()
        assert entry["effect"].keys() == {"name", "value", "low", "high", "interval"}
        assert entry["verdict"] in ("supported", "qualified", "refuted", "not decided")
        assert entry["verdict_holm"] in (entry["verdict"], "qualified", "not decided")


def test_a_finished_run_is_read_back_from_its_journals(answered, monkeypatch):
    found, folder = answered
    assert (
        len((folder / "training-runs" / "sgd-to-target" / "cells.jsonl").read_text().splitlines()) == found[9].finding.n
    )
    monkeypatch.setattr(elsewhere, "train_stack", lambda *a, **k: pytest.fail("trained again"))
    monkeypatch.setattr(lab, "train_pilot", lambda *a, **k: pytest.fail("searched again"))
    again = ms.claims(NETWORK, DATA, only=[9], seeds=5, out=folder, threads=1)
    assert again[9].finding.effect == found[9].finding.effect


def test_other_data_do_not_continue_a_run(answered):
    _, folder = answered
    with pytest.raises(ms.ArgumentError, match="other data"):
        ms.claims(NETWORK, gaussian_blobs(400, 5, 3, 3.0, seed=1), only=[9], seeds=5, out=folder)


def test_other_initial_weights_do_not_continue_a_run(answered):
    _, folder = answered
    other = ms.Network(ms.Linear(8, name="hidden", init=ms.init.XavierNormal()), ms.ReLU(), ms.Linear(3))
    with pytest.raises(ms.ArgumentError, match="other .*weights"):
        ms.claims(other, DATA, only=[9], seeds=5, out=folder)


def test_only_what_training_runs_left_is_a_file(answered):
    _, folder = answered
    assert sorted(path.name for path in folder.iterdir()) == ["journal.json", "training-runs"]


def test_where_nothing_is_learned_claims_about_learning_are_not_decided():
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(300, 8)).astype("float32"), rng.integers(0, 2, 300)
    found = ms.claims(ms.Network(ms.Linear(8), ms.ReLU(), ms.Linear(2)), noise, only=[4, 6, 7, 9, 11, 24], seeds=3)
    for number in (6, 7, 9, 11, 24):
        assert found[number].verdict == "not decided", found[number].finding
        assert found[number].finding.words.startswith("Nothing was learned: ")
    assert found[4].verdict == "supported"


def test_one_seed_decides_nothing_that_was_sampled():
    found = ms.claims(NETWORK, DATA, only=[9], seeds=1, threads=1)
    assert found[9].verdict == "not decided" and "one seed has no interval" in found[9].finding.words
    assert found[9].finding.effect.interval == "not bounded"


def test_few_validation_examples_are_a_caution(answered):
    found, _ = answered
    assert any("Judged on 80 validation examples" in text for text in found[9].finding.cautions)
    assert not any("validation" in text for text in found[4].finding.cautions)


def test_no_budget_decides_nothing():
    found = ms.claims(NETWORK, DATA, only=[9, 17], budget="0.000001s", seeds=5, threads=1)
    assert {answer.verdict for answer in found} == {"not decided"}
    assert "left" in found[9].finding.words or "time was up" in found[9].finding.words


def test_an_interrupted_run_is_a_valid_partial_result(tmp_path):
    def on_event(kind, facts):
        if kind == "progress":
            raise KeyboardInterrupt

    found = ms.claims(NETWORK, DATA, only=[4, 9], seeds=5, threads=1, out=tmp_path, on_event=on_event)
    assert found.interrupted
    (missing,) = [answer for answer in found if answer.verdict == "not decided"]
    assert "interrupted" in missing.finding.words
    json.loads(found.to_json())


def test_what_data_do_not_allow_is_said_and_not_raised():
    here = laboratory(network=ms.Network(ms.Linear(3)))
    outcome = Runner(here, 1e12, 1, lambda name, outcome: None)._run(RunToTarget(Setting(width=2)), 0.0, 5)
    assert outcome.result.why == "a model without hidden layers has no width"


def test_seeds_of_two_runs_are_apart():
    from minisgd.lab.claims.run.arguments import resolve_seeds

    assert not set(resolve_seeds(8, 0)) & set(resolve_seeds(8, 1))


@dataclass(frozen=True)
class WeightNorm:
    """A measure at the end of a training run."""

    def __call__(self, network: ms.Network, trial: Any) -> dict[str, float]:
        return {"norm": float(np.linalg.norm(network.vector))}


def test_a_fixed_budget_is_kept_and_read_back(tmp_path):
    experiment = FixedBudget(epochs=3, multiples=(0.25, 1.0, 4.0, 1e9), measures=(WeightNorm(),))
    here = laboratory(tmp_path)
    runs = experiment.run(here)
    assert runs.batch_sizes == (4, 16, 64, 256) and runs.seeds == 5 and runs.training_runs == 4 * 4 * 5
    assert runs.table("steps")[:, 0, 0].tolist() == [240, 60, 15, 4]
    assert runs.table("diverged")[:, 3].all() and not runs.table("diverged")[:, 0].any()
    assert (runs.tuned() < 3).all()
    best = runs.at("val_loss", runs.tuned())
    assert best.shape == (4, 5) and np.isfinite(best).all()
    assert (np.median(best, axis=1) <= np.median(runs.at("val_loss", 0), axis=1)).all()
    assert np.isfinite(runs.at("norm", 0)).all() and np.isnan(runs.at("norm", 3)).all()
    again = experiment.run(laboratory(tmp_path))
    np.testing.assert_array_equal(again.table("val_loss"), runs.table("val_loss"))
    np.testing.assert_array_equal(again.table("norm"), runs.table("norm"))


def test_scaled_learning_rates_are_diagonals():
    here = laboratory()
    runs = FixedBudget(steps=5, multiples=(0.25, 1.0, 4.0, 16.0, 64.0)).run(here)
    assert runs.scaled(0, 1.0).tolist() == [0, 1, 2, 3]
    assert runs.scaled(0, 0.5).tolist() in ([0, 0, 1, 1], [0, 0, 1, 2], [0, 1, 1, 2])
    power = FixedBudget(steps=5, multiples=(1.0,), power=1.0).run(here)
    np.testing.assert_allclose(np.diff(np.log(power.learning_rates[:, 0])), np.log(4), rtol=1e-3)


def test_final_losses_are_those_of_the_trained_network():
    here, seed = laboratory(), 3
    runs = FixedBudget(epochs=2, multiples=(1.0,)).run(here)
    cell = next(c for c in runs.cells[1][0] if c.seed == seed)
    run = ms.train(NETWORK, DATA, optimizer=ms.SGD(lr=cell.lr), batch_size=16, epochs=2, seed=seed, last_batch="drop")
    np.testing.assert_allclose(run.evaluate("train")["loss"], cell.train_loss, rtol=1e-4)
    np.testing.assert_allclose(run.evaluate("validation")["loss"], cell.val_loss, rtol=1e-4)


BUSY = {
    2: (lambda b, worked: worked + 1e-4 + 1e-3 * b, "supported"),  # no overhead beside what waits for others
    18: (lambda b, worked: worked * (2.0 if b & (b - 1) else 1.5), "refuted"),
    28: (lambda b, worked: 1e-2, "supported"),
    35: (lambda b, worked: 1e-3 * b, "supported"),
}
"""What the clock would show of a step or prediction by itself, and the verdict of a quiet machine."""


@pytest.mark.parametrize("quiet", [True, False])
@pytest.mark.parametrize("number", BUSY)
def test_times_of_a_busy_machine_decide_nothing_that_its_processor_denies(monkeypatch, number, quiet):
    rng, (shown, verdict) = np.random.default_rng(0), BUSY[number]

    def timed(task):
        b = len(task.call.args[0]) if isinstance(task.call, partial) else task.call.__self__.size
        worked = (1e-4 + 1e-6 * b) * np.exp(0.01 * rng.normal())
        return (worked if quiet else shown(b, worked)), worked

    def typical(task, calls):
        wall, worked = timed(task)
        return np.array([wall, worked / wall])

    monkeypatch.setattr(clock.Task, "typical", typical)
    monkeypatch.setattr(clock.Task, "each", lambda task, calls: np.array([timed(task) for _ in range(200)]).T)
    found = ms.claims(NETWORK, DATA, only=[number], threads=1)[number]
    assert found.verdict == (verdict if quiet else "not decided"), found.finding
    assert ("by the clock" in found.finding.words) == (not quiet)
