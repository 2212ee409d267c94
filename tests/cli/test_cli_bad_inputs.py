"""What is refused on the command line: a message with argument and fix, the right exit code, nothing left behind."""

from __future__ import annotations

import gzip
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from minisgd.cli import main


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Yield a folder full of data that nothing can be learned from."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(40, 4)).astype(np.float32), np.arange(40) % 3
    np.savez("good.npz", x=x, y=y)
    np.savez("values.npz", x=x, y=x[:, :2].astype(np.float64))
    np.savez("one_class.npz", x=x, y=np.zeros(40, np.int64))
    np.savez("uneven.npz", x=x, y=y[:30])
    np.savez("gaps.npz", x=np.where(x > 1, np.nan, x), y=y)
    np.savez("huge.npz", x=1e12 * x, y=1e12 * x[:, 0])
    Path("cut.npz").write_bytes(Path("good.npz").read_bytes()[:200])
    Path("empty.npz").write_bytes(b"")
    Path("empty.csv").write_text("")
    Path("header.csv").write_text("a,b,label\n")
    Path("words.csv").write_text("a,b,label\n1,two,x\n3,4,y\n")
    Path("pixels.idx").mkdir()
    Path("cut.idx").mkdir()
    for name, magic in (("images-idx3", b"\x00\x00\x08\x03"), ("labels-idx1", b"\x00\x00\x08\x01")):
        Path(f"cut.idx/{name}-ubyte.gz").write_bytes(gzip.compress(magic + b"\x00\x00"))
    Path("table.parquet").write_bytes(b"PAR1")
    Path("trained").mkdir()
    Path("trained/train.json").touch()
    Path("blocked").write_text("a file where a folder should be")
    Path("model.py").write_text("def build(input_shape, outputs):\n    return 1\ndef crash(a, b):\n    return 1 / 0\n")
    Path("broken.py").write_text("def build(:\n")
    yield tmp_path


TRAIN = "train --quiet --out out --epochs 1 --data good.npz"

