"""The commands: what is on stdout, what JSON they write, which files, which exit code."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

import minisgd as ms
from minisgd import cli
from minisgd.cli import doctor, inputs, probe
from minisgd.cli import train as train_command
from minisgd.cli.parser import Parser
from minisgd.data import sources
from minisgd.nn.losses import LOSSES
from minisgd.nn.models import FORMS, model
from minisgd.optim import DEFAULT_LR, OPTIMIZERS, SCHEDULES

PROBES = [f"probe {name}" for name in probe.PROBES]

TRAIN_KEYS = [
    "train_loss", "val_loss", "val_accuracy", "steps", "epochs", "examples", "seconds", "samples_per_second",
    "memory_bytes", "device",
]  # fmt: skip


def run(line: str, capsys: pytest.CaptureFixture[str], code: int = 0) -> str:
    assert cli.main(line.split()) == code
    return capsys.readouterr().out


def document(line: str, capsys: pytest.CaptureFixture[str]) -> Any:
    text = run(f"{line} --json", capsys)

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(text, parse_constant=refuse)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 3))
    path = tmp_path / "table.csv"
    rows = [",".join(f"{v:.5f}" for v in (*row, row @ [1.0, -2.0, 0.5])) for row in x]
    path.write_text("a,b,c,price\n" + "\n".join(rows) + "\n")
    return path


# ------------------------------------------------ what was learned


@pytest.mark.parametrize("signal", [0.0, 2.0])
@pytest.mark.parametrize("task", ["classification", "regression"])
def test_train_says_where_validation_shows_nothing_learned(
    signal: float, task: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    x, y = np.random.default_rng(0).normal(size=(2, 300))
    y += signal * x
    np.savez(tmp_path / "data.npz", x=x[:, None], y=y > 0 if task == "classification" else y)
    assert cli.main(f"train --data {tmp_path / 'data.npz'} --model mlp:32 --lr 0.05 --epochs 20".split()) == 0
    said = capsys.readouterr().err
    assert ("nothing was learned" in said) == (signal == 0), said


# ------------------------------------------------ help


@pytest.mark.parametrize("command", ["", *cli.COMMANDS, *PROBES])
def test_help_starts_with_examples(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = run(f"{command} --help", capsys)
    assert text.startswith(f"examples:\n  minisgd {command}".rstrip())
    assert max(map(len, text.splitlines())) <= 110


def test_no_words_show_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("", capsys) == run("--help", capsys)
    assert run("--version", capsys) == f"minisgd {ms.__version__}\n"


COMMANDS = [*(name for name in cli.COMMANDS if name != "probe"), *PROBES]
MODULES = [import_module(f"minisgd.cli.{name.replace(' ', '.')}") for name in ["probe", *COMMANDS]]
EXAMPLES = [line.strip() for module in MODULES for line in module.EXAMPLES.splitlines()]


def parser_of(name: str) -> Parser:
    *groups, last = name.split()
    return (probe.GROUP if groups else cli.GROUP).command_parser(last)


@pytest.mark.parametrize("line", EXAMPLES)
def test_every_example_is_a_line_that_parses(line: str) -> None:
    _, name, *words = shlex.split(line)
    if name == "probe":
        name = f"probe {words.pop(0)}"
    assert parser_of(name).parse(words) is not None


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_json_and_quiet(name: str) -> None:
    known = {option for action in parser_of(name)._actions for option in action.option_strings}
    assert {"--json", "--quiet"} <= known


# ------------------------------------------------ train


def test_train_json_has_the_promised_keys(capsys: pytest.CaptureFixture[str]) -> None:
    figures = document("train --data digits --epochs 3", capsys)
    assert list(figures) == TRAIN_KEYS
    assert figures["val_accuracy"] > 0.9 and figures["steps"] == 135 and figures["epochs"] == 3


def test_train_json_says_null_for_what_there_is_not(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    figures = document(f"train --data {table} --model linear --epochs 30 --validation 0", capsys)
    assert figures["val_loss"] is None and figures["val_accuracy"] is None
    assert figures["train_loss"] < 0.01


def test_train_writes_weights_history_and_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "deep" / "run"
    figures = document(f"train --data digits --epochs 2 --model mlp:16 --quiet --out {out}", capsys)
    checkpoint = [f"checkpoint-000000090.{kind}" for kind in ("json", "safetensors")]
    names = [*checkpoint, "history.jsonl", "report.html", "run.toml", "train.json", "weights.safetensors"]
    assert sorted(path.name for path in out.iterdir()) == names
    assert load_file(out / "weights.safetensors")["hidden1.W"].shape == (64, 16)
    history = [json.loads(line) for line in (out / "history.jsonl").read_text().splitlines()]
    assert [record["epoch"] for record in history] == [1, 2]
    about = json.loads((out / "train.json").read_text())
    assert about["val_loss"] == figures["val_loss"] and about["stopped"] == "finished"
    assert about["command"].startswith("minisgd train --data digits")
    data = ms.load("digits")
    net = model("mlp:16", data.input_shape, 10).load(out / "weights.safetensors")
    assert data.validation is not None
    accuracy = float((net.predict(data.validation.x).argmax(1) == data.validation.y).mean())
    assert accuracy == pytest.approx(figures["val_accuracy"])


def test_the_same_seed_gives_the_same_figures(capsys: pytest.CaptureFixture[str]) -> None:
    line = "train --data digits --epochs 1 --quiet --seed"
    a, b, c = (document(f"{line} {seed}", capsys)["val_loss"] for seed in (3, 3, 4))
    assert a == b != c


@pytest.mark.parametrize(
    "words",
    [
        "--batch-size full --steps 3",
        "--batch-size grow:16,64,1 --epochs 3",
        "--optimizer nesterov --schedule cosine --warmup 0.5",
        "--optimizer adamw --weight-decay 0.1 --schedule onecycle",
        "--optimizer lars --momentum 0.5 --schedule step",
        "--schedule step:0.5,1 --label-smoothing 0.1",
        "--sampling replacement --last-batch drop --clip-norm 1",
        "--micro-batch 8 --dtype float64 --threads 1",
        "--memory-limit 200KiB --batch-size 512",
        "--model mlp-bn:16 --best-weights --patience 1",
        "--model cnn --evaluate-every 0.5 --steps 2",
    ],
)
def test_train_takes_every_option(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    epochs = "" if "--steps" in words or "--epochs" in words else "--epochs 1"
    assert document(f"train --data digits --quiet {epochs} {words}", capsys)["train_loss"] > 0


def test_best_weights_are_the_ones_that_are_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = f"train --data digits --quiet --lr 2 --epochs 6 --best-weights --out {tmp_path}"
    figures = document(line, capsys)
    losses = [json.loads(text)["val_loss"] for text in (tmp_path / "history.jsonl").read_text().splitlines()]
    assert figures["val_loss"] == pytest.approx(min(losses), rel=1e-5)


def test_an_interrupted_training_keeps_what_there_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*record: Any) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(train_command, "in_short", interrupt)
    code = cli.main(f"train --data digits --epochs 50 --out {tmp_path} --json".split())
    captured = capsys.readouterr()
    assert code == 130
    assert json.loads(captured.out)["steps"] == 45
    assert "interrupted after 45 steps" in captured.err and str(tmp_path) in captured.err
    assert json.loads((tmp_path / "train.json").read_text())["stopped"] == "interrupted"
    assert (tmp_path / "weights.safetensors").exists()


# ------------------------------------------------ probe and explain


def test_an_autoencoder_has_as_many_outputs_as_inputs(capsys: pytest.CaptureFixture[str]) -> None:
    found = document("explain --model autoencoder:4 --input 8x2", capsys)
    assert found["loss"] == "MeanSquaredError()"
    assert found["parameters"] == 16 * 128 + 128 + 128 * 4 + 4 + 4 * 128 + 128 + 128 * 16 + 16


def test_probe_memory_agrees_with_the_plan(capsys: pytest.CaptureFixture[str]) -> None:
    found = document("probe memory --input 64 --model mlp:32 --batch-size 16 --memory-limit 1MiB", capsys)
    plan = ms.memory_plan(model("mlp:32", (64,), 10), (64,), 16, ms.SGD(lr=0.1), memory_limit="1MiB")
    assert {"batch_size", "bytes", "by_owner", "bytes_fixed", "bytes_per_example", "largest_batch"} <= found.keys()
    assert found["bytes"] == plan.bytes == sum(found["by_owner"].values())
    assert found["largest_batch"] == plan.largest_batch
    assert found["bytes_fixed"] + 16 * found["bytes_per_example"] == found["bytes"]


def test_probe_memory_says_where_its_limit_comes_from(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main("probe memory --data digits --batch-size full".split()) == 0
    captured = capsys.readouterr()
    assert "largest batch in" in captured.out and "batch of 1438 in all" in captured.out
    assert "--memory-limit" in captured.err


def test_explain_prints_formulas_and_writes_lines(capsys: pytest.CaptureFixture[str]) -> None:
    text = run("explain --model mlp:128 --input 64 --batch-size 32", capsys)
    assert "y = x @ W" in text and "dW = xᵀ @ dy" in text and "524k" in text
    assert max(map(len, text.splitlines())) <= 80
    lines = document("explain --model mlp:128 --input 64 --batch-size 32 --time --optimizer adam", capsys)["lines"]
    product = next(line for line in lines if line["op"] == "matmul")
    assert product["flops"] == 2 * 32 * 64 * 128 and product["microseconds"] > 0


def test_explain_knows_regression(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert document(f"explain --model linear --data {table}", capsys)["loss"] == "MeanSquaredError()"
    assert document("explain --model linear --input 2,2 --loss huber --outputs 3", capsys)["input_shape"] == [2, 2]


# ------------------------------------------------ doctor


def test_doctor_says_what_works(capsys: pytest.CaptureFixture[str]) -> None:
    found = document("doctor", capsys)
    assert found["numpy"] == np.__version__ and found["cores"] >= 1 and found["memory_bytes"] > 1 << 20
    assert found["extras"]["report"]["installed"] and "digits" in found["data"]
    assert found["gpu"]["usable"] or found["gpu"]["reason"]
    assert found["executor"]["name"] == "native" or found["executor"]["reason"]
    text = run("doctor", capsys)
    assert "Works here: study with its report, train" in text


def test_doctor_knows_only_extras_that_can_be_installed() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    assert doctor.EXTRAS.keys() <= project["project"]["optional-dependencies"].keys()


# ------------------------------------------------ study


def test_study_answers_first_and_names_the_report_last(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = f"study --data digits --model linear --batch-sizes 16,256 --seeds 2 --train-for epochs:2 --out {tmp_path}"
    text = run(f"{line} --learning-rates 0.1,0.3", capsys)
    lines = text.splitlines()
    assert "batch size" in lines[0].lower()
    assert lines[-1] == f"Report: {tmp_path / 'report.html'}" and (tmp_path / "report.html").exists()
    # the same command again finds everything in the journal
    again = document(f"{line} --learning-rates 0.1,0.3", capsys)
    assert again == json.loads((tmp_path / "study.json").read_text())
    assert [batch["batch_size"] for batch in again["batch_sizes"]] == [16, 256]


def test_a_study_of_coin_flips_says_that_nothing_was_learned(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "coins.npz", x=rng.standard_normal((300, 8)), y=rng.integers(0, 2, 300))
    line = f"study --data {tmp_path / 'coins.npz'} --model mlp:8 --seeds 2 --out {tmp_path / 'out'}"
    assert cli.main(line.split()) == 0
    out = capsys.readouterr().out
    assert "not distinguishable from always answering the commonest class" in out
    document = json.loads((tmp_path / "out" / "study.json").read_text())
    assert document["learned"] is False and document["recommendation"]["batch_size"] is None
    assert document["baseline"]["n_validation"] == 60 and document["baseline"]["error"] > 0.06
    page = (tmp_path / "out" / "report.html").read_text()
    assert "Nothing was learned" in page and "<img" not in page


def test_an_interrupted_study_says_how_to_resume(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*args: Any, **options: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("minisgd.lab.study.study", interrupt)
    line = f"study --data digits --out {tmp_path}"
    assert cli.main(line.split()) == 130
    captured = capsys.readouterr()
    assert captured.out == "" and f"minisgd {line}" in captured.err


# ------------------------------------------------ tables of names


def test_optimizer_names_and_defaults_are_those_of_the_library() -> None:
    from argparse import Namespace

    for name in OPTIMIZERS:
        made = inputs.make_optimizer(Namespace(optimizer=name, momentum=None, weight_decay=None))
        assert type(made).__name__.lower() == name.replace("nesterov", "sgd")
        default = type(made).__dataclass_fields__["lr"].default
        assert made.lr == (default if isinstance(default, float) else DEFAULT_LR)
    assert {cls.__name__.lower() for cls in _subclasses(ms.Optimizer)} <= set(OPTIMIZERS)


def test_every_loss_and_every_schedule_has_a_name() -> None:
    public = [getattr(ms, name) for name in ms.__all__]
    losses = {each for each in public if isinstance(each, type) and issubclass(each, ms.Loss)}
    assert set(LOSSES.values()) == losses - {ms.Loss}
    schedules = {each for each in public if getattr(each, "__module__", "") == ms.Cosine.__module__}
    assert set(SCHEDULES.values()) == {each for each in schedules if isinstance(each, type)} - {ms.Warmup}


def test_help_tells_defaults_as_the_library_has_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["train", "--help"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    rates = "(0.001; sgd, lars, nesterov 0.1; adagrad, rmsprop 0.01; lion 0.0001; schedulefreeadamw 0.0025"
    assert f"{rates}; schedulefreesgd 1)" in text
    assert "(0; lamb, adamw, muon 0.01)" in text and "(0; lars, schedulefreesgd, nesterov 0.9; muon 0.95)" in text
    assert FORMS in text and sources.FORMS in text


def test_every_form_of_model_is_in_the_documentation() -> None:
    page = (Path(__file__).parents[2] / "docs" / "pages" / "data.md").read_text(encoding="utf-8")
    for form in FORMS.replace(" or ", ", ").split(", "):
        assert f"`{form}`" in page


def _subclasses(kind: type) -> list[type]:
    found = [inner for child in kind.__subclasses__() for inner in (child, *_subclasses(child))]
    return [cls for cls in found if cls.__module__.startswith("minisgd") and not cls.__name__.endswith("Optimizer")]


# ------------------------------------------------ in a process of its own


def process(line: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "minisgd", *line.split()],
        capture_output=True, text=True, env=os.environ | environment, check=False,
    )  # fmt: skip


def test_stdout_holds_the_result_alone_and_stderr_has_no_bar_off_a_terminal() -> None:
    done = process("train --data digits --epochs 1 --json")
    assert done.returncode == 0 and list(json.loads(done.stdout)) == TRAIN_KEYS
    assert "digits: 1438 train" in done.stderr and "━" not in done.stderr and "\x1b" not in done.stderr
    assert process("train --data digits --epochs 1 --json --quiet").stderr == ""


def test_unexpected_failures_are_one_line_unless_debugging(tmp_path: Path) -> None:
    (tmp_path / "odd.py").write_text("raise SystemError('odd')\n")
    hook = "import minisgd.data\ndef load(*a, **k): raise RuntimeError('odd\\nsecond line')\nminisgd.data.load = load\n"
    (tmp_path / "sitecustomize.py").write_text(hook)
    line, path = "train --data digits", f"{tmp_path}{os.pathsep}{Path(ms.__file__).parents[1]}"
    plain = process(line, PYTHONPATH=path)
    assert plain.returncode == 1
    assert plain.stderr == "minisgd: unexpected RuntimeError: odd; set MINISGD_DEBUG=1 for the traceback\n"
    assert "Traceback" in process(line, PYTHONPATH=path, MINISGD_DEBUG="1").stderr


def test_a_reader_that_leaves_early_is_no_failure() -> None:
    command = f"{sys.executable} -m minisgd explain --model cnn --input 28x28x1 | head -1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1] == "0"
    assert "Error" not in done.stderr and "Traceback" not in done.stderr


def test_help_imports_nothing_heavy() -> None:
    code = "import sys; from minisgd.cli import main; main(['--help']); print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {"matplotlib", "rich", "jinja2", "cupy", "safetensors"}.isdisjoint(done.stderr.split())


TELL_OF_PROGRESS = """
import signal, sys
from minisgd.cli import output

signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell turns off for what it runs in the background

def show(bar, share, text):
    output.ProgressBar.show = lambda *told: None  # once is enough
    print("progress", file=sys.stderr, flush=True)

output.ProgressBar.show = show
"""


def test_ctrl_c_ends_a_real_process_with_130_and_its_files(tmp_path: Path) -> None:
    words, folder = "train --data digits --epochs 1000000", tmp_path / "run"
    code = (
        f"{TELL_OF_PROGRESS}\nfrom minisgd.cli import main\nsys.exit(main({[*words.split(), '--out', str(folder)]!r}))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:  # fmt: skip
        try:
            assert child.stderr is not None
            while "progress" not in child.stderr.readline():
                assert child.poll() is None
            child.send_signal(signal.SIGINT)
            out, err = child.communicate()
        finally:
            child.kill()  # if something above has failed, it would never end
    assert child.returncode == 130
    assert "interrupted after" in err and "Traceback" not in err and "train loss" in out
    *checkpoint, history, settings, figures, weights = sorted(p.name for p in folder.iterdir())
    files = ["history.jsonl", "run.toml", "train.json", "weights.safetensors"]
    assert [history, settings, figures, weights] == files
    assert [name.partition(".")[2] for name in checkpoint] == ["json", "safetensors"]


def test_letters_that_a_terminal_lacks_are_written_out() -> None:
    done = process("explain --model mlp:4 --input 3 --quiet", PYTHONIOENCODING="ascii:surrogateescape")
    assert done.returncode == 0 and "\\xd7" in done.stdout and done.stdout.isascii()
