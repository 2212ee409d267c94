"""The one thing about CUDA that g++ cannot be taught by a header: __shared__ declarations.

A shared variable is memory of the block: poisoned when the block starts, fenced off against its neighbours.
So its declaration becomes a reference into the machine,

    __shared__ float tile[16][17];      auto& tile = emulator::shared<float[16][17]>(3);
    extern __shared__ float rows[];     float* rows = (float*)emulator::dynamic_shared();

and everything else of a kernel file is left as it stands, line for line.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import count

_ALIGN = r"(?:(?:__align__|alignas)\s*\([^)]*\)\s*)?"
_TYPE = r"(?P<type>(?:(?:unsigned|signed|const|volatile|long|struct)\s+)*[A-Za-z_]\w*)"
_DYNAMIC = re.compile(rf"\bextern\s+{_ALIGN}__shared__\s+{_ALIGN}{_TYPE}\s+(?P<name>\w+)\s*\[\s*\]\s*;")
_STATIC = re.compile(rf"{_ALIGN}__shared__\s+{_ALIGN}{_TYPE}\s+(?P<variables>\w+\s*(?:\[[^;]*\])?[^;(){{}}=]*);")
_VARIABLE = re.compile(r"\s*(\w+)\s*((?:\[[^\]]*\]\s*)*)$")


def _balanced(depth: int) -> str:
    """Return a pattern of text whose parentheses close, nested up to so deep: macros of macros nest far."""
    return r"[^()]*" if depth == 0 else rf"(?:[^()]|\({_balanced(depth - 1)}\))*"


_KERNEL = re.compile(
    rf"__global__\s+(?:void\s+)?(?:__launch_bounds__\s*\((?P<bounds>{_balanced(12)})\)\s*)?"
    r"(?:void\s+)?(?P<name>(?!__launch_bounds__)\w+)\s*\("
)


@dataclass(frozen=True)
class KernelHead:
    """A kernel found in a file, and the expression of the most threads its blocks may have."""

    name: str
    most_threads: str


def kernels_in(text: str) -> list[KernelHead]:
    """Return the kernels of a preprocessed file."""
    return [
        KernelHead(match["name"], (match["bounds"] or "1024").split(",")[0].strip())
        for match in _KERNEL.finditer(text)
        if not text[match.end() :].split(")", 1)[-1].lstrip().startswith(";")  # a declaration, not a definition
    ]


def rewrite_shared(text: str) -> str:
    """Return a preprocessed file with its shared variables in the machine's memory."""
    numbers = count()

    def static(match: re.Match[str]) -> str:
        parts = []
        for variable in re.split(r",(?![^\[]*\])", match["variables"]):
            found = _VARIABLE.match(variable)
            if found is None:
                raise ValueError(f"cannot read the shared declaration {match[0]!r}")
            name, dimensions = found.groups()
            parts.append(f"auto& {name} = emulator::shared<{match['type']}{dimensions}>({next(numbers)});")
        return " ".join(parts)

    text = _DYNAMIC.sub(r"\g<type>* \g<name> = (\g<type>*)emulator::dynamic_shared();", text)
    text = _STATIC.sub(static, text)
    if "__shared__" in text:
        line = text[: text.index("__shared__")].count("\n") + 1
        raise ValueError(f"unreadable shared declaration in line {line} of the preprocessed text")
    return text
