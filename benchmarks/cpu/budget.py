"""What a budget costs: the study of a data set within a budget, against the same study with all the time it takes.

python -m benchmarks.cpu.budget --data idx:DIR --model mlp:256,128 --json benchmarks/results/budget-mlp.json
python -m benchmarks.cpu.budget --data idx:DIR --model cnn --batch-sizes 1,4,16,64,256,1024 --json FILE

Both end with a recommendation and the interval of the critical batch size. They agree where the batch size that the
budget recommends is, without a budget, the fastest or tied with it, and where the two intervals overlap. What takes the
time of an unlimited study of images are the largest batches: their steps grow in proportion and their number does not
fall. ``--batch-sizes`` leaves them out, for both.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

from benchmarks.cpu.frameworks import write
from benchmarks.harness.machine import provenance


def main(arguments: list[str] | None = None) -> int:
    args = _parser().parse_args(arguments)
    found = {budget: _study(args, budget) for budget in ("none", args.budget)}
    for budget, result in found.items():
        print(f"budget {budget}, {result['seconds_taken']:.0f} s: {summary(result)}")
        for text in result["left_open"]:
            print(f"    {text}")
    agreed = agree(found["none"], found[args.budget])
    print("agreement: " + ", ".join(f"{what} {'yes' if yes else 'no'}" for what, yes in agreed.items()))
    if args.json:
        anonymous = re.sub(":.*", ":DIR", args.data)  # where the files lie is nobody's business
        studies = json.loads(json.dumps(found).replace(args.data, anonymous))
        write(args.json, {**provenance(), "data": anonymous, "agree": agreed, "studies": studies})
    return 0


def agree(unlimited: dict[str, Any], limited: dict[str, Any]) -> dict[str, bool]:
    """Return whether the recommendation of a budget is among the fastest, and whether the intervals overlap."""
    best, other = unlimited["recommendation"], limited["recommendation"]
    fastest = {best["batch_size"], *best["tied_with"]}
    ends = [result["fit"][f"b_crit_{end}"] for result in (unlimited, limited) for end in ("low", "high")]
    # null is infinity: no upper end
    low, high, other_low, other_high = (float("inf") if end is None else end for end in ends)
    return {
        "recommendation": other["batch_size"] in fastest,
        "critical batch size": low <= other_high and other_low <= high,
    }


def summary(result: dict[str, Any]) -> str:
    """Return a study's answer in one line."""
    best, fit = result["recommendation"], result["fit"]
    tied = f", tied with {', '.join(map(str, best['tied_with']))}" if best["tied_with"] else ""
    ends = " to ".join("∞" if end is None else f"{end:.3g}" for end in (fit["b_crit_low"], fit["b_crit_high"]))
    return f"batch size {best['batch_size']}{tied}, lr {best['lr']}, critical batch size {ends}"


def _study(args: argparse.Namespace, budget: str) -> dict[str, Any]:
    """Run a study on the command line's terms and return its study.json in short: no curves and no grids."""
    import minisgd as ms
    from minisgd.data import load
    from minisgd.nn.models import model

    data = load(args.data, validation=0.2, seed=0)
    network = model(args.model, data.input_shape, data.n_outputs)
    begun = perf_counter()
    found = ms.study(
        network,
        data,
        batch_sizes=args.batch_sizes,
        seeds=args.seeds,
        budget=budget,
        model_name=args.model,
        on_event=lambda kind, facts: None if kind == "progress" else print(facts["text"], file=sys.stderr),
    )
    result = json.loads(found.result.to_json())
    for batch in result["batch_sizes"]:
        for name in ("learning_curve", "lr_grid"):
            batch.pop(name, None)
    kept = {name: value for name, value in result["fit"].items() if not name.startswith("band")}
    return {**result, "fit": kept, "seconds_taken": perf_counter() - begun}


def _sizes(text: str) -> Sequence[int | str]:
    return [b if b == "full" else int(b) for b in text.split(",")]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="as in minisgd study")
    parser.add_argument("--model", default="mlp:256,128", help="as in minisgd study")
    parser.add_argument("--batch-sizes", type=_sizes, help="for both; by default those of the study")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--budget", default="5min", help="of the second study (5min)")
    parser.add_argument("--json", type=Path, help="where to write both in short, and whether they agree")
    return parser


if __name__ == "__main__":
    sys.exit(main())
