"""What a run says of every claim, and the files it is written to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from minisgd.errors import ArgumentError
from minisgd.files import to_json, write_atomically
from minisgd.lab.claims.claim import Claim, Effect, Finding
from minisgd.lab.claims.decision import Verdict, holm


@dataclass(frozen=True)
class Answer:
    """A claim and its finding.

    Attributes:
        claim: What is claimed, and the rule by which it is judged.
        finding: Verdict, effect and evidence.
        seconds: Time spent on its experiments, which other claims may share.
        command: The command that answers this claim alone.
    """

    claim: Claim
    finding: Finding
    seconds: float
    command: str

    @property
    def verdict(self) -> Verdict:
        """Supported, qualified, refuted or not decided."""
        return self.finding.verdict

    def to_dict(self) -> dict[str, Any]:
        """Return the entry of claims.json."""
        claim, finding = self.claim, self.finding
        return {
            "id": claim.number,
            "claim": claim.says,
            "verdict": finding.verdict,
            "effect": _effect(finding.effect),
            "n": finding.n,
            "seconds": round(self.seconds, 3),
            "held_fixed": claim.held_fixed,
            "words": finding.words,
            "more": [_effect(effect) for effect in finding.more],
            "cautions": list(finding.cautions),
            "sources": list(claim.sources),
            "experiment": claim.experiment,
            "effect_size": claim.effect,
            "rule": claim.rule.words,
            "would_change": claim.would_change,
            "command": self.command,
        }


def _effect(effect: Effect) -> dict[str, Any]:
    return {**asdict(effect), "interval": effect.interval}


@dataclass(frozen=True)
class Claims:
    """The answers of one run, by number: ``claims[9].verdict``, ``claims[9].finding.effect``.

    Attributes:
        answers: The answers by the number of the claim.
        setting: What was trained and on which machine, as pairs of words.
        command: The command of the run.
        seconds: Duration of the run.
        interrupted: True if Ctrl-C ended it.
    """

    answers: Mapping[int, Answer]
    setting: tuple[tuple[str, str], ...]
    command: str
    seconds: float
    interrupted: bool = False

    def __getitem__(self, number: int) -> Answer:
        if number not in self.answers:
            known = ", ".join(map(str, self.answers))
            raise ArgumentError("claim", expected=f"one of {known}", got=number, fix="run again without only")
        return self.answers[number]

    def __iter__(self) -> Iterator[Answer]:
        return iter(self.answers.values())

    def __len__(self) -> int:
        return len(self.answers)

    @cached_property
    def adjusted(self) -> Mapping[int, Verdict]:
        """The verdict of every claim after Holm's adjustment of all statements of all claims.

        What does not stand counts as open. It can only take verdicts away, never add one.
        """
        tests = {
            (number, name): statement.p_value(answer.finding.evidence[name])
            for number, answer in self.answers.items()
            for name, statement in answer.claim.rule.statements.items()
            if name in answer.finding.evidence
        }
        standing = holm(tests)
        found: dict[int, Verdict] = {}
        for number, answer in self.answers.items():
            rule, evidence = answer.claim.rule, answer.finding.evidence
            known = {name: statement.holds(evidence[name]) if (number, name) in standing else None
                     for name, statement in rule.statements.items() if name in evidence}  # fmt: skip
            found[number] = answer.verdict if answer.verdict == "not decided" else rule.decide(known)
        return found

    def to_json(self) -> str:
        """Write the document of claims.json: strictly valid JSON, null for what is not finite."""
        setting = dict(self.setting)
        entries = [a.to_dict() | {"verdict_holm": self.adjusted[a.claim.number], "setting": setting} for a in self]
        return to_json(entries, indent=2)

    def save(self, folder: str | Path) -> Path:
        """Write claims.json and claims.html.

        Args:
            folder: Where to; it is made if missing.

        Returns:
            The path of the page.

        Raises:
            OutputError: The folder cannot be written.
            MissingExtraError: matplotlib or jinja2 is not installed.
        """
        from minisgd.lab.claims.report.page import write_report

        write_atomically(Path(folder) / "claims.json", self.to_json().encode())
        return write_report(self, folder)
