"""What people say about batch size, settled by measurement.

A claim is one file, ``sentences/cNN_words.py``, and is found there. It holds a ``CLAIM``: the sentence in its
source's words, the experiment, the effect size, what would change the verdict; ``needs``, the experiments it reads; a
``RULE``, whose words and decision are one piece of data; and ``judge(rng, **results)``, a pure function from their
results to a ``Finding``. No verdict is written anywhere: it follows from intervals measured in this run, through the
rule.

Experiments are frozen dataclasses; claims that name equal ones share a single run. ``RunToTarget`` tunes the learning
rate at every batch size, ``FixedBudget`` trains over one grid, ``TimeSteps`` and ``MeasureMemory`` look at single
networks with nothing else running. ``c09_epochs_to_target.py`` is the one to imitate.

A new claim has one more thing to show: ``CASES`` in tests/lab/claims/sentences/test_reversals.py asks for made-up
results that turn its verdict.
"""

from __future__ import annotations

from minisgd.lab.claims.run.claims import claims
from minisgd.lab.claims.run.result import Claims

__all__ = ["Claims", "claims"]
