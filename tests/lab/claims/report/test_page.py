"""The page: whole, honest about what is undecided, and in one file."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from minisgd.errors import OutputError
from minisgd.lab.claims.claim import undecided
from minisgd.lab.claims.report.page import write_report
from minisgd.lab.claims.run.result import Answer, Claims
from minisgd.lab.claims.sentences.table import CLAIMS
from tests.lab.claims.sentences.synthetic_results import judged, memory, step_times, target_runs

RUNS, TIMES = target_runs(lambda b: 40 * (1 + 64 / b)), step_times()
FINDINGS = {
    1: judged(1, memory=memory(1e5, 1e3)),
    6: judged(6, runs=RUNS, times=TIMES),
    7: judged(7, runs=RUNS, times=TIMES),
    8: judged(8, runs=RUNS, times=TIMES),
    9: undecided("Epochs.", "Its experiment was not made: <the time was up>."),
}


def made_up(interrupted: bool = False) -> Claims:
    answers = {n: Answer(CLAIMS[n], f, 1.5, f"minisgd claims --only {n}") for n, f in FINDINGS.items()}
    return Claims(answers, (("data", "made up"),), "minisgd claims --data digits", 12.0, interrupted)


def test_the_page_holds_everything(tmp_path):
    page = write_report(made_up(), tmp_path).read_text()
    assert page.count("<svg ") == 4 and page.count("<script>") == 1
    assert "http" not in re.sub(r'http-equiv|xmlns(:xlink)?="[^"]*"|<script>.*</script>', "", page, flags=re.S)
    for number, finding in FINDINGS.items():
        claim = CLAIMS[number]
        assert f'id="claim-{number}"' in page and f"minisgd claims --only {number}" in page
        for text in (finding.verdict, claim.experiment, claim.rule.words, claim.held_fixed, claim.would_change):
            assert text.split("&")[0].split("'")[0].split("<")[0] in page
    assert "&lt;the time was up&gt;" in page
    assert page.index("Steps, examples and seconds are three axes") < page.index("Every claim")
    assert "interrupted" not in page and "interrupted" in write_report(made_up(True), tmp_path).read_text()


def test_a_group_with_one_side_missing_is_left_out(tmp_path):
    found = made_up()
    page = write_report(Claims({6: found.answers[6]}, found.setting, "", 1.0), tmp_path).read_text()
    assert "three axes" not in page


def test_intervals_are_printed(tmp_path):
    page = write_report(made_up(), tmp_path).read_text()
    effect = FINDINGS[6].effect
    assert re.search(rf"{effect.value:.3g}</td><td>{effect.low:.3g} to {effect.high:.3g}", page)


def test_the_table_marks_verdicts_and_what_is_to_be_read_with_care(tmp_path):
    """By a word and a sign, not by colour alone; the effect stands beside, with its interval."""
    answers = dict(made_up().answers)
    answers[6] = replace(answers[6], finding=replace(answers[6].finding, cautions=("Few seeds.",)))
    page = write_report(Claims(answers, (), "", 1.0), tmp_path).read_text()
    row = page[page.index('<a href="#claim-6">6</a></th>') :].partition("</tr>")[0]
    verdict, effect = FINDINGS[6].verdict, FINDINGS[6].effect
    assert f'<td data-value="{verdict}"><span class="verdict {verdict}">{verdict}</span><small>with care</small>' in row
    assert f"<small>{effect.name}; {effect.interval}</small>" in row
    assert '.supported::before { content: "✓ "' in page and page.count("To be read with care") == 1
    assert page.index("<svg ", page.index('id="claim-6"')) < page.index("Few seeds.")


def test_folders_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="choose another folder"):
        made_up().save(tmp_path / "file")
