"""Floor 7: scikit-learn estimators; scikit-learn is imported when one of them is first asked for."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from minisgd.estimators.classifier import MinisgdClassifier
    from minisgd.estimators.regressor import MinisgdRegressor
    from minisgd.estimators.search import BatchSizeSearch

__all__ = [
    "BatchSizeSearch",
    "MinisgdClassifier",
    "MinisgdRegressor",
]

_FILES = {"BatchSizeSearch": "search", "MinisgdClassifier": "classifier", "MinisgdRegressor": "regressor"}


def __getattr__(name: str) -> Any:
    if name not in _FILES:
        raise AttributeError(f"module 'minisgd.estimators' has no attribute {name!r}")
    try:
        import sklearn  # noqa: F401
    except ImportError as error:
        from minisgd.errors import MissingExtraError

        raise MissingExtraError(
            f"ms.{name}", expected="used where scikit-learn is installed", got="no scikit-learn",
            fix="pip install 'minisgd[sklearn]'",
        ) from error  # fmt: skip
    return getattr(import_module(f"minisgd.estimators.{_FILES[name]}"), name)
