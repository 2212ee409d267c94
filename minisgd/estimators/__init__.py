"""Floor 7: scikit-learn estimators; scikit-learn is imported when one of them is first asked for."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from minisgd.estimators.classifier import MinisgdClassifier
    from minisgd.estimators.regressor import MinisgdRegressor
    from minisgd.estimators.search import BatchSizeSearch

__all__ = ["BatchSizeSearch", "MinisgdClassifier", "MinisgdRegressor"]

_FILES = {"BatchSizeSearch": "search", "MinisgdClassifier": "classifier", "MinisgdRegressor": "regressor"}


def __getattr__(name: str) -> Any:
    if name not in _FILES:
        raise AttributeError(f"module 'minisgd.estimators' has no attribute {name!r}")
    from minisgd.errors import missing_extra

    expected, fix = "used where scikit-learn is installed", "pip install 'minisgd[sklearn]'"
    with missing_extra(f"ms.{name}", expected=expected, got="no scikit-learn", fix=fix):
        import sklearn  # noqa: F401
    return getattr(import_module(f"minisgd.estimators.{_FILES[name]}"), name)
