"""Numbers in words, the same in the terminal, in reports and in pictures; JSON has every digit.

steps, examples           count     20,500        accuracy                     share    97.22%
batch size by a formula   size      99            loss, other metrics          score    0.1234
seconds                   seconds   3.2 ms        learning rate, eigenvalue    number   0.05
bytes                     memory    1.5 MiB       effect of a claim            signed   −0.52
examples a second         short     8.1k          an interval of any           interval 80 – 120
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from minisgd.training.memory import format_bytes


def count(value: float) -> str:
    """Format a number of steps or examples, or a ratio, to three digits: 0.52, 7.3, 96, 320, 20,500, ∞."""
    if not math.isfinite(value):
        return "∞"
    return f"{_three_digits(value):,.0f}" if value >= 10 else f"{value:.2g}"


def size(value: float) -> str:
    """Format a batch size that came out of a formula: 0.83, 7.4, 99, 1437, ∞."""
    return f"{value:.2g}" if value < 10 else f"{value:.0f}" if math.isfinite(value) else "∞"


def short(value: float) -> str:
    """Format a number in at most four characters, for a tick or a cell: 72, 537, 8.1k, 33k, 1.2M."""
    if not math.isfinite(value):
        return "∞"
    for factor, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= 0.9995 * factor:
            scaled = value / factor
            return f"{scaled:.1f}{letter}" if scaled < 9.95 and scaled % 1 >= 0.05 else f"{scaled:.0f}{letter}"
    return f"{value:.0f}" if value >= 10 else f"{value:.3g}"


def seconds(value: float) -> str:
    """Format a duration: 850 µs, 3.2 ms, 1.4 s, 12 min, 3.1 h."""
    if not math.isfinite(value):
        return "never"
    for limit, factor, unit in ((1e-3, 1e6, "µs"), (1.0, 1e3, "ms"), (120.0, 1.0, "s"), (7200.0, 1 / 60, "min")):
        if value < limit:
            return f"{value * factor:.3g} {unit}" if value * factor < 999.5 else f"{value * factor:.0f} {unit}"
    return f"{value / 3600:.3g} h"


memory = format_bytes
"""Format a number of bytes in binary units: 512 B, 1.5 KiB, 3.2 MiB."""


def number(value: float, digits: int = 3) -> str:
    """Format a learning rate, or another number, to three digits: 0.05, 1.2, 1.5e-5."""
    return f"{value:.{digits}g}".replace("e-0", "e-").replace("e+", "e")


def score(value: float) -> str:
    """Format a loss, or a metric other than the accuracy, to four digits: 0.1234, 1.023e-5, 14,090."""
    text = number(value, 4)
    return f"{float(text):,.0f}" if 1e4 <= abs(value) < 1e7 else text


def signed(value: float) -> str:
    """Format an effect to three digits, and what is not finite as such: −0.52, 1,230, ∞, – for none."""
    if not math.isfinite(value):
        return "–" if math.isnan(value) else "∞" if value > 0 else "−∞"
    text = f"{value:,.0f}" if 999.5 <= abs(value) < 1e7 else f"{value:.3g}"
    return text.replace("-", "−")


def share(value: float) -> str:
    """Format an accuracy: 97.22%."""
    return f"{100 * value:.2f}%"


def interval(low: float, high: float, say: Callable[[float], str]) -> str:
    """Format an interval: 80 – 120, ≥ 80 where it has no upper end, nothing for a single seed, whose ends are NaN."""
    if math.isnan(low):
        return ""
    if not math.isfinite(high):
        return f"≥ {say(low)}" if low > 0 else "not resolved"
    return f"{say(low)} – {say(high)}"


def plural(number: int, noun: str) -> str:
    """Format how many: 1 seed, 5 seeds."""
    return f"{number} {noun}" if number == 1 else f"{number:,} {noun}s"


def join(items: list[str]) -> str:
    """Format a list: 1, 4 and 16."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}" if items else ""


def batch_sizes(sizes: Sequence[object]) -> str:
    """Name batch sizes: batch size 16, batch sizes 4 and 16."""
    return f"batch size{'s' if len(sizes) > 1 else ''} {join([str(size) for size in sizes])}"


def _three_digits(value: float) -> float:
    return round(value, 2 - math.floor(math.log10(value))) if value > 0 else value