# command line | exit code | what the message says: the argument, and the fix
TABLE = [
    ("trian --data digits", 2, ["command", "did you mean 'train'?"]),
    ("train --data digits --modle mlp:8", 2, ["--modle", "did you mean '--model'?"]),
    ("train --dta good.npz", 2, ["--dta", "did you mean '--data'?"]),
    (f"{TRAIN} --device gpu", 2, ["--device", "did you mean 'cuda'?"]),
    (f"{TRAIN} --validation 20", 2, ["good.npz: --validation must be a fraction"]),
    ("study --data good.npz --out out --target-r2 1.5", 2, ["--target-r2 must be"]),
    ("train --data https://a.org/b.csv", 1, ["got an address", "download it first"]),
    ("study --data good.npz --out trained", 1, ["--out 'trained'", "train.json of another command", "another folder"]),
    ("train", 2, ["--data", "train --help"]),
    ("train --data", 2, ["--data", "train --help"]),
    ("train --data digit", 2, ["--data", "did you mean 'digits'?"]),
    ("train --data nowhere.npz", 1, ["nowhere.npz", "check the file name"]),
    ("train --data nowhere.csv", 1, ["nowhere.csv", "check the file name"]),
    ("train --data idx:nowhere", 1, ["nowhere", "folder"]),
    ("train --data idx:pixels.idx", 1, ["pixels.idx", "images"]),
    ("train --data idx:cut.idx", 1, ["cut.idx", "again"]),
    ("train --data cut.npz", 1, ["cut.npz", "again"]),
    ("train --data empty.npz", 1, ["empty.npz", "again"]),
    ("train --data empty.csv", 1, ["empty.csv", "header"]),
    ("train --data header.csv", 1, ["header.csv", "row"]),
    ("train --data words.csv", 1, ["words.csv", "two examples of at least one class"]),
    ("train --data gaps.npz", 1, ["x", "nan"]),
    ("train --data uneven.npz", 1, ["y", "40", "30"]),
    ("train --data one_class.npz", 1, ["labels", "add examples of another class"]),
    ("train --data digits --validation 1.5", 2, ["--validation", "0.2"]),
    ("train --data digits --validation much", 2, ["--validation", "for example 0.1"]),
    ("train --data good.npz --target price", 2, ["--target", "only tables"]),
    (f"{TRAIN} --batch-size 0", 2, ["--batch-size", "use 1"]),
    (f"{TRAIN} --batch-size 33", 2, ["--batch-size", "'full' takes them all"]),
    (f"{TRAIN} --batch-size ful", 2, ["--batch-size", "did you mean 'full'?"]),
    (f"{TRAIN} --batch-size grow:8,2,1", 2, ["--batch-size 'grow:8,2,1': largest", "swap"]),
    (f"{TRAIN} --batch-size grow:8", 2, ["--batch-size", "grow:32,1024,5"]),
    (f"{TRAIN} --lr 0", 2, ["--lr", "try 0.1"]),
    (f"{TRAIN} --lr -1", 2, ["--lr", "try 0.1"]),
    (f"{TRAIN} --lr nan", 2, ["--lr", "try 0.1"]),
    (f"{TRAIN} --lr fast", 2, ["--lr", "for example 0.1"]),
    (f"{TRAIN} --momentum 1", 2, ["--momentum", "0.9"]),
    (f"{TRAIN} --optimizer adm", 2, ["--optimizer", "did you mean 'adam'?"]),
    (f"{TRAIN} --optimizer adam --momentum 0.9", 2, ["--momentum", "leave it out"]),
    (f"{TRAIN} --schedule cosin", 2, ["--schedule", "did you mean 'cosine'?"]),
    (f"{TRAIN} --schedule step:0.1", 2, ["--schedule", "step:0.1,10"]),
    (f"{TRAIN} --schedule step:0,3", 2, ["--schedule 'step:0,3': factor", "halves"]),
    (f"{TRAIN} --schedule cosine:3", 2, ["--schedule must be cosine without numbers", "write cosine"]),
    (f"{TRAIN} --schedule onecycle --lr 0", 2, ["--lr must be", "try 0.1"]),
    (f"{TRAIN} --warmup 0", 2, ["--warmup must be", "5 epochs"]),
    (f"{TRAIN} --label-smoothing 2", 2, ["--label-smoothing must be", "0.1 is customary"]),
    ("explain --model linear --input 4 --trace nofile", 1, ["--trace 'nofile'", "probe trace --out DIR"]),
    (f"{TRAIN} --loss mse", 2, ["MeanSquaredError", "SoftmaxCrossEntropy"]),
    (f"{TRAIN} --loss l1 --label-smoothing 0.1", 2, ["--label-smoothing", "--loss cross-entropy"]),
    ("train --data values.npz --loss cross-entropy", 1, ["SoftmaxCrossEntropy", "divide each row"]),
    (f"{TRAIN} --steps 0", 2, ["--steps", "10, for example"]),
    (f"{TRAIN} --epochs -1", 2, ["--epochs", "10, for example"]),
    (f"{TRAIN} --evaluate-every 0", 2, ["--evaluate-every", "for example"]),
    (f"{TRAIN} --patience 0", 2, ["--patience", "give 1, 2, 3"]),
    (f"{TRAIN} --micro-batch 0", 2, ["--micro-batch", "give 1, 2, 3"]),
    (f"{TRAIN} --memory-limit 1KB", 1, ["--memory-limit", "raise the limit"]),
    (f"{TRAIN} --memory-limit foo", 2, ["--memory-limit", "512MiB"]),
    (f"{TRAIN} --clip-norm -1", 2, ["--clip-norm", "1.0"]),
    (f"{TRAIN} --seed -1", 2, ["--seed", "for example 0"]),
    (f"{TRAIN} --threads 0", 2, ["--threads", "for example 1"]),
    (f"{TRAIN} --dtype float16", 2, ["--dtype", "float32"]),
    (f"{TRAIN} --device gpu", 2, ["--device", "cpu"]),
    (f"{TRAIN} --model mpl:64", 2, ["--model", "did you mean 'mlp:64'?"]),
    (f"{TRAIN} --model mlp:0", 2, ["--model", "write mlp:128"]),
    (f"{TRAIN} --model mlp:99999999999", 1, ["memory", "smaller model"]),
    (f"{TRAIN} --model cnn", 2, ["--model 'cnn': input", "channels last"]),
    (f"{TRAIN} --model model.py:biuld", 2, ["--model 'model.py:biuld'", "did you mean 'build'?"]),
    (f"{TRAIN} --model model.py:build", 2, ["--model", "return Network"]),
    (f"{TRAIN} --model model.py:crash", 2, ["--model", "ZeroDivisionError", "correct the function"]),
    (f"{TRAIN} --model broken.py:build", 2, ["--model 'broken.py:build'", "SyntaxError", "correct the file"]),
    (f"{TRAIN} --model mlp-bn:8 --batch-size 1", 2, ["BatchNorm", "use a larger batch"]),
    (f"{TRAIN} --model mlp-bn:8 --batch-size 31", 2, ["BatchNorm", "--last-batch drop"]),
    ("train --quiet --data huge.npz --model linear --lr 10", 1, ["training loss", "lower the learning rate"]),
    ("train --data good.npz --out blocked", 1, ["--out 'blocked'", "another folder"]),
    ("train --data good.npz --out blocked/inside", 1, ["--out 'blocked/inside'", "another folder"]),
    ("train --data good.npz --out /proc/minisgd", 1, ["--out '/proc/minisgd'", "another folder"]),
    ("probe", 2, ["memory", "probe --help"]),
    ("probe momery --input 4", 2, ["memory", "did you mean 'memory'?"]),
    ("probe memory", 2, ["--input", "--data digits"]),
    ("probe memory --input 64 --batch-size 0", 2, ["--batch-size", "use 32"]),
    ("probe memory --input 64 --memory-limit 1KB", 1, ["--memory-limit", "raise the limit"]),
    ("explain --model linear", 2, ["--input", "--data digits"]),
    ("explain --model linear --input abc", 2, ["--input", "28x28x1"]),
    ("explain --model linear --input 4x0", 2, ["--input", "28x28x1"]),
    ("explain --model linear --input 4 --data digits", 2, ["--input", "both"]),
    ("explain --model linear --input 4 --batch-size full", 2, ["--batch-size", "use --data"]),
    ("explain --model mlp-bn:4 --input 4 --batch-size 1", 2, ["BatchNorm", "use a larger batch"]),
    ("explain --model linear --input 4 --outputs 0", 2, ["--outputs", "for example 1"]),
    ("doctor --jsn", 2, ["--jsn", "did you mean '--json'?"]),
    ("study --data good.npz --out out --seeds 0", 2, ["--seeds", "use 5 to get an interval"]),
    ("study --data good.npz --out out --seeds five", 2, ["--seeds", "for example 5"]),
    ("study --data good.npz --out out --batch-sizes 1,99", 2, ["--batch-sizes", "choose other sizes"]),
    ("study --data good.npz --out out --batch-sizes 1,ful", 2, ["--batch-sizes", "did you mean 'full'?"]),
    ("study --data good.npz --out out --learning-rates 0.1,-1", 2, ["--learning-rates", "0.01 and 0.1"]),
    ("study --data good.npz --out out --target-accuracy 95", 2, ["--target-accuracy", "0.95"]),
    ("study --data good.npz --out out --train-for epochs", 2, ["--train-for", "epochs:10"]),
    ("study --data good.npz --out out --budget soon", 2, ["--budget", "5min"]),
    ("study --data good.npz --out out --quick --seeds 3", 2, ["--quick", "leave one of them out"]),
    ("study --data good.npz --out blocked", 1, ["--out 'blocked'", "another folder"]),
]


