"""Results as text: every rival with its ratio and spread, wins and losses alike."""

from __future__ import annotations

from typing import Any


def text(results: list[dict[str, Any]]) -> str:
    """Return one block a race, fastest first.

    ratio: to PyTorch's best eager form (marked =); spread: between the quartiles, as a share of the median.
    """
    blocks = []
    for race in results:
        cores = f"{race['cores']} core{'s' * (race['cores'] > 1)}"
        lines = [f"{race['workload']}  B = {race['batch_size']}  {cores}"]
        lines.append(f"  {'':<15}{'k ex./s':>10}{'ratio':>8}{'spread':>9}{'clean':>9}{'peak memory':>14}{'Δ loss':>10}")
        ranked = sorted(race["rivals"].items(), key=lambda item: -item[1]["rate"])
        lines += [_row(name, found, race) for name, found in ranked]
        lines += [f"  {skipped['rival']:<15}skipped: {skipped['reason']}" for skipped in race["skipped"]]
        lines += [f"  {line}" for line in map(_target, race["targets"])]
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


def _row(name: str, found: dict[str, Any], race: dict[str, Any]) -> str:
    mark = " =" if name == race["reference"] else ""
    ratio = f"{race['ratios'][name]:.2f}" if race["ratios"] else "–"
    spread = f"{100 * (found['high'] - found['low']) / found['rate']:.0f}%"
    clean = f"{found['clean']}/{found['windows']}"
    memory = f"{found['peak_bytes'] / 2**20:.0f} MiB"
    loss = f"{found['loss_difference']:.0e}"
    return f"  {name + mark:<15}{thousands(found['rate']):>10}{ratio:>8}{spread:>9}{clean:>9}{memory:>14}{loss:>10}"


def _target(target: dict[str, Any]) -> str:
    verdict = "met" if target["ratio"] >= target["target"] else "missed"
    return f"{target['ratio']:.2f} × {target['against']}, target {target['target']:g}: {verdict}"


def thousands(rate: float) -> str:
    """Return a rate in thousands, to three digits."""
    value = rate / 1000
    return f"{value:.0f}" if value >= 99.5 else f"{value:.1f}" if value >= 9.95 else f"{value:.2f}"
