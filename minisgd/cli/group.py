"""Commands behind a word: ``minisgd NAME``, and ``minisgd probe NAME`` in the same way.

A command is a module with ``EXAMPLES``, ``configure(parser)`` and ``run(args)``; it is imported only when it is
called. A module that has a ``GROUP`` instead stands for several. A function ``complete(words)`` may add options
that come from elsewhere, before any are read.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType

from minisgd.cli import settings
from minisgd.cli.inputs import settle_device
from minisgd.cli.naming import options_named_as_typed
from minisgd.cli.parser import Parser, UsageError, did_you_mean


@dataclass(frozen=True)
class Group:
    """Several commands that share a first word.

    prog: what is typed before a name   noun: what the names stand for
    commands: name and purpose, each a module in ``package``
    """

    prog: str
    noun: str
    purpose: str
    package: str
    commands: Mapping[str, str]
    examples: str

    def parser(self) -> Parser:
        """Return the parser of the group itself: its help lists the commands."""
        parser = Parser(self.prog, self.purpose, self.examples)
        wide = 2 + max(map(len, self.commands))
        listed = "\n".join(f"  {name:<{wide}}{what}" for name, what in self.commands.items())
        parser.epilog = f"{self.noun}s:\n{listed}"
        name = self.noun.upper()
        parser.usage = f"{self.prog} {name} [options]      {self.prog} {name} --help"
        return parser

    def command(self, name: str | None) -> ModuleType:
        """Return the module of a command.

        Raises:
            UsageError: For an unknown name, or none.
        """
        if name not in self.commands:
            options = (
                self.parser().options().values() if self.prog != "minisgd" else ("--version", "--help", "--completion")
            )
            guess = did_you_mean(name or "", [*self.commands, *options]) or f"see '{self.prog} --help'"
            got = "none" if name is None else repr(name)
            raise UsageError(f"{self.noun} must be one of {', '.join(self.commands)}, got {got}; {guess}")
        return import_module(f"{self.package}.{name}")

    def command_parser(self, name: str) -> Parser:
        """Return the parser of a command, with its options."""
        command, what = self.command(name), self.commands[name]
        parser = Parser(f"{self.prog} {name}", f"{what[:1].upper()}{what[1:]}.", command.EXAMPLES)
        command.configure(parser)
        return parser

    def run(self, words: Sequence[str]) -> int:
        """Run the command that the words begin with, and return its exit code."""
        if words[:1] and words[0].startswith("-"):
            self.parser().parse(list(words))
            return 0
        command = self.command(words[0] if words else None)
        if hasattr(command, "GROUP"):
            code: int = command.GROUP.run(words[1:])
            return code
        parser = self.command_parser(words[0])
        words = [words[0], *settings.completed(list(words[1:]), parser)]
        if hasattr(command, "complete"):
            words = [words[0], *command.complete(list(words[1:]))]
        args = parser.parse(list(words[1:]))
        if args is None:
            return 0
        args.command_line = shlex.join([*self.prog.split(), *words])
        settle_device(args)
        with options_named_as_typed(parser):
            code = command.run(args)
        settings.note(shlex.split(args.command_line)[len(self.prog.split()) + 1 :], parser, getattr(args, "out", None))
        return code
