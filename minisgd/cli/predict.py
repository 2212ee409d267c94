"""``minisgd predict``: a trained model, used on new examples."""

from __future__ import annotations

import csv
import io
import sys
from argparse import Namespace
from typing import TYPE_CHECKING, Any

from minisgd.cli import options, output
from minisgd.cli.parser import Parser, folder

if TYPE_CHECKING:
    from minisgd.training import Predictor
    from minisgd.typing import HostArray

EXAMPLES = """\
  minisgd predict --weights runs/a --data new.csv --out predictions.csv
  minisgd predict --weights runs/a/weights.safetensors --data new.parquet
  minisgd predict --weights runs/cnn --data images.npy --json"""


def configure(parser: Parser) -> None:
    group = parser.add_argument_group("model and data")
    group.add_argument(
        "--weights", type=folder, required=True, metavar="DIR", help="what minisgd train --out DIR wrote, or its file"
    )
    group.add_argument("--data", required=True, metavar="DATA", help="a table with the same columns, or x.npy")
    options.add_allow(group)
    options.add_header(group)
    group.add_argument("--out", type=folder, metavar="FILE", help="write CSV there (stdout)")
    options.add_common(parser, runs=False)


def run(args: Namespace) -> int:
    from minisgd.data.sources import read_table
    from minisgd.files import write_atomically
    from minisgd.training import load_model

    model = load_model(args.weights, allow=args.allow)
    header, rows = _answers(model, read_table(args.data, args.header))
    if args.json:
        output.print_json({"predictions": [dict(zip(header, row, strict=True)) for row in rows]})
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([header, *rows])
    if args.out:
        write_atomically(args.out, text.getvalue().encode(), "out")
        output.note(f"{len(rows):,} predictions are in {args.out}", args.quiet)
    elif not args.json:
        sys.stdout.write(text.getvalue())
    return 0


def _answers(model: Predictor, raw: Any) -> tuple[list[str], list[list[Any]]]:
    """Return the columns and rows of the answer: values; or the class, and the chance of every class."""
    preprocessing = model.preprocessing
    outputs = model.predict(raw)
    names = list(preprocessing.targets) or ["prediction"]
    if preprocessing.task == "regression":
        columns = outputs.reshape(len(outputs), -1)
        if len(names) != columns.shape[1]:
            names = [f"prediction {k}" for k in range(1, columns.shape[1] + 1)]
        return names, [[_plain(value) for value in row] for row in columns]
    chances, codes = model.probabilities(outputs), model.codes(outputs)
    classes = list(preprocessing.classes or ())
    if preprocessing.task == "multilabel":
        header = classes + [f"p({name})" for name in classes]
        return header, [[*map(int, row), *map(_plain, p)] for row, p in zip(codes, chances, strict=True)]
    labels = preprocessing.labels_of(codes).tolist()
    header = [names[0], *(f"p({name})" for name in classes)]
    return header, [[label, *map(_plain, p)] for label, p in zip(labels, chances[:, : len(classes)], strict=True)]


def _plain(value: HostArray) -> float:
    """Return a number with the digits that float32 has."""
    return float(f"{float(value):.7g}")
