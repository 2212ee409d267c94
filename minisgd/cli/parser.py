"""argparse with our manners: examples first, one line for a mistake, and a guess at what was meant."""

from __future__ import annotations

import argparse
import csv
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import NoReturn


class UsageError(Exception):
    """A command line that cannot be understood; the message is one line and names the fix."""


class _Help(argparse.RawDescriptionHelpFormatter):
    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=28)


class Parser(argparse.ArgumentParser):
    """Parses the options of one command."""

    def __init__(self, prog: str, description: str, examples: str) -> None:
        super().__init__(
            prog=prog, description=description, formatter_class=_Help, usage=f"{prog} [options]", allow_abbrev=False
        )
        self.examples = examples

    def format_help(self) -> str:
        return f"examples:\n{self.examples}\n\n{super().format_help()}"

    def parse(self, words: list[str]) -> argparse.Namespace | None:
        """Return the arguments, or None where help was asked for and printed.

        Raises:
            UsageError: For options that cannot be understood.
        """
        if not {"-h", "--help"} & set(words):
            self._require_known(words)
        try:
            args, unknown = self.parse_known_args(words)
        except SystemExit:  # of --help alone: errors are raised below
            return None
        if unknown:
            self._require_known(unknown, "-")
            raise UsageError(
                f"{unknown[0]!r} must follow an option of '{self.prog}' that takes it, got it by itself; "
                f"see '{self.prog} --help'"
            )
        return args

    def _require_known(self, words: list[str], dash: str = "--") -> None:
        """Refuse an unknown option, which may well be the one that would be said to be missing, with a slip."""
        for word in words:
            option = word.partition("=")[0]
            if word.startswith(dash) and word != "--" and option not in self._option_string_actions:
                guess = did_you_mean(option, self.options().values()) or f"see '{self.prog} --help'"
                raise UsageError(f"{word} must be an option of '{self.prog}', got an unknown one; {guess}")

    def options(self) -> dict[str, str]:
        """Return what is typed for an option, by the name of its value: {"batch_size": "--batch-size"}."""
        typed = {action.dest: action.option_strings for action in self._actions if action.option_strings}
        return {dest: next(text for text in texts if text.startswith("--")) for dest, texts in typed.items()}

    def negations(self) -> dict[str, str]:
        """Return what is typed to switch an option off, with that option: {"--no-header": "--header"}."""
        typed = [text for action in self._actions for text in action.option_strings]
        return {text: f"--{text.removeprefix('--no-')}" for text in typed if text.startswith("--no-")}

    def error(self, message: str) -> NoReturn:
        text = message.removeprefix("argument ").replace(": must", " must")
        raise UsageError(text if ";" in text else f"{text}; see '{self.prog} --help'")


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return "did you mean …?", or nothing where nothing is near."""
    near = get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f"did you mean {near[0]!r}?" if near else ""


# ------------------------------------------------ types of options


def choice(*names: str, **meant: str) -> Callable[[str], str]:
    """Return a type that takes one of the names.

    meant: what words that are not names may stand for, where that is not the name spelt most alike
    """

    def read(text: str) -> str:
        if text in names:
            return text
        guess = did_you_mean(meant.get(text, text), names) or f"for example {names[0]}"
        raise argparse.ArgumentTypeError(f"must be one of {', '.join(names)}, got {text!r}; {guess}")

    return read


def number(text: str) -> float:
    """Read a number; its range is for whoever uses it to check."""
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a number, got {text!r}; for example 0.1") from None


def integer(text: str) -> int:
    """Read a whole number; its range is for whoever uses it to check."""
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a whole number, got {text!r}; for example 5") from None


def integer_or_word(text: str) -> int | str:
    """Read a whole number where there is one, and leave a word for whoever uses it to check."""
    return int(text) if text.removeprefix("-").isdecimal() else text


def folder(text: str) -> Path:
    """Read the path of a folder or file to write."""
    if not text.strip():
        raise argparse.ArgumentTypeError(f"must be a path, got {text!r}; for example runs/a")
    return Path(text)


def at_least(low: int) -> Callable[[str], int]:
    """Return a type that takes whole numbers from ``low`` on."""

    def read(text: str) -> int:
        if (value := integer(text)) < low:
            raise argparse.ArgumentTypeError(f"must be {low} or more, got {text!r}; for example {low}")
        return value

    return read


natural, positive = at_least(0), at_least(1)


def shape(text: str) -> tuple[int, ...]:
    """Read the shape of one example: 64, 28x28x1 or 28,28,1."""
    sizes = text.lower().replace("×", "x").replace(",", "x").split("x")
    if all(size.strip().isdecimal() and int(size) > 0 for size in sizes):
        return tuple(int(size) for size in sizes)
    raise argparse.ArgumentTypeError(f"must be the shape of one example, got {text!r}; for example 64 or 28x28x1")


def listed(read: Callable[[str], object]) -> Callable[[str], list[object]]:
    """Return a type that takes several values with commas between; a value that has one stands in double quotes."""
    # an empty text is one empty value: what reads it says what it should be
    return lambda text: [read(part.strip()) for part in next(csv.reader([text], skipinitialspace=True)) or [""]]


def as_listed(values: Iterable[str]) -> str:
    """Return several values as they are typed for ``listed``."""
    return ",".join(f'"{value}"' if "," in value else value for value in values)
