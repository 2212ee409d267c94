"""``minisgd probe examples``: the gradients of single examples, how long they are and where they agree."""

from __future__ import annotations

from argparse import Namespace

import numpy as np

from minisgd.cli.parser import Parser
from minisgd.cli.probe import report, subject
from minisgd.cli.probe.report import Column, Picture, Report

EXAMPLES = """\
  minisgd probe examples --data digits --model mlp:128 --weights runs/a/weights.safetensors
  minisgd probe examples --data digits --model cnn --json"""

LARGEST = 5
"""Examples that are named for their long gradients: those that the network knows least, or that are mislabelled."""

LONG = "Long are those that the network knows least, or that are mislabelled: look at the longest."


def configure(parser: Parser) -> None:
    subject.configure(parser, dtype="float64")
    report.configure(parser)


def run(args: Namespace) -> int:
    """Measure on all training examples, print and write."""
    from minisgd.backend.cpu.threads import available_cores, blas_threads
    from minisgd.lab.instruments import gsnr
    from minisgd.lab.instruments.examples.gradients import norms_of
    from minisgd.lab.instruments.examples.picture import draw_norms
    from minisgd.lab.instruments.examples.subject import Examples

    report.begin(args)
    network, data, loss = subject.load(args)
    with blas_threads(args.threads or available_cores()):
        signal = gsnr(network, data, loss=loss)
        norms = norms_of(Examples.of(network, data, loss, "train"))
    lengths, agreed = np.sqrt(norms.total), signal.summary()
    median, p90, longest = (float(np.quantile(lengths, share)) for share in (0.5, 0.9, 1.0))
    largest: list[int] = np.argsort(-lengths, kind="stable")[:LARGEST].tolist()
    whole = max(float(norms.total.sum()), np.finfo(float).tiny)
    found = {
        "examples": len(norms),
        "norm_median": median,
        "norm_p90": p90,
        "norm_max": longest,
        "largest": largest,
        "gsnr_median": signal.median,
        "gsnr_mean": signal.mean,
        "by_parameter": {
            name: {"share_of_squared_norm": float(part.sum()) / whole, "gsnr_median": agreed[name]}
            for name, part in norms.by_parameter.items()
        },
    }
    shares = [float(part.sum()) / whole for part in norms.by_parameter.values()]
    page = Report(
        answer=f"Half of the examples have a gradient longer than {median:.4g}, the longest is {longest:.4g}",
        document=found,
        how=[f"all {len(norms):,} examples, exactly; as in evaluation, without weight decay"],
        facts=[
            ("gradient norm", f"{median:.4g}", f"median; 10% exceed {p90:.4g}"),
            ("longest", f"{longest:.4g}", f"examples {', '.join(map(str, largest))}"),
            ("GSNR", f"{signal.median:.4g}", f"median over parameters; mean {signal.mean:.4g}"),
        ],
        tables={
            "parameters": [
                Column("parameter", list(norms.by_parameter)),
                Column("of |g|²", shares, "{:.1%}".format),
                Column("median GSNR", [agreed[name] for name in norms.by_parameter], "{:.3g}".format),
            ]
        },
        plots=[Picture("norms", "How long are the gradients?", lambda: draw_norms(lengths, largest), LONG)],
    )
    report.publish(args, page)
    return 0
