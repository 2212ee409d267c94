"""Floor 7: the command line.

Results go to stdout and everything else to stderr. Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted, 143
ended by SIGTERM, 129 by SIGHUP.
A command's module is imported when that command is called, so that the list of commands comes at once.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from minisgd.cli import signals, streams
from minisgd.cli.group import Group
from minisgd.cli.parser import UsageError
from minisgd.cli.signals import INTERRUPTED
from minisgd.errors import MinisgdError

COMMANDS = {
    "study": "find the batch size to use: train at all of them, and write a report",
    "train": "train one network",
    "predict": "use a trained network on new examples",
    "export": "write a trained network for ONNX or PyTorch",
    "probe": "measure one thing: of the network, of its data, or of this machine",
    "claims": "settle what people say about batch size, by measuring it here",
    "compare": "put studies or training runs side by side",
    "watch": "serve the growing report of one that is under way",
    "explore": "write a page on which gradient descent is run live",
    "explain": "print the training step line by line, with FLOPs and bytes",
    "doctor": "say what works on this machine",
}
"""A module in this package for each."""

EXAMPLES = """\
  minisgd study --data digits
  minisgd train --data digits --model mlp:128 --batch-size 32 --lr 0.1 --epochs 10
  minisgd explain --model mlp:128 --input 64 --batch-size 32
  minisgd doctor"""

GROUP = Group(
    prog="minisgd",
    noun="command",
    purpose="Mini-batch gradient descent, and the batch size to use.",
    package="minisgd.cli",
    commands=COMMANDS,
    examples=EXAMPLES,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    with signals.treated_as_interrupts():
        code = _answer(words)
        streams.settle()
        return signals.exit_code(code)


def _answer(words: list[str]) -> int:
    """Run a command; say in one line what went wrong."""
    try:
        with streams.opened():
            return _dispatch(words)
    except MinisgdError as error:
        return _fail(str(error), error.exit_code)
    except UsageError as error:
        return _fail(str(error), 2)
    except MemoryError as error:
        return _fail(f"out of memory ({error}); use a smaller network or batch, or --memory-limit 1GiB", 1)
    except KeyboardInterrupt:
        return _fail("interrupted; nothing was saved", INTERRUPTED)
    except BrokenPipeError:
        streams.abandon(sys.stdout)  # whoever read the result has seen enough
        return 0
    except streams.Unreported as problem:
        streams.abandon(sys.stdout)
        return _fail(str(problem), 1)
    except Exception as error:
        if os.environ.get("MINISGD_DEBUG"):
            raise
        text = f"{type(error).__name__}: {error}".splitlines()[0]
        return _fail(f"unexpected {text}; set MINISGD_DEBUG=1 for the traceback", 1)


def _dispatch(words: list[str]) -> int:
    if words and not words[0].startswith("-"):
        return GROUP.run(words)
    parser = GROUP.parser()
    parser.add_argument("-V", "--version", action="store_true", help="print the version and end")
    parser.add_argument("--completion", action="store_true", help='print a script: eval "$(minisgd --completion)"')
    args = parser.parse(words or ["--help"])
    if args is not None and args.version:
        import minisgd

        print(f"minisgd {minisgd.__version__}")
    elif args is not None and args.completion:
        from minisgd.cli.completion import script

        print(script(GROUP), end="")
    return 0


def _fail(message: str, code: int) -> int:
    streams.report(f"minisgd: {message}")
    mpi = sys.modules.get("mpi4py.MPI")
    if mpi is not None and mpi.COMM_WORLD.size > 1:  # the other ranks would wait for this one for ever
        mpi.COMM_WORLD.Abort(code)
    return code
