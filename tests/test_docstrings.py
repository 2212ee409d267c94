"""Public docstrings: a line that says what it does, and sections that documentation tools parse."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import minisgd as ms

ROOT = Path(ms.__file__).parent

SECTION = re.compile(r"^(Args|Attributes|Returns|Yields|Raises):$")
ENTRY = re.compile(r"^    (\*{0,2}\w+)( \(.*\))?: \S")
EXPLAINS = {"Args", "Attributes"}
THIRD_PERSON = re.compile(r"^[A-Z][a-z]*[^s\W]s\b")


def public() -> Iterator[tuple[str, Any]]:
    """Yield every public function and class, and the methods and properties that public classes define."""
    for name in ms.__all__:
        thing = getattr(ms, name)
        if isinstance(thing, ModuleType):
            yield from ((f"{name}.{inner}", each) for inner, each in vars(thing).items() if is_ours(inner, each))
        elif inspect.isfunction(thing) or (inspect.isclass(thing) and thing.__module__.startswith("minisgd.")):
            yield name, thing
            members = vars(thing).items() if inspect.isclass(thing) else ()
            for inner, member in members:
                member = member.__func__ if isinstance(member, classmethod | staticmethod) else member
                if not inner.startswith("_") and (inspect.isfunction(member) or isinstance(member, property)):
                    yield f"{name}.{inner}", member


def is_ours(name: str, thing: Any) -> bool:
    """Tell whether a name in a module is a public function or class of the package."""
    module = getattr(thing, "__module__", None) or ""
    return (
        not name.startswith("_")
        and module.startswith("minisgd.")
        and (inspect.isroutine(thing) or inspect.isclass(thing))
    )


def docstrings(name: str, thing: Any) -> list[str]:
    """Return the docstring, followed by those of the methods that a method overrides."""
    owner, _, method = name.rpartition(".")
    if owner and inspect.isclass(kind := getattr(ms, owner)):
        return [text for base in kind.__mro__ if (text := inspect.getdoc(vars(base).get(method)))]
    return [inspect.cleandoc(thing.__doc__)] if thing.__doc__ else []


def sections(text: str) -> dict[str, list[str]]:
    """Return the names of the entries of every section."""
    found: dict[str, list[str]] = {}
    entries: list[str] | None = None
    for line in text.splitlines():
        if heading := SECTION.match(line):
            entries = found.setdefault(heading[1], [])
        elif line and not line.startswith(" "):
            entries = None
        elif entries is not None and (entry := ENTRY.match(line)):
            entries.append(entry[1].lstrip("*"))
    return found


def parameters(thing: Any) -> list[str]:
    """Return the names that an Args section has to explain."""
    if isinstance(thing, property) or getattr(thing, "_is_protocol", False):
        return []
    if inspect.isclass(thing) and "__init__" not in vars(thing):
        return []
    names = list(inspect.signature(thing).parameters)
    return [name for name in names if name not in ("self", "cls")]


CHECKED = dict(public())


def problem_of_the_first_line(name: str, thing: Any) -> str | None:
    text = next(iter(docstrings(name, thing)), "")
    first, *rest = text.splitlines() or [""]
    if not first:
        return f"{name} has no docstring"
    if rest and rest[0]:
        return f"{name}: leave an empty line after the first"
    if inspect.isfunction(thing) and THIRD_PERSON.match(first):
        return f"{name}: begin with an imperative: Return, not Returns"
    return None


def test_the_first_line_says_what_it_does() -> None:
    assert [problem for each in CHECKED.items() if (problem := problem_of_the_first_line(*each))] == []


def test_every_parameter_is_explained() -> None:
    """An override need not repeat what its base class says of the same parameters."""
    explained, there_are = {}, {}
    for name, thing in CHECKED.items():
        found = next((f for text in docstrings(name, thing) if EXPLAINS & (f := sections(text)).keys()), {})
        explained[name] = sorted(found.get("Args", []) + found.get("Attributes", []))
        there_are[name] = sorted(parameters(thing))
    assert explained == there_are


def test_errors_are_named_with_their_reason() -> None:
    for name, thing in CHECKED.items():
        for kind in (kind for text in docstrings(name, thing) for kind in sections(text).get("Raises", [])):
            assert issubclass(getattr(ms, kind), ms.MinisgdError), name


def test_errors_stand_under_raises() -> None:
    old = re.compile(r"\bErrors: |^ *Raises [A-Z]", re.MULTILINE)
    assert [path for path in ROOT.rglob("*.py") if old.search(path.read_text(encoding="utf-8"))] == []
