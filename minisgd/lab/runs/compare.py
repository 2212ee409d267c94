"""Studies or training runs side by side: what differs in their settings first, then what they found."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from minisgd.errors import ArgumentError
from minisgd.lab import plots, words
from minisgd.lab.page import Plot, View, say, write_page
from minisgd.lab.runs.folder import Document, Folder, number, read_folder
from minisgd.lab.runs.training import LOOKS, MOST, curves_of, rows, shown
from minisgd.lab.study.curves import critical_with_interval

Rows = list[tuple[str, list[str]]]


@dataclass(frozen=True)
class Comparison:
    """Folders side by side.

    settings: those that differ, a value a folder   found: quantities, a text a folder   cautions: what keeps some of
    them from being compared closely
    """

    names: list[str]
    folders: list[Folder]
    settings: Rows
    found: Rows
    cautions: list[str]

    def save(self, path: str | Path) -> Path:
        """Write the report.

        Raises:
            MissingExtraError: matplotlib or jinja2 is not installed.
            OutputError: The file cannot be written.
        """
        studies = self.folders[0].kind == "study"
        drawn = _study_plots(self) if studies else curves_of(
            dict(zip(self.names, [shown(f.lines, MOST // len(self.folders)) for f in self.folders], strict=True))
        )  # fmt: skip
        what = "studies" if studies else "training runs"
        return write_page(
            path,
            "minisgd.lab.page",
            title=f"{words.join(self.names)} compared",
            over=f"{len(self.names)} {what}",
            answer=f"{words.join(self.names)}, side by side",
            why=f"{words.plural(len(self.settings), 'setting')} {'differs' if len(self.settings) == 1 else 'differ'}.",
            differences=_table("setting", self.settings, self.names),
            plots=drawn,
            tables=[("what was found", *_table("quantity", self.found, self.names))],
        )


def compare(paths: Sequence[str | Path]) -> Comparison:
    """Read some folders, and put them side by side.

    Raises:
        ArgumentError: There are fewer than two, or they are of two kinds, or studies of two metrics.
        DataError: A folder cannot be read, or is not finished.
    """
    if len(paths) < 2:
        fix = "give another: minisgd compare runs/a runs/b"
        raise ArgumentError("folders", expected="two or more", got=len(paths), fix=fix)
    folders = [read_folder(path) for path in paths]
    if len({folder.path.resolve() for folder in folders}) < len(folders):
        fix = "give each once: minisgd compare runs/a runs/b"
        raise ArgumentError("folders", expected="different ones", got="the same one twice", fix=fix)
    kinds = {folder.kind for folder in folders}
    if len(kinds) > 1:
        kind_of = {"study": "a study", "training": "a training run"}
        got = words.join([f"{kind_of[f.kind]} in {f.path}" for f in folders])
        raise ArgumentError(
            "folders", expected="only studies, or only training runs", got=got, fix="compare like with like"
        )
    for folder in folders:
        if not folder.complete or (folder.kind == "study" and not folder.about["batch_sizes"]):
            got = "one without a result" if folder.complete else "one that is not finished"
            fix = f"leave it out, or give its command again: {folder.about.get('command', 'minisgd study …')}"
            raise ArgumentError(f"folders: {folder.path}", expected="a finished one", got=got, fix=fix)
    short = [folder.path.name for folder in folders]
    names = short if len(set(short)) == len(short) else [str(folder.path) for folder in folders]
    if kinds == {"training"}:
        found = [dict(rows(folder.about)) for folder in folders]
        return Comparison(names, folders, _differing([_training(f.about) for f in folders]), _columns(found), [])
    metrics = {folder.about["target"]["metric"] for folder in folders}
    if len(metrics) > 1:
        fix = "study again with the same --target-accuracy, --target-loss or --target-r2"
        got = words.join(sorted(metrics))
        raise ArgumentError("folders", expected="studies with the same metric to reach", got=got, fix=fix)
    settings = _differing([_study(folder.about) for folder in folders])
    found = [_answers(folder.about) for folder in folders]
    return Comparison(names, folders, settings, _columns(found), _cautions(settings))


def _cautions(settings: Rows) -> list[str]:
    """Say what keeps steps or seconds from being compared."""
    differing = {name for name, _ in settings}
    found = []
    if differing & {"data", "target", "n_train"}:
        found.append("Data or target differ: steps, examples and Bcrit are those of different tasks.")
    if differing & {"processor", "cores", "threads", "device"}:
        found.append("The machines differ: seconds say which machine is faster as much as which setting is.")
    return found


def _study(about: Document) -> dict[str, str]:
    target = about["target"]
    names = ("data", "model", "optimizer", "n_train", "budget")
    settings = {name: str(about[name]) for name in names} | {"seeds": str(len(about["seeds"]))}
    settings["target"] = f"{target['metric']} {words.number(number(target['value']))}"
    return settings | {name: str(value) for name, value in about["environment"].items() if name != "date"}


def _training(about: Document) -> dict[str, str]:
    options = {
        k: "–" if v is None else str(v) for k, v in about["options"].items() if k not in ("json", "quiet", "config")
    }
    return options | {"data": about["data"], "model": about["model"], "device": str(about["device"])}


def _differing(each: Sequence[dict[str, str]]) -> Rows:
    """Return the settings that are not the same everywhere."""
    names = list(dict.fromkeys(name for settings in each for name in settings))
    table = [(name, [settings.get(name, "–") for settings in each]) for name in names]
    return [(name, values) for name, values in table if len(set(values)) > 1]


def _columns(each: Sequence[dict[str, str]]) -> Rows:
    names = list(dict.fromkeys(name for found in each for name in found))
    return [(name, [found.get(name, "–") for found in each]) for name in names]


def _answers(about: Document) -> dict[str, str]:
    """Return what a study found, in the words of its own report."""
    best, fit, timing = about["recommendation"], about["fit"], about["timing"]
    found = {"batch size": "none", "learning rate": "–"}
    if best["batch_size"] is not None:
        found |= {"batch size": str(best["batch_size"]), "learning rate": words.number(best["lr"])}
        chosen = next(b for b in about["batch_sizes"] if b["batch_size"] == best["batch_size"])
        found["steps to target"] = words.count(number(chosen["steps_to_target"]["median"]))
        found["time to target"] = words.seconds(number(best["seconds"]))
        found["memory"] = words.memory(best["memory_bytes"])
    found["Bcrit"] = "–"
    if fit["s_min"] is not None:
        found["Bcrit"] = words.size(number(fit["b_crit"]))
        found["Bcrit, 95%"] = words.interval(number(fit["b_crit_low"]), number(fit["b_crit_high"]), words.size)
        found["Bcrit, by definition"] = _by_both(fit)
        found |= {"Smin": words.count(fit["s_min"]), "Emin": words.count(fit["e_min"])}
    if timing is not None:
        found["t0 of a step"] = words.seconds(timing["t0_seconds"])
        found["examples a second"] = words.short(number(timing["examples_per_second"]))
    return found


def _table(of: str, table: Rows, names: Sequence[str]) -> tuple[list[str], list[dict[str, Any]]]:
    return [of, *names], [{"cells": [(t, "", t) for t in (name, *texts)]} for name, texts in table]


PRICES: dict[str, tuple[Callable[[Document], float], Callable[[float], str]]] = {
    "steps": (lambda b: 1.0, words.count),
    "examples": (lambda b: float(b["batch_size"]), words.count),
    "time": (lambda b: float(b["step_seconds"]), words.seconds),
}


def _study_plots(of: Comparison) -> list[Plot]:
    return [
        Plot("race", "What does it take to get there?", [_race(of, unit) for unit in PRICES], of.cautions),
        Plot("bcrit", "How large is the critical batch size?", [_critical(of)], of.cautions),
    ]


def _race(of: Comparison, unit: str) -> View:
    """Draw what each study took to its target against batch size, with the intervals of the seeds."""
    price, written = PRICES[unit]
    page, ax = plots.figure(f"{unit.capitalize()} to target")
    keys, seen, sizes = [], list[float](), set[int]()
    for name, folder, look in zip(of.names, of.folders, LOOKS * len(of.names), strict=False):
        points, said = [], []
        for b in folder.about["batch_sizes"]:
            got = b["steps_to_target"]
            if got["median"] is None:
                continue
            ends, there = [number(got[end]) * price(b) for end in ("low", "high")], ""
            points.append((b["batch_size"], got["median"] * price(b)))
            if math.isfinite(sum(ends)):
                ax.plot([b["batch_size"]] * 2, ends, color=look["color"], lw=1.2)
                seen += ends
                there = f"\n95% interval {words.interval(ends[0], ends[1], written)}"
            seeds = f"{got['reached']} of {got['reached'] + got['censored']} seeds reached the target"
            found = f"{written(points[-1][1])} {unit}".removesuffix(" time")
            said.append(f"{name}, batch size {b['batch_size']}\n{found}{there}\n{seeds}")
        if points:
            x, y = zip(*points, strict=True)
            (line,) = ax.plot(x, y, lw=1.6, ms=6, **look)
            say(line, said)
            seen += y
            sizes |= set(x)
        keys.append(plots.key(name, lw=1.6, ms=6, **look))
    ticks = sorted(sizes) or [1]
    plots.batch_axis(ax, ticks, base=10)
    plots.log_axis(ax, *plots.spread(seen), written if unit == "time" else words.short, f"{unit} to target")
    plots.legend(page, keys, columns=2)
    return View(unit, page, "Medians over the seeds, with 95% intervals, each at the learning rate that suits it best.")


def _by_both(fit: Document) -> str:
    return critical_with_interval(*(number(fit[key]) for key in ("b_crit", "b_crit_low", "b_crit_high")))


def _critical(of: Comparison) -> View:
    """Draw the critical batch size of each study with its interval."""
    page, ax = plots.figure("Critical batch size", height=1.6 + 0.4 * len(of.names), left=0.24)
    seen, said = list[float](), []
    for row, (name, folder, look) in enumerate(zip(of.names, of.folders, LOOKS * len(of.names), strict=False)):
        fit = folder.about["fit"]
        middle, low, high = (number(fit[key]) for key in ("b_crit", "b_crit_low", "b_crit_high"))
        if fit["s_min"] is None or not 0 < middle < math.inf:
            said.append(f"{name}: none")
            continue
        ends = [max(low, middle / 100), min(high, middle * 100)]
        ax.plot(ends, [row] * 2, color=look["color"], lw=2)
        (point,) = ax.plot(middle, row, ls="", ms=8, **look)
        text = f"{name}: {_by_both(fit)}"
        say(point, [text])
        said.append(text)
        seen += [*ends, middle]
    plots.log_axis(ax, *plots.spread(seen), words.size, "batch size", which="x")
    plots.fixed_ticks(ax.yaxis, range(len(of.names)), of.names)
    ax.set_ylim(len(of.names) - 0.5, -0.5)
    return View("", page, f"Where an interval covers another's middle, they may be the same. {'; '.join(said)}.")
