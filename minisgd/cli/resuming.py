"""``minisgd train --resume DIR``: the options that the training run began with, read from its folder."""

from __future__ import annotations

import json
import shlex
from argparse import Namespace
from pathlib import Path

from minisgd.cli.parser import UsageError
from minisgd.errors import CheckpointError
from minisgd.files import to_json, write_atomically

FILE = "train.json"


def note_command(args: Namespace) -> None:
    """Write the command into --out before the work begins, for --resume to find."""
    write_atomically(args.out / FILE, to_json({"command": args.command_line, "stopped": None}, indent=2).encode())


def command(args: Namespace) -> str:
    """Return the command that goes on with a training run that was interrupted."""
    model = ["--model", args.model] if _runs_code(args.model) else []
    return shlex.join(["minisgd", "train", "--resume", str(args.out), *model])


def completed(words: list[str]) -> list[str]:
    """Return the options of a command with those that --resume DIR began with before them: the last one counts.

    Raises:
        CheckpointError: If the folder does not say what began it.
        UsageError: If that runs a Python file, and it is not named again: the folder may be somebody else's.
    """
    folder = _value("--resume", words)
    if not folder or "--help" in words or "-h" in words:
        return words
    begun = without("--resume", _begun(folder))
    model = _value("--model", begun) or ""
    if _runs_code(model) and _value("--model", words) is None:
        fix = f"add --model {shlex.quote(model)}"
        raise UsageError(f"--model must be given with --resume where it is a file that is run, got none; {fix}")
    return [*without("--out", begun), "--out", folder, *words]


def _begun(folder: str) -> list[str]:
    """Return the options of the command that began the training run of a folder."""
    try:
        words = shlex.split(json.loads((Path(folder) / FILE).read_text("utf-8"))["command"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        raise _unreadable(folder, reason or "something else") from error
    if words[:2] != ["minisgd", "train"]:
        raise _unreadable(folder, "another command")
    return words[2:]


def _value(option: str, words: list[str]) -> str | None:
    """Return what the last --option VALUE or --option=VALUE says."""
    found = None
    for word, after in zip(words, [*words[1:], ""], strict=False):
        if word == option:
            found = after
        elif word.startswith(f"{option}="):
            found = word.partition("=")[2]
    return found


def without(option: str, words: list[str]) -> list[str]:
    """Return the words without an option and its value."""
    kept: list[str] = []
    rest = iter(words)
    for word in rest:
        if word == option:
            next(rest, None)
        elif not word.startswith(f"{option}="):
            kept.append(word)
    return kept


def _runs_code(model: str) -> bool:
    return ".py" in model


def _unreadable(folder: str, got: str) -> CheckpointError:
    return CheckpointError(
        f"--resume {folder!r}",
        expected=f"the folder of --out, with the command in its {FILE}",
        got=got,
        fix="give the folder of an earlier 'minisgd train --out DIR'",
    )
