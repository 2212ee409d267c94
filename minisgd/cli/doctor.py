"""``minisgd doctor``: what works on this machine."""

from __future__ import annotations

import platform
import sys
from argparse import Namespace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from minisgd.backend.cpu.host_memory import available_memory
from minisgd.cli import options, output
from minisgd.cli.parser import Parser
from minisgd.errors import MinisgdError

EXAMPLES = """\
  minisgd doctor
  minisgd doctor --json"""

EXTRAS = {
    "report": ("the pictures and the report of a study", ("matplotlib", "jinja2")),
    "data": ("Parquet tables", ("pyarrow",)),
    "sklearn": ("estimators of scikit-learn", ("sklearn",)),
    "tensorboard": ("logs for TensorBoard", ("tensorboardX",)),
    "sweep": ("studies in several processes", ("joblib",)),
    "dask": ("studies on a Dask cluster", ("distributed",)),
    "mpi": ("training on several ranks", ("mpi4py",)),
    "peers": ("comparison with PyTorch in the tests", ("torch",)),
}
"""Optional dependencies: what they are for, and the packages that must be there."""


def configure(parser: Parser) -> None:
    options.add_common(parser, runs=False)


def run(args: Namespace) -> int:
    found = examine()
    if args.json:
        output.print_json(found)
    else:
        output.print_table(("", "", ""), list(_rows(found)), left=3)
        print()
        print(_summary(found))
    return 0


def examine() -> dict[str, Any]:
    """Return what there is on this machine, as plain values."""
    import numpy

    import minisgd
    from minisgd.backend.cpu.threads import available_cores, blas_info

    memory, source = available_memory()
    blas = [
        {"library": lib["internal_api"], "version": lib.get("version"), "threads": lib["num_threads"]}
        for lib in blas_info()
        if lib["user_api"] == "blas"
    ]
    return {
        "minisgd": minisgd.__version__,
        "python": platform.python_version(),
        "executable": sys.executable,
        "platform": platform.platform(),
        "numpy": numpy.__version__,
        "blas": blas,
        "executor": _executor(),
        "cores": available_cores(),
        "memory_bytes": memory,
        "memory_source": source,
        "extras": {name: _extra(name, purpose, packages) for name, (purpose, packages) in EXTRAS.items()},
        "gpu": _gpu(),
        "kernels": _kernels(),
        "data": _data(),
    }


def _extra(name: str, purpose: str, packages: tuple[str, ...]) -> dict[str, Any]:
    missing = [package for package in packages if find_spec(package) is None]
    install = f"pip install 'minisgd[{name}]'" if missing else None
    return {"for": purpose, "installed": not missing, "missing": missing, "install": install}


def _executor() -> dict[str, Any]:
    """Return who executes recorded programs on the CPU, and why not natively."""
    from minisgd.backend.cpu.executor import program_type, why_not_native

    return {"name": program_type().executor, "reason": why_not_native()}


def _gpu() -> dict[str, Any]:
    """Return the CUDA device, or why there is none and what to do about it."""
    from minisgd.backend import get_ops

    try:
        ops = get_ops("cuda")
        name, memory = ops.identify()
    except MinisgdError as error:
        return {"usable": False, "device": None, "memory_bytes": None, "reason": str(error.got), "fix": error.fix}
    return {"usable": True, "device": name, "memory_bytes": memory, "reason": None, "fix": None}


def _kernels() -> dict[str, Any]:
    """Return where the CUDA sources are."""
    from minisgd.backend.cuda.launcher import kernels_folder

    try:
        folder = kernels_folder()
    except MinisgdError:
        return {"folder": None, "files": 0}
    return {"folder": str(folder), "files": len(list(folder.glob("*.cu")))}


def _data() -> list[str]:
    """Return the names of data sets that --data would take from here: the embedded ones, and files in this folder."""
    from minisgd.data.readers import READERS
    from minisgd.data.sources import BUILT_IN

    here = Path()
    endings = [reader.endings[0] for reader in READERS if len(reader.endings) == 1]
    files = sorted(str(path) for ending in endings for path in here.glob(f"*{ending}"))
    folders = {f"idx:{path.parent}" for pattern in ("*idx3-ubyte*", "*/*idx3-ubyte*") for path in here.glob(pattern)}
    return [*BUILT_IN, *sorted(folders), *files]


# ------------------------------------------------ written


def _rows(found: dict[str, Any]) -> list[tuple[str, str, str]]:
    from minisgd.data.sources import BUILT_IN
    from minisgd.training.memory import format_bytes

    gpu, kernels = found["gpu"], found["kernels"]
    rows = [
        ("minisgd", found["minisgd"], ""),
        ("Python", found["python"], found["executable"]),
        ("NumPy", found["numpy"], ""),
    ]
    for blas in found["blas"] or [{"library": "none that can be controlled", "version": "", "threads": 1}]:
        threads = f"{blas['threads']} thread{'s' if blas['threads'] != 1 else ''}"
        rows.append(("BLAS", f"{blas['library']} {blas['version'] or ''}".strip(), threads))
    executor = found["executor"]
    rows.append(("executor", executor["name"], executor["reason"] or "of recorded programs"))
    rows += [
        ("cores", str(found["cores"]), found["platform"]),
        ("memory", format_bytes(found["memory_bytes"]), found["memory_source"]),
        ("GPU", gpu["device"], format_bytes(gpu["memory_bytes"])) if gpu["usable"] else ("GPU", "none", gpu["reason"]),
        ("kernels", f"{kernels['files']} CUDA files", kernels["folder"] or "no folder"),
    ]
    for name, extra in found["extras"].items():
        rows.append((f"[{name}]", "installed" if extra["installed"] else "missing", extra["install"] or extra["for"]))
    rows += [("data", name, "embedded" if name in BUILT_IN else "in this folder") for name in found["data"]]
    return rows


def _summary(found: dict[str, Any]) -> str:
    report, gpu = found["extras"]["report"], found["gpu"]
    works = [*(["study with its report"] if report["installed"] else []), "train", "probe", "explain"]
    where = f"the CPU and on {gpu['device']}" if gpu["usable"] else "the CPU"
    lines = [f"Works here: {', '.join(works)}, on {where}."]
    if not report["installed"]:
        lines.append(f"For the study: {report['install']}")
    if not gpu["usable"]:
        cure, _, _ = gpu["fix"].rpartition("; or ")  # the CPU needs no advice here
        lines.append(f"For the GPU: {cure}")
    return "\n".join(lines)
