"""From a practitioner's file to predictions, on the command line alone."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from minisgd.cli import main

N = 150


def write(path: Path, columns: dict[str, list[str]], separator: str = ",") -> Path:
    with path.open("w", newline="") as stream:
        rows = zip(*columns.values(), strict=True)
        csv.writer(stream, delimiter=separator).writerows([list(columns), *rows])
    return path


def table(kind: str = "class") -> dict[str, list[str]]:
    rng = np.random.default_rng(0)
    size, colour = rng.normal(50, 9, N), rng.integers(3, size=N)
    value = 1000 * size + 20_000 * colour
    target = [f"{v:.1f}" for v in value] if kind == "value" else [("low", "high")[int(v > 70_000)] for v in value]
    return {
        "": [str(i) for i in range(1, N + 1)],
        "size": ["" if i % 20 == 0 else f"{s:.2f}" for i, s in enumerate(size)],
        "colour": [("red", "green", "blue")[c] for c in colour],
        "sold": [f"2021-{i % 12 + 1:02}-{i % 28 + 1:02}" for i in range(N)],
        "target": target,
    }


def run(line: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    code = main(line.split())
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write(Path("class.csv"), table())
    write(Path("value.csv"), table("value"))
    return tmp_path


def test_every_decision_is_printed_before_training(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run("train --data class.csv --epochs 2", capsys)
    assert code == 0
    lines = {line.split()[0]: " ".join(line.split()) for line in err.splitlines() if line.strip()}
    assert lines["Unnamed:"] == "Unnamed: 0 dropped numbers the rows --keep-index"
    assert lines["size"].startswith("size number") and "missing --categorical size" in lines["size"]
    assert lines["colour"] == "colour category 3 different texts --drop colour"
    assert lines["sold"] == "sold date dates written %Y-%m-%d, as days --categorical sold"
    assert lines["target"] == "target target classification: text --target, --task"
    assert "validation balanced accuracy" in out and "validation f1" in out
    assert "true class, taken for:" in out


@pytest.mark.parametrize("kind", ["class", "value"])
def test_from_file_to_predictions(here: Path, capsys: pytest.CaptureFixture[str], kind: str) -> None:
    assert run(f"train --data {kind}.csv --out run --quiet", capsys)[0] == 0
    about = json.loads(Path("run/train.json").read_text())
    assert {"r2", "mae", "rmse"} <= {name.removeprefix("val_") for name in about} or kind == "class"
    columns = table(kind)
    answers = columns.pop("target")
    turned = dict(reversed(columns.items()))
    for name, form in (("same.csv", columns), ("turned.csv", turned)):
        write(Path(name), form, ";" if name == "turned.csv" else ",")
        code, out, _ = run(f"predict --weights run --data {name} --out {name}.out", capsys)
        assert code == 0 and out == ""
    assert Path("same.csv.out").read_text() == Path("turned.csv.out").read_text()
    rows = list(csv.DictReader(Path("same.csv.out").read_text().splitlines()))
    found = [row["target"] for row in rows]
    if kind == "class":
        assert np.mean(np.array(found) == answers) > 0.85
        assert set(rows[0]) == {"target", "p(low)", "p(high)"}
    else:
        y = np.array(answers, float)
        assert np.abs(np.array(found, float) - y).mean() < 0.3 * y.std()


def test_predictions_on_stdout_and_as_json(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("train --data value.csv --out run --quiet --epochs 1", capsys)
    _, out, _ = run("predict --weights run/weights.safetensors --data value.csv", capsys)
    assert out.splitlines()[0] == "target" and len(out.splitlines()) == N + 1
    _, document, _ = run("predict --weights run --data value.csv --json", capsys)
    values = [row["target"] for row in json.loads(document)["predictions"]]
    assert values == [float(line) for line in out.splitlines()[1:]]


def test_arrays(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 3))
    np.savez("a.npz", x=x, y=(x[:, 0] > 0).astype(int))
    np.save("x.npy", x)
    assert run("train --data a.npz --model linear --epochs 60 --out run --quiet", capsys)[0] == 0
    _, out, _ = run("predict --weights run --data x.npy", capsys)
    found = [int(line.split(",")[0]) for line in out.splitlines()[1:]]
    assert np.mean(np.array(found) == (x[:, 0] > 0)) > 0.9


def test_layers_of_ones_own(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("net.py").write_text(
        "import minisgd as ms\n"
        "class Scale(ms.Layer):\n"
        "    def __init__(self, factor, name=None):\n"
        "        super().__init__(name)\n"
        "        self.factor = factor\n"
        "    def declare(self, x):\n"
        "        return ms.Declaration(y=x)\n"
        "    def forward(self, ops, x):\n"
        "        ops.multiply(x, self.factor, out=self.y)\n"
        "        return self.y\n"
        "    def backward(self, ops, dy):\n"
        "        return None\n"
        "def build(input_shape, outputs):\n"
        "    return ms.Network(Scale(0.5), ms.Linear(outputs))\n"
    )
    assert run("train --data class.csv --model net.py:build --out run --quiet --epochs 1", capsys)[0] == 0
    code, _, err = run("predict --weights run --data class.csv", capsys)
    assert code == 1 and "net:Scale" in err and "if you trust its code, allow it" in err
    code, out, _ = run("predict --weights run --data class.csv --allow net.py:Scale", capsys)
    assert code == 0 and len(out.splitlines()) == N + 1
    text = Path("net.py").read_text().replace("self.factor", "self._factor")
    Path("net.py").write_text(text)
    code, _, err = run("train --data class.csv --model net.py:build --out other --quiet", capsys)
    assert code == 2 and "Scale: factor must be kept as self.factor" in err and not Path("other").exists()


def test_divergence_keeps_what_there_is(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run("train --data value.csv --out run --quiet --optimizer sgd --lr 1000 --best-weights", capsys)
    assert code == 1 and "what there is so far is kept in run" in err
    assert Path("run/weights.safetensors").exists() and Path("run/history.jsonl").read_text()
    assert json.loads(Path("run/train.json").read_text())["stopped"] == "diverged"


def test_a_dead_network_is_said_at_once(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    np.savez("big.npz", x=rng.normal(1e4, 1e3, (200, 4)).astype(np.float32), y=np.arange(200) % 2)
    _, _, err = run("train --data big.npz --lr 0.001 --epochs 20", capsys)
    assert "warning: after" in err and "features reach 1.2" in err and "--standardize" in err


@pytest.mark.parametrize(
    ("line", "code", "says"),
    [
        ("predict --weights run --data class.csv", 1, ["size", "none called", "columns"]),
        ("predict --weights nowhere --data class.csv", 1, ["nowhere", "check the path"]),
        ("predict --weights run --data run/train.json", 2, ["data", "FILE.csv"]),
        ("predict --weights run --data nowhere.csv", 1, ["nowhere.csv", "check the file name"]),
        ("predict --weights run", 2, ["--data"]),
        ("predict --data class.csv", 2, ["--weights"]),
        ("predict --weights bare.safetensors --data class.csv", 1, ["bare.safetensors", "weights alone"]),
        ("predict --weights run --data class.csv --allow net.py:Scale", 2, ["--allow", "nothing at net.py"]),
        ("predict --weights run --data good.csv --out class.csv/a", 1, ["--out", "another folder"]),
    ],
)
def test_refusals(here: Path, capsys: pytest.CaptureFixture[str], line: str, code: int, says: list[str]) -> None:
    from safetensors.numpy import load_file, save_file

    run("train --data class.csv --out run --quiet --epochs 1", capsys)
    save_file(load_file("run/weights.safetensors"), "bare.safetensors")
    write(Path("good.csv"), table())
    columns = table()
    del columns["size"]
    write(Path("class.csv"), columns)
    got, out, err = run(line, capsys)
    assert (got, out) == (code, "")
    assert "Traceback" not in err and "unexpected" not in err
    assert [word for word in says if word not in err] == []


@pytest.mark.parametrize(
    "option",
    [
        "--drop colour,sold",
        "--categorical size",
        "--missing drop",
        "--keep-index",
        "--no-standardize --lr 1e-9",
        "--target colour",
        "--task classification",
        "--class-weight balanced",
        "--metrics f1,auc",
        "--header",
    ],
)
def test_every_option_of_tables(here: Path, capsys: pytest.CaptureFixture[str], option: str) -> None:
    code, _, err = run(f"train --data class.csv --epochs 1 {option}", capsys)
    assert code == 0, err
    if "=" not in option and option.startswith("--drop"):
        assert "you said so" in err


def test_zipped_files_without_header(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    columns = table()
    del columns[""]
    rows = "\n".join(",".join(row) for row in zip(*columns.values(), strict=True))
    Path("iris.data.gz").write_bytes(gzip.compress(rows.encode()))
    code, _, err = run("train --data iris.data.gz --epochs 1", capsys)
    assert code == 1 and "looks like data" in err and "--no-header" in err
    assert run("train --data iris.data.gz --epochs 1 --no-header --out run", capsys)[0] == 0
    assert run("predict --weights run --data iris.data.gz --no-header", capsys)[0] == 0
