"""``--config FILE.toml``: options from a file, before those that are typed; and the file that repeats a command."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from minisgd.cli.parser import Parser, UsageError, as_listed, did_you_mean
from minisgd.files import write_atomically

FILE = "run.toml"
"""What a command that was given --out DIR leaves in it."""
LEFT_OUT = ("config", "help")


def completed(words: list[str], parser: Parser) -> list[str]:
    """Return the words of a command with the options of its --config before them: what is typed counts.

    Raises:
        UsageError: If the file cannot be read, or names an option that the command does not have.
    """
    found: list[str] = []
    kept: list[str] = []
    rest = iter(words)
    for word in rest:
        name, equals, value = word.partition("=")
        if name != "--config":
            kept.append(word)
            continue
        path = value if equals else next(rest, "")
        found += _words(path, _read(path), parser)
    return [*found, *kept]


def text(words: Iterable[str], parser: Parser) -> str:
    """Return the file that repeats a command, from the words of its options; of one given twice the last counts."""
    typed, off = parser.options().values(), parser.negations()
    values: dict[str, Any] = {}
    option = ""
    for word in words:
        name, equals, value = word.partition("=")
        if name in typed or name in off:
            option = off.get(name, name).removeprefix("--")
            values[option] = value if equals else name not in off
        elif option:
            values[option] = word
    kept = {name: json.dumps(value, ensure_ascii=False) for name, value in values.items() if name not in LEFT_OUT}
    lines = [f"{name} = {value}" for name, value in kept.items()]
    return "".join(f"{line}\n" for line in (f"# {parser.prog} --config {FILE}", *lines))


def note(words: Iterable[str], parser: Parser, out: Any) -> None:
    """Write the file that repeats a command into the folder that it wrote to, if it did."""
    if isinstance(out, Path) and out.is_dir():
        write_atomically(out / FILE, text(words, parser).encode("utf-8", "surrogateescape"), "--out")


def _read(path: str) -> dict[str, Any]:
    try:
        return tomllib.loads(Path(path).read_text("utf-8", "surrogateescape"))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"--config must be a TOML file, got {path!r} ({reason}); for example: epochs = 10") from error


def _words(path: str, values: dict[str, Any], parser: Parser) -> list[str]:
    """Return what a file says as it would be typed: batch-size = 32 is --batch-size 32, a list has commas between."""
    known = [option.removeprefix("--") for option in parser.options().values()]
    words: list[str] = []
    for key, value in values.items():
        name = key.replace("_", "-")
        if name not in known or name in LEFT_OUT or isinstance(value, dict):
            guess = did_you_mean(name, known) or f"see '{parser.prog} --help'"
            raise UsageError(f"{path}: {key} must be an option of '{parser.prog}' with a value; {guess}")
        if isinstance(value, bool):
            option = f"--{name}" if value else f"--no-{name}"
            words += [option] * (value or option in parser.negations())
        else:
            words += [f"--{name}", as_listed(map(str, value)) if isinstance(value, list) else str(value)]
    return words
