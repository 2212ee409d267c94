"""The options --workers and --dask: who trains."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from minisgd.cli import output
from minisgd.cli.parser import positive
from minisgd.errors import ArgumentError


def add_workers(group: Any) -> None:
    """Add --workers and --dask."""
    group.add_argument("--workers", type=positive, metavar="N", help="train in N processes, one thread each")
    group.add_argument("--dask", metavar="ADDRESS", help="train on a Dask cluster: tcp://HOST:PORT, or local")


@contextmanager
def executor(args: Namespace) -> Iterator[Any]:
    """Hold the processes of --workers or the cluster of --dask, None without either."""
    from minisgd.errors import missing_extra
    from minisgd.lab.study.executors import Processes

    if args.workers is not None and args.dask is not None:
        raise ArgumentError("--workers", expected="left out with --dask", got=args.workers, fix="leave one of them out")
    if args.workers is not None:
        processes = Processes(args.workers)
        try:
            yield processes
        finally:
            processes.shutdown()
    elif args.dask is not None:
        with missing_extra("--dask", expected="possible", got="no dask.distributed", fix="pip install 'minisgd[dask]'"):
            distributed: Any = import_module("dask.distributed")
        try:
            where = {"threads_per_worker": 1} if args.dask == "local" else {"address": args.dask}
            client = distributed.Client(**where)
        except (OSError, ValueError) as error:
            fix = "start one with 'dask scheduler', or --dask local"
            raise ArgumentError("--dask", expected="a scheduler's address", got=str(error), fix=fix) from error
        with client:
            output.note(f"dashboard: {client.dashboard_link}", args.quiet)
            yield client
    else:
        yield None
