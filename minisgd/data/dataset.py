"""A data set: named splits of examples that are known to be sound."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from minisgd.checks import is_integer, is_number, require_kind
from minisgd.data.arrays import given_part, read_arrays
from minisgd.data.checks import about
from minisgd.data.holdout import generator, sample, strata
from minisgd.data.labels import Classes, label_encoder
from minisgd.data.split import Split, require_alike, require_codes
from minisgd.data.standardization import Standardization
from minisgd.data.tables.columns import Decision
from minisgd.data.tables.encoding import Encoding
from minisgd.data.tables.text_column import TextEncoding
from minisgd.data.target import Target, TargetScale, Task
from minisgd.errors import ArgumentError, DataError
from minisgd.sparse import SparseRows
from minisgd.typing import Seed, Shape


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Training examples with, perhaps, a validation and a test split.

    The network sees x · scale, applied as a batch is gathered, so that images stay one byte a pixel in memory.

    Args:
        name: What to call it.
        train: The examples to learn from.
        validation: The examples on which training is evaluated.
        test: The examples that nothing is decided by.
        classes: Names of the label codes; None means regression.
        scale: Factor on x.
        standardization: How the features were standardized, if they were.
        target: What there is to learn, why, and how regression targets were standardized.
        encoding: How the columns of a table became features.
        columns: The feature columns of a table.
        decisions: What was decided about every column of a table.
        notes: What was noticed while reading it.

    A row of weight 0 is left out of its split, and the weights of the others are scaled to mean 1.

    Raises:
        DataError: Where the splits differ in kind or shape, or labels lie outside the classes.
    """

    name: str
    train: Split
    validation: Split | None = None
    test: Split | None = None
    classes: Classes | None = None
    scale: float = 1.0
    standardization: Standardization | None = None
    target: Target | None = None
    encoding: Encoding | TextEncoding | None = None
    columns: tuple[str, ...] = ()
    decisions: tuple[Decision, ...] = ()
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, split in self.splits.items():
            object.__setattr__(self, name, split.normalized())
        require_kind(self.name, str, "name", "text", "name='data'")
        if self.classes is not None and len(set(self.classes)) < len(self.classes):
            got = ", ".join(self.classes[:10])
            raise DataError("classes", expected="names unlike each other", got=got, fix="name every class once")
        number = is_number(self.scale)
        if not (number and np.isfinite(self.scale) and self.scale > 0):
            raise DataError(
                "scale", expected="positive and finite", got=repr(self.scale), fix="use 1.0, or 1/255 for bytes"
            )
        for name, split in self.splits.items():
            with about(name):
                require_alike(split, self.train)
                require_codes(split.y, self.classes)

    @classmethod
    def from_arrays(
        cls,
        x: Any,
        y: Any,
        *,
        validation: float | tuple[Any, ...] | Split | None = 0.2,
        test: tuple[Any, ...] | Split | None = None,
        weight: Any = None,
        classes: Classes | None = None,
        scale: float | None = None,
        seed: Seed = 0,
        name: str = "data",
        task: Task | None = None,
        standardize_target: bool = False,
    ) -> Dataset:
        """Build a data set from arrays, labels of any kind, holding out a part for validation.

        x (N, …), y (N,) or (N, O): labels (integers, booleans, strings, one 1 in every row) become codes 0 … C−1 of
        the sorted names; floats are regression targets, or soft labels (N, C) where classes are named. Integers
        (N, T) are codes of positions where classes are named, negative where a position does not count.

        Args:
            x: (N, …) features; booleans, integers and float16 become float32. Of a data frame the columns become
                features by the rules of tables, as ``ms.load`` has them.
            y: (N,) labels or targets, or (N, O) targets.
            validation: The fraction in [0, 1) to hold out, drawn by seed with every class in both parts (from a
                memory-mapped x, the last rows, so that nothing is copied); or (x, y) or (x, y, weight); or None.
            test: (x, y) or (x, y, weight) of a test split.
            weight: (N,) weights of the training examples.
            classes: Names of the classes, where y holds codes or soft labels.
            scale: Factor on x; by default uint8 features are brought to [0, 1], images by 1/255, tables by the largest
                training value.
            seed: Seed of the hold-out.
            name: What to call the data set.
            task: "classification", "regression" or "multilabel"; by default guessed from y, with the reason in
                ``target.reason``.
            standardize_target: Bring regression targets to mean 0 and standard deviation 1, as ``ms.train`` does with
                arrays and ``ms.load`` with files; predictions are in the units of y all the same, losses are not.

        Returns:
            The data set.

        Raises:
            DataError: For data that cannot be learned from.
            ArgumentError: For validation, seed or task out of range.
        """
        fields = read_arrays(
            x,
            y,
            validation=validation,
            test=test,
            weight=weight,
            classes=classes,
            scale=scale,
            seed=seed,
            name=name,
            task=task,
        )
        data = cls(**fields)
        return data.with_standardized_target() if standardize_target else data

    def __len__(self) -> int:
        """N, the number of training examples."""
        return len(self.train)

    def __repr__(self) -> str:
        return f"<Dataset {self.describe()}>"

    @property
    def n_train(self) -> int:
        """N, the number of training examples."""
        return len(self.train)

    @property
    def task(self) -> Task:
        """What there is to learn: "classification" where there are classes, "regression" elsewhere, or "multilabel"."""
        if self.target is not None:
            return self.target.task
        return "regression" if self.classes is None else "classification"

    @property
    def n_classes(self) -> int:
        """C; 0 for regression."""
        return len(self.classes or ())

    @property
    def n_outputs(self) -> int:
        """Width of the last layer: C, or O for regression."""
        return self.n_classes or (1 if self.train.y.ndim == 1 else self.train.y.shape[-1])

    @property
    def input_shape(self) -> Shape:
        """Shape of one example."""
        shape: Shape = self.train.x.shape[1:]
        return shape

    @property
    def splits(self) -> Mapping[str, Split]:
        """The splits that there are, by name, training first."""
        named = {"train": self.train, "validation": self.validation, "test": self.test}
        return {name: split for name, split in named.items() if split is not None}

    def describe(self) -> str:
        """Say in one line what this is: sizes, features, task."""
        sizes = " + ".join(f"{len(split)} {name}" for name, split in self.splits.items())
        shape = "×".join(map(str, self.input_shape))
        scale = "" if self.scale == 1 else f" · 1/{1 / self.scale:g}"
        table = self.encoding is not None and any(rule.scale != 1 for rule in self.encoding.rules)
        standardized = " standardized" if self.standardization is not None or table else ""
        width = f"{self.n_classes} classes" if self.classes else f"{self.n_outputs} output{'s' * (self.n_outputs > 1)}"
        return f"{self.name}: {sizes}, features {shape} {self.train.x.dtype}{scale}{standardized}, {self.task}, {width}"

    def standardized(self) -> Dataset:
        """Return a copy with features (x − mean) / std, by the mean and std of every feature over the training split.

        Returns:
            The data set, with the ``Standardization`` that was applied.

        Features that never vary are only centred.

        Raises:
            DataError: For uint8 features, which have their scale, and for sparse ones.
        """
        if isinstance(self.train.x, SparseRows):
            expected, fix = "dense features to standardize", "divide every column by its largest value beforehand"
            raise DataError("x", expected=expected, got="a sparse matrix, whose zeros a mean would fill", fix=fix)
        if self.train.x.dtype == np.uint8:
            raise DataError(
                "x", expected="float features to standardize", got="uint8", fix="convert with x.astype(np.float32)"
            )
        rule = Standardization.of(self.train.x)
        parts: dict[str, Any] = {name: replace(split, x=rule.apply(split.x)) for name, split in self.splits.items()}
        return replace(self, **parts, scale=1.0, standardization=rule)

    def reconstructing(self) -> Dataset:
        """Return a copy whose targets are its inputs as the network reads them, (N, F): what an autoencoder learns."""

        def turned(split: Split) -> Split:
            flat = np.asarray(split.x[:], np.float32).reshape(len(split), -1)
            return replace(split, y=flat * np.float32(self.scale))

        parts: dict[str, Any] = {name: turned(split) for name, split in self.splits.items()}
        return replace(self, **parts, classes=None, target=Target("regression", "targets are the inputs"), decisions=())

    def with_standardized_target(self) -> Dataset:
        """Return a copy with regression targets (y − mean) / std, by the training split.

        Other tasks stay as they are, and so do targets (N, O) from 0 to 1, which may be probabilities.
        """
        y = self.train.y
        if self.task != "regression" or (self.target is not None and self.target.scale is not None):
            return self
        if y.ndim > 2 or (y.ndim == 2 and y.shape[1] > 1 and y.min() >= 0 and y.max() <= 1):
            return self
        rule = TargetScale.of(self.train.y)
        parts: dict[str, Any] = {name: replace(split, y=rule.apply(split.y)) for name, split in self.splits.items()}
        target = self.target or Target("regression", "no classes")
        return replace(self, **parts, target=replace(target, scale=rule))

    def with_validation(self, given: tuple[Any, ...] | Split) -> Dataset:
        """Return a copy with another validation split, prepared as the training examples were.

        Args:
            given: (x, y) or (x, y, weight), raw: labels or values as they were in the training data, not codes or
                standardized values.

        Returns:
            The data set.

        Raises:
            DataError: For examples unlike the training examples, and for unknown labels.
            ArgumentError: For anything but a tuple or a Split.
        """
        return replace(self, validation=self.alike(given, "validation"))

    def alike(self, given: tuple[Any, ...] | Split, role: str) -> Split:
        """Return further examples, prepared as the training examples were.

        Args:
            given: As ``with_validation`` takes them.
            role: What they are, for messages.

        Returns:
            The examples as a split.

        Raises:
            DataError: For examples unlike the training examples, and for unknown labels.
            ArgumentError: For anything but a tuple or a Split.
        """
        encode = label_encoder(self.train.y, self.classes, self.target.labels if self.target else "text")
        with about(role):
            part = given_part(given, role).split(encode, self.encoding, self.columns, self.standardization)
            if self.target is not None and self.target.scale is not None:
                part = replace(part, y=self.target.scale.apply(part.y))
        return part

    def subset(self, n: int, seed: Seed = 0) -> Dataset:
        """Return a copy with n training examples, the shares of the classes kept; the other splits stay as they are.

        Args:
            n: Training examples to draw.
            seed: Seed of the draw.

        Returns:
            The smaller data set.

        Raises:
            ArgumentError: If n is not from 1 to N.
        """
        if not is_integer(n) or not 1 <= n <= len(self):
            raise ArgumentError("n", expected=f"from 1 to N = {len(self)}", got=repr(n), fix="draw fewer examples")
        rows = sample(strata(self.train, self.classes), n, generator(seed))
        return replace(self, train=self.train.take(rows))
