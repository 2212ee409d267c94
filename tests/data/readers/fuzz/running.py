"""Files of the makers through the readers, in a process for as many as it survives."""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import signal
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from random import Random
from time import process_time
from typing import Any

from minisgd.errors import MinisgdError
from tests.data.readers import fuzz as package
from tests.data.readers.fuzz.makers import MAKERS
from tests.data.readers.hostile import KINDS

ROOM = 1 << 30
"""Bytes of address space beyond what the libraries take."""


def run(kind: str, seed: int, first: int, cases: int, folder: str, results: Any) -> None:
    """Read cases in this process, in little memory, and count what comes of them."""
    name, _, prepare = KINDS[kind]
    read, path = prepare(), Path(folder) / name
    warnings.simplefilter("ignore")
    for warmed in range(20):  # what is imported when it is used takes its room now
        _outcome(read, path, MAKERS[kind](Random(f"warm {warmed}")))
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + ROOM, taken + ROOM))
    at = os.open(Path(folder) / "at", os.O_WRONLY | os.O_CREAT)
    for number in range(first, first + cases):
        os.pwrite(at, b"%20d" % number, 0)  # for the parent, should this process die of it
        content, begun = MAKERS[kind](Random(f"{kind} {seed} {number}")), process_time()
        results.put((number, _outcome(read, path, content), process_time() - begun))
    results.put(None)


def _outcome(read: Callable[[Path], Any], path: Path, content: bytes) -> str:
    path.write_bytes(content)
    try:
        read(path)
        return "read"
    except MinisgdError:
        return "refused"
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def fuzz(kind: str, seed: int, cases: int, folder: str) -> int:
    """Run the cases of a kind, a process for as many as it survives; print what is wrong, and return how many are.

    Ctrl-C or SIGTERM ends it early, with the figures so far.
    """
    counts, slowest, next_one = {"read": 0, "refused": 0, "wrong": 0}, (0.0, 0), 0
    context = multiprocessing.get_context("spawn")

    def note(number: int, outcome: str) -> None:
        counts["wrong"] += 1
        print(f"{kind}, seed {seed}, case {number}: {outcome}", flush=True)

    while next_one < cases:
        results = context.SimpleQueue()
        child = context.Process(target=run, args=(kind, seed, next_one, cases - next_one, folder, results), daemon=True)
        child.start()
        results._writer.close()  # so that the end of the child is the end of the queue
        try:
            while (result := results.get()) is not None:
                number, outcome, seconds = result
                slowest, next_one = max(slowest, (seconds, number)), number + 1
                if outcome in counts:
                    counts[outcome] += 1
                else:
                    note(number, outcome)
        except EOFError:
            child.join()
            next_one = int((Path(folder) / "at").read_text()) + 1
            note(next_one - 1, f"the process died, exit code {child.exitcode}")
        except KeyboardInterrupt:
            child.kill()
            break
        child.join()
    said = ", ".join(f"{count:,} {outcome}" for outcome, count in counts.items())
    print(f"{kind}: {next_one:,} cases, {said}, slowest {slowest[0]:.2f} s (case {slowest[1]})", flush=True)
    return counts["wrong"]


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=package.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=[*MAKERS, "all"])
    parser.add_argument("--cases", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(words)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory() as folder:
        kinds = MAKERS if args.kind == "all" else [args.kind]
        return int(any([fuzz(kind, args.seed, args.cases, folder) for kind in kinds]))