def refused(line: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    code = main(line.split())
    captured = capsys.readouterr()
    assert captured.out == ""
    return code, captured.err


@pytest.mark.parametrize(("line", "code", "says"), TABLE, ids=[line for line, _, _ in TABLE])
def test_refusal(line: str, code: int, says: list[str], here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(here.rglob("*"))
    got, message = refused(line, capsys)
    assert got == code
    assert "Traceback" not in message and "unexpected" not in message
    last = message.strip().splitlines()[-1]
    assert last.startswith("minisgd: ")
    assert [part for part in says if part not in last] == []
    assert [path for path in sorted(here.rglob("*")) if path not in before and "__pycache__" not in path.parts] == []


def test_there_are_enough_of_them() -> None:
    assert len(TABLE) >= 30


@pytest.mark.parametrize(
    ("package", "line", "says"),
    [
        ("matplotlib", "claims --data good.npz --out out", "pip install 'minisgd[report]'"),
        ("jinja2", "claims --data good.npz --out out", "pip install 'minisgd[report]'"),
        ("pyarrow", "train --data table.parquet", "pip install 'minisgd[data]'"),
        ("cupy", "train --data good.npz --device cuda", "pip install 'minisgd[cuda12]'"),
    ],
)
def test_a_missing_extra_names_its_pip_line(
    package: str,
    line: str,
    says: str,
    here: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    code, message = refused(line, capsys)
    assert code == 1 and says in message and "Traceback" not in message
    assert not (here / "out").exists()
