from __future__ import annotations

import json

import pytest

from minisgd.cli import main


def run(capsys, *words: str) -> tuple[int, str, str]:
    code = main(["claims", *words])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_json_is_one_document_and_files_are_there(capsys, tmp_path):
    out = str(tmp_path / "new" / "claims")
    code, text, notes = run(
        capsys,
        "--data",
        "digits",
        "--model",
        "mlp:8",
        "--only",
        "1,4",
        "--seeds",
        "5",
        "--out",
        out,
        "--json",
        "--quiet",
    )
    assert code == 0 and not notes
    document = json.loads(text)
    assert [entry["id"] for entry in document] == [1, 4]
    assert document == json.loads((tmp_path / "new" / "claims" / "claims.json").read_text())
    assert document[0]["command"].endswith(" --only 1") and document[0]["command"].count("--only") == 1
    assert (tmp_path / "new" / "claims" / "claims.html").stat().st_size > 10_000


def test_the_table_says_what_was_measured(capsys, tmp_path):
    code, text, notes = run(
        capsys, "--data", "digits", "--model", "linear", "--only", "4", "--seeds", "5", "--out", str(tmp_path)
    )
    assert code == 0
    assert "Small batches give noisier gradients." in text and "Report: " in text
    assert "estimate: about" in notes


@pytest.mark.parametrize(
    ("words", "fix"),
    [
        (["--only", "99"], "did you mean 9?"),
        (["--only", "9,x"], "choose among"),
        (["--only", ""], "choose among"),
        (["--budget", "soon"], "write '5min'"),
        (["--budget", "0"], "write '5min'"),
        (["--seeds", "two"], "whole number"),
        (["--seeds", "0"], "from 1"),
        (["--model", "mlpp:8"], "did you mean"),
        (["--data", "digit"], ""),
        (["--bugdet", "5min"], "did you mean '--budget'?"),
        (["--threads", "0"], "1 or more"),
        (["--workers", "0"], "1 or more"),
        (["--loss", "mse"], ""),
    ],
)
def test_wrong_uses_end_with_one_line(capsys, tmp_path, words, fix):
    given = ["--data", "digits", "--out", str(tmp_path / "out"), "--quiet", *words]
    code, text, message = run(capsys, *given)
    assert code in (1, 2) and not text
    assert message.startswith("minisgd: ") and message.count("\n") == 1 and fix in message
    assert not (tmp_path / "out").exists()


def test_data_must_be_named(capsys):
    code, _, message = run(capsys, "--only", "9")
    assert code == 2 and "--data" in message


def test_a_folder_that_cannot_be_written(capsys, tmp_path):
    (tmp_path / "file").write_text("")
    code, _, message = run(capsys, "--data", "digits", "--out", str(tmp_path / "file"), "--quiet")
    assert code == 1 and "choose another folder" in message


def test_an_interrupted_run_says_how_to_go_on(capsys, tmp_path, monkeypatch):
    from minisgd.lab.claims.run import plan

    made = plan.Runner._run

    def stop(self, experiment, *given):
        if experiment.alone:
            raise KeyboardInterrupt
        return made(self, experiment, *given)

    monkeypatch.setattr(plan.Runner, "_run", stop)
    code, text, notes = run(
        capsys,
        "--data",
        "digits",
        "--model",
        "mlp:8",
        "--only",
        "1,4",
        "--seeds",
        "5",
        "--out",
        str(tmp_path),
        "--json",
    )
    assert code == 130 and "give the same command again" in notes
    verdicts = {entry["id"]: entry["verdict"] for entry in json.loads(text)}
    assert verdicts[1] == "not decided" and verdicts[4] != "not decided"
    assert "This run was interrupted" in (tmp_path / "claims.html").read_text()


def test_workers_are_processes_or_a_cluster(capsys, tmp_path):
    given = ["--data", "digits", "--out", str(tmp_path), "--workers", "2", "--dask", "local"]
    code, _, message = run(capsys, *given)
    assert code == 2 and "--workers must be left out with --dask" in message


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("option", "needs"), [(("--workers", "2"), "joblib"), (("--dask", "local"), "distributed")])
def test_verdicts_of_workers_are_those_of_one_process(capsys, tmp_path, option, needs):
    pytest.importorskip(needs, reason=f"{needs} is not installed: pip install 'minisgd[sweep,dask]'")
    given = ["--data", "digits", "--model", "mlp:8", "--only", "4,9", "--seeds", "3", "--budget", "none", "--json"]
    found = []
    for options in ((), option):
        code, text, _ = run(capsys, *given, *options, "--quiet", "--out", str(tmp_path / str(len(found))))
        assert code == 0
        found.append([{k: v for k, v in e.items() if k not in ("seconds", "command")} for e in json.loads(text)])
    assert found[0] == found[1]
