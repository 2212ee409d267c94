"""What a run says of every claim, and the files it is written to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from minisgd.errors import ArgumentError
from minisgd.files import to_json, write_atomically
from minisgd.lab.claims.claim import Claim, Finding, Verdict


@dataclass(frozen=True)
class Answer:
    """A claim, what was found of it, and the seconds of the experiments behind it (which other claims may share)."""

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
            "effect": asdict(finding.effect),
            "n": finding.n,
            "seconds": round(self.seconds, 3),
            "held_fixed": claim.held_fixed,
            "words": finding.words,
            "more": [asdict(effect) for effect in finding.more],
            "cautions": list(finding.cautions),
            "sources": list(claim.sources),
            "experiment": claim.experiment,
            "effect_size": claim.effect,
            "rule": claim.rule,
            "would_change": claim.would_change,
            "command": self.command,
        }


@dataclass(frozen=True)
class Claims:
    """The answers of one run.  claims[9].verdict, claims[9].finding.effect

    setting: what was trained and on which machine, as pairs of words   interrupted: True where Ctrl-C ended the run
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

    def to_json(self) -> str:
        """Write the document of claims.json: strictly valid JSON, null for what is not finite."""
        return to_json([a.to_dict() for a in self], indent=2)

    def save(self, folder: str | Path) -> Path:
        """Write claims.json and claims.html into a folder; return the path of the page.

        Errors: OutputError if the folder cannot be written; MissingExtraError without matplotlib and jinja2.
        """
        from minisgd.lab.claims.report import write_report

        write_atomically(Path(folder) / "claims.json", self.to_json().encode())
        return write_report(self, folder)
