"""What people say about batch size, settled by measurement.

A claim is one file, ``cNN_words.py``, and one row in ``table.py``. The file holds a ``CLAIM``: the sentence in the
articles' words, the experiment, the effect size, the decision rule, what would change the verdict; ``needs``, the
experiments it reads; and ``judge(rng, **results)``, a pure function from their results to a ``Finding``.
No verdict is written anywhere: it follows from intervals measured in this run, through the rule.

Experiments are frozen dataclasses; claims that name equal ones share a single run. ``RunToTarget`` tunes the learning
rate at every batch size, ``FixedBudget`` trains over one grid, ``TimeSteps`` and ``MeasureMemory`` look at single
networks with nothing else running. ``c09_epochs_to_target.py`` is the one to imitate.

Two tests wait for a new claim: ``PRESENT`` in test_claim_table lists the numbers that exist, and ``CASES`` in
test_claim_reversals asks of each for made-up results that turn its verdict.
"""

from __future__ import annotations

from minisgd.lab.claims.run.claims import claims
from minisgd.lab.claims.run.result import Claims

__all__ = ["Claims", "claims"]
