"""The words of the field: no private names in the code, no private phrases in prose."""

from __future__ import annotations

import io
import re
import tokenize
from pathlib import Path

import pytest

import minisgd

ROOT = Path(__file__).parents[1]
PACKAGE = Path(minisgd.__file__).parent

NAMES = {
    "adam_tick": "bias_correction",
    "ahead": "steps_per_launch",
    "beside": "what it is: fused, other, extra",
    "crew": "threads, pool",
    "grain": "block_size",
    "hopeless": "divergence factor, censoring factor",
    "lane": "stream, transfer",
    "lead_back": "running statistics update",
    "neighbour": "fused layers, adjacent layers",
    "neighbours": "fused layers, adjacent layers",
    "seat": "row",
    "tell": "upload, send, report",
    "thin": "narrow, subsample",
    "thing": "what it is",
    "twin": "reference",
    "wish": "request",
    "wishes": "requests",
}
"""A name, or a part of one between underscores or capitals, and what to call it."""

CALLED = {"whole": "what it does or is: the tuned body, a full array, an integer"}
"""Words that may name a variable, but no function, class or attribute."""

PROSE = {
    r"\btrainings\b": "training runs",
    r"\ba training\b(?! (set|step|steps|loss|run|runs|pair|example|examples|split|batch|part|program|time|data|pass))":
        "a training run",
    r"\btwins?\b": "reference implementation",
    r"\bgradients? (of [^.;,]{0,40})?by (x|w|W|b|z|y|the (weights?|inputs?|parameters?|outputs?|logits))\b":
        "gradient with respect to x",
}  # fmt: skip
"""A phrase, and what to say."""

SOURCES = sorted(PACKAGE.rglob("*.py"))
TEXTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.py")])


def parts(name: str) -> set[str]:
    """Split a name at underscores and capitals: DenseBeside → dense, beside; and keep it as it is too."""
    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", name)
    return {word.lower() for word in words} | {name.lower().strip("_")}


def tokens(path: Path) -> list[tokenize.TokenInfo]:
    return list(tokenize.generate_tokens(io.StringIO(path.read_text(encoding="utf-8")).readline))


def names(path: Path) -> list[str]:
    """Return what is wrong with the names of a file."""
    wrong, before = [], ""
    for token in tokens(path):
        if token.type == tokenize.NAME:
            banned = NAMES | CALLED if before in ("def", "class", ".") else NAMES
            for word in parts(token.string) & banned.keys():
                wrong.append(f"{path.name}:{token.start[0]}: {token.string}: say {banned[word]}")
        before = token.string
    return wrong


def phrases(text: str, name: str) -> list[str]:
    """Return what is wrong with a text."""
    flat = " ".join(text.split())
    return [
        f"{name}: {found[0]!r}: say {better!r}"
        for phrase, better in PROSE.items()
        for found in re.finditer(phrase, flat, re.IGNORECASE)
    ]


def prose(path: Path) -> list[str]:
    """Return what is wrong with the strings and the comments of a file."""
    kinds = (tokenize.STRING, tokenize.COMMENT, getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING))
    return [each for token in tokens(path) if token.type in kinds
            for each in phrases(token.string, f"{path.name}:{token.start[0]}")]  # fmt: skip


def test_code_uses_the_words_of_the_field() -> None:
    assert {path: found for path in SOURCES if (found := names(path) + prose(path))} == {}


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_documents_use_the_words_of_the_field(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert phrases(text, path.name) + (names(path) if path.suffix == ".py" else []) == []


@pytest.mark.parametrize("name", ["twin", "DenseBeside", "_tell", "lane_of", "adam_tick", "HOPELESS", "_seat"])
def test_private_names_are_found(name: str, tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(f"{name} = 1\n")
    assert names(tmp_path / "a.py")


def test_a_word_may_be_a_variable_but_not_a_function(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("whole = 1\n\n\ndef whole_or_word(): ...\n")
    assert len(names(tmp_path / "a.py")) == 1


@pytest.mark.parametrize("name", ["planes", "within", "tellurium", "something", "wholesale", "grained"])
def test_other_names_are_not(name: str) -> None:
    assert not parts(name) & NAMES.keys()


@pytest.mark.parametrize("text", ["two trainings", "after a training ends", "the gradient by x", "its twin"])
def test_private_phrases_are_found(text: str) -> None:
    assert phrases(text, "")


@pytest.mark.parametrize("text", ["a training run", "a training set", "gradients by owner", "divided by x"])
def test_other_phrases_are_not(text: str) -> None:
    assert not phrases(text, "")
