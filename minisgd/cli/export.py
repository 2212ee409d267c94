"""``minisgd export``: a trained model for other frameworks."""

from __future__ import annotations

from argparse import Namespace

from minisgd.cli import options, output
from minisgd.cli.parser import Parser, UsageError, folder

EXAMPLES = """\
  minisgd export --weights runs/a --onnx model.onnx
  minisgd export --weights runs/a/weights.safetensors --torch model.safetensors"""


def configure(parser: Parser) -> None:
    group = parser.add_argument_group("model and formats")
    group.add_argument(
        "--weights", type=folder, required=True, metavar="DIR", help="what minisgd train --out DIR wrote, or its file"
    )
    group.add_argument(
        "--onnx", type=folder, metavar="FILE", help="write ONNX there, preprocessing included; needs minisgd[onnx]"
    )
    group.add_argument(
        "--torch", type=folder, metavar="FILE", help="write PyTorch's state dictionary there, as safetensors"
    )
    options.add_allow(group)
    options.add_common(parser, runs=False)


def run(args: Namespace) -> int:
    from safetensors.numpy import save

    from minisgd.data.tables.text_column import TextEncoding
    from minisgd.files import write_atomically
    from minisgd.interop.onnx import to_onnx
    from minisgd.interop.pytorch import torch_arrays
    from minisgd.training import load_model

    if not (args.onnx or args.torch):
        raise UsageError("one of --onnx and --torch must be given; for example --onnx model.onnx")
    model = load_model(args.weights, allow=args.allow)
    written = {}
    if args.onnx:
        written["onnx"] = to_onnx(model, args.onnx)
        taken = "raw examples"
        if isinstance(model.preprocessing.encoding, TextEncoding):
            taken = "features of texts by the lexicon that its metadata holds"
        output.note(f"{args.onnx}: {taken} in, answers in their units out", args.quiet)
    if args.torch:
        written["torch"] = write_atomically(args.torch, save(torch_arrays(model), {"format": "pt"}), "torch")
        output.note(f"{args.torch}: module.load_state_dict(safetensors.torch.load_file(…))", args.quiet)
    if args.json:
        output.print_json({name: str(path) for name, path in written.items()})
    return 0
