"""Text as numbers: a lexicon of the words of the training texts, and counts, weights or sequences by it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import log
from typing import Any, Literal, Self, TypeAlias, get_args

import numpy as np

from minisgd.checks import positive, require_one_of
from minisgd.errors import DataError, DtypeError
from minisgd.typing import HostArray

Form: TypeAlias = Literal["counts", "tfidf", "sequences"]

WORD = re.compile(r"\w\w+")
PADDING, UNKNOWN = 0, 1
"""The first tokens of sequences; words are numbered from 2."""


@dataclass(frozen=True)
class Lexicon:
    """The words that count, and what a text is by them.

    A word is a run of two or more letters, digits or underscores, in lower case, as in scikit-learn's CountVectorizer.

    counts     x_j = how often word j occurs in the text
    tfidf      x = counts · idf, divided by its Euclidean norm;  idf_j = ln((1 + N) / (1 + N_j)) + 1
    sequences  the words in their order, word j as j + 2, others as 1, and 0 as padding at the end

    >>> lexicon = ms.text.Lexicon.fit(["a good film", "a bad film"])
    >>> lexicon.tfidf(["good good film"])

    Attributes:
        words: V words in alphabetical order.
        idf: The weight of each, (V,).
        form: What ``apply`` returns.
        length: T, to which sequences are padded or cut.
    """

    words: tuple[str, ...]
    idf: tuple[float, ...]
    form: Form = "tfidf"
    length: int = 64

    @classmethod
    def fit(
        cls, texts: Iterable[str], *, form: Form = "tfidf", least: int = 1, most: int | None = None, length: int = 64
    ) -> Self:
        """Return the lexicon of some texts.

        Args:
            texts: N of them.
            form: What ``apply`` returns.
            least: In how many texts a word must occur to count.
            most: How many words count, the commonest; all by default.
            length: T, of sequences.

        Raises:
            DataError: Where no word is left.
            DtypeError: For what is no text.
        """
        require_one_of(form, get_args(Form), "form")
        total: Counter[str] = Counter()
        present: Counter[str] = Counter()
        n = 0
        for words in map(tokens, as_texts(texts)):
            total.update(words)
            present.update(set(words))
            n += 1
        least, length = positive(least, "least"), positive(length, "length")
        kept = [word for word in sorted(total) if present[word] >= least]
        if most is not None:  # a stable sort: of equally common words the first of the alphabet
            kept = sorted(sorted(kept, key=lambda word: -total[word])[: positive(most, "most")])
        if not kept:
            fix = "pass texts with words of two letters, or a smaller least"
            raise DataError("texts", expected=f"words that occur in at least {least} texts", got="none", fix=fix)
        return cls(tuple(kept), tuple(log((1 + n) / (1 + present[word])) + 1 for word in kept), form, length)

    def __len__(self) -> int:
        """V, the number of words."""
        return len(self.words)

    @property
    def width(self) -> int:
        """Numbers of a text in the form of ``apply``: V, or T."""
        return self.length if self.form == "sequences" else len(self)

    @property
    def vocabulary(self) -> int:
        """V + 2, the number of tokens of sequences: what `Embedding` asks for."""
        return len(self) + 2

    def apply(self, texts: Iterable[str]) -> HostArray:
        """Return texts in the form of the lexicon, (N, width).

        Args:
            texts: N of them.
        """
        made: HostArray = getattr(self, self.form)(texts)
        return made

    def counts(self, texts: Iterable[str]) -> HostArray:
        """Return how often each word occurs in each text, (N, V) float32.

        Args:
            texts: N of them.
        """
        number, texts = self._numbers(), as_texts(texts)
        x = np.zeros((len(texts), len(self)), np.float32)
        for row, text in zip(x, texts, strict=True):
            np.add.at(row, [number[word] for word in tokens(text) if word in number], 1)
        return x

    def tfidf(self, texts: Iterable[str]) -> HostArray:
        """Return the weight of each word in each text, rows of norm 1, or 0 without a word, (N, V) float32.

        Args:
            texts: N of them.
        """
        x = self.counts(texts) * np.asarray(self.idf, np.float32)
        norms = np.sqrt(np.square(x).sum(1, keepdims=True))
        weights: HostArray = x / np.where(norms > 0, norms, 1)
        return weights

    def sequences(self, texts: Iterable[str]) -> HostArray:
        """Return the tokens of each text, padded or cut to T, (N, T) int64.

        Args:
            texts: N of them.
        """
        number, texts = self._numbers(), as_texts(texts)
        x = np.full((len(texts), self.length), PADDING, np.int64)
        for row, text in zip(x, texts, strict=True):
            found = [number.get(word, UNKNOWN - 2) + 2 for word in tokens(text)[: self.length]]
            row[: len(found)] = found
        return x

    def _numbers(self) -> dict[str, int]:
        return {word: number for number, word in enumerate(self.words)}

    def to_dict(self) -> dict[str, Any]:
        """Return the lexicon as what JSON can hold."""
        return {"words": list(self.words), "idf": list(self.idf), "form": self.form, "length": self.length}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Return the lexicon that ``to_dict`` wrote.

        Args:
            values: What it returned.

        Raises:
            KeyError: For anything else.
        """
        words, idf = values["words"], np.array(values["idf"], dtype=np.float64)
        sound = all(isinstance(word, str) for word in words) and len(words) == len(idf) > 0 and np.isfinite(idf).all()
        if not sound or values["form"] not in get_args(Form) or type(values["length"]) is not int:
            raise KeyError("words, idf, form and length")
        return cls(tuple(words), tuple(idf.tolist()), values["form"], positive(values["length"], "length"))


def tokens(text: str) -> list[str]:
    """Return the words of a text in their order."""
    return WORD.findall(text.lower())


def as_texts(texts: Iterable[str]) -> list[str]:
    """Return texts as a list, or refuse what is none."""
    fix = "pass a list of texts: ['a good film']"
    if isinstance(texts, str | bytes) or not isinstance(texts, Iterable):
        raise DtypeError("texts", expected="a list of texts", got=type(texts).__name__, fix=fix)
    listed = list(texts)
    for text in listed:
        if not isinstance(text, str):
            raise DtypeError("texts", expected="a list of texts", got=f"one with {text!r}", fix=fix)
    return listed
