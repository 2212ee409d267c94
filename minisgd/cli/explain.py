"""``minisgd explain``: the training step, line by line."""

from __future__ import annotations

from argparse import Namespace

from minisgd.cli import inputs, options, output
from minisgd.cli.parser import Parser

EXAMPLES = """\
  minisgd explain --model mlp:128 --input 64 --batch-size 32
  minisgd explain --model cnn --data digits --optimizer adam --time
  minisgd explain --model mlp:256,128 --input 28x28x1 --outputs 10 --json
  minisgd explain --model mlp:128 --data digits --trace runs/trace/trace.jsonl"""


def configure(parser: Parser) -> None:
    options.add_model(parser)
    options.add_example(parser)
    options.add_data(parser, required=False)
    options.add_loss(parser)
    options.add_optimizer(parser)
    parser.add_argument("--batch-size", default="32", metavar="B", help="32, or full with --data (32)")
    parser.add_argument("--time", action="store_true", help="time every call as well: median microseconds")
    parser.add_argument(
        "--trace",
        metavar="FILE",
        help="add the norms of a training run to the table: what 'minisgd probe trace --out' wrote",
    )
    options.add_common(parser)


def run(args: Namespace) -> int:
    from minisgd.training.explain import explain
    from minisgd.training.memory import default_loss
    from minisgd.training.trace import TraceResult

    data = inputs.data_if_given(args)
    network, shape = inputs.load_model(args, data)
    loss = inputs.make_loss(args)
    if loss is None and data is not None:
        loss = default_loss(data.task)
    explanation = explain(
        network,
        inputs.fixed_batch_size(args.batch_size, data),
        input_shape=shape,
        optimizer=inputs.make_optimizer(args),
        loss=loss,
        dtype=args.dtype,
        time=args.time,
        trace=TraceResult.load(args.trace) if args.trace else None,
    )
    if args.json:
        print(explanation.to_json(), end="")
        return 0
    output.note(explanation.headline + "\n", args.quiet)
    header, *rows = explanation.rows()
    totals = [position for position, row in enumerate(rows) if len(row) > 1 and not row[0].startswith("    ")]
    output.print_table(header, rows, left=2, strong=lambda position: position in totals)
    return 0
