"""Errors of the library, worded for the command line: what Python calls ``batch_size`` was typed --batch-size."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from minisgd.cli.parser import Parser
from minisgd.errors import MinisgdError

_SETTING = re.compile(r"\b([a-z_0-9]+)=(?:'([^']*)'|([\w.]+))")
"""An argument as Python code gives it: last_batch='drop', clip_norm=1.0."""

_TWICE = re.compile(r"(--[\w-]+)( \S+)? \(\1(?: [^)]*)?\)|\b(\w+) \((--\3)\)")
"""An option beside itself, or beside the argument of its name: --missing impute (--missing impute), drop (--drop)."""


@contextmanager
def options_named_as_typed(parser: Parser) -> Iterator[None]:
    """Name options, not arguments, in the errors of this block: the argument refused, and those of the fix."""
    options = parser.options()
    try:
        yield
    except MinisgdError as error:
        raise type(error)(
            _argument(error.argument, options), expected=error.expected, got=error.got, fix=_fix(error.fix, options)
        ) from error


@contextmanager
def blamed_on(option: str) -> Iterator[None]:
    """Name this option in the errors of the block, whatever the argument is called in Python."""
    try:
        yield
    except MinisgdError as error:
        raise type(error)(option, expected=error.expected, got=error.got, fix=error.fix) from error


def _argument(argument: str, options: Mapping[str, str]) -> str:
    """Write ``memory_limit`` as --memory-limit, ``model 'cnn': input`` as --model 'cnn': input, also after a file."""
    name = re.match(r"([a-z_0-9]+)(?=$| ')", argument) or re.fullmatch(r".*\.\w+: ([a-z_0-9]+)", argument)
    if name is None or name[1] not in options:
        return argument
    return argument[: name.start(1)] + options[name[1]] + argument[name.end(1) :]


def _fix(text: str, options: Mapping[str, str]) -> str:
    """Write ``last_batch='drop'`` as --last-batch drop."""

    def typed(setting: re.Match[str]) -> str:
        name, word, plain = setting.groups()
        return as_typed(options[name], word or plain) if name in options else setting[0]

    return _TWICE.sub(lambda twice: twice[4] or twice[1] + (twice[2] or ""), _SETTING.sub(typed, text))


def as_typed(option: str, value: str) -> str:
    """Write an option and its value; one that is only yes or no takes none."""
    if value in ("True", "False"):
        return option if value == "True" else f"--no-{option.removeprefix('--')}"
    return f"{option} {value}"


def named_as_typed(text: str) -> str:
    """Write ``standardize=True`` anywhere in a text as --standardize."""
    return _SETTING.sub(lambda found: as_typed(f"--{found[1].replace('_', '-')}", found[2] or found[3]), text)
