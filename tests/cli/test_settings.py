"""Options from a file, the file that repeats a command, and what a shell completes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tomllib

import pytest
from safetensors.numpy import load_file

from minisgd.cli import main


def answer(capsys, *words):
    code = main(list(words))
    out, err = capsys.readouterr()
    return code, out, err


def test_a_file_gives_options_and_what_is_typed_counts(tmp_path, capsys):
    file = tmp_path / "run.toml"
    file.write_text('data = "digits"\nmodel = "linear"\nepochs = 2\nbatch_size = 64\njson = true\nquiet = false\n')
    code, out, _ = answer(capsys, "train", "--config", str(file))
    assert code == 0 and json.loads(out)["epochs"] == 2
    code, out, _ = answer(capsys, "train", f"--config={file}", "--epochs", "1")
    assert json.loads(out)["epochs"] == 1


def test_a_run_writes_the_file_that_repeats_it(tmp_path, capsys):
    first, again = tmp_path / "a", tmp_path / "b"
    line = ["--data", "digits", "--model", "mlp:8", "--epochs", "1", "--lr=0.3", "--best-weights", "--quiet"]
    assert answer(capsys, "train", *line, "--out", str(first))[0] == 0
    kept = tomllib.loads((first / "run.toml").read_text())
    assert kept["best-weights"] is True and kept["lr"] == "0.3" and kept["out"] == str(first)
    assert answer(capsys, "train", "--config", str(first / "run.toml"), "--out", str(again))[0] == 0
    one, other = (load_file(folder / "weights.safetensors") for folder in (first, again))
    assert one.keys() == other.keys() and all((one[name] == other[name]).all() for name in one)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("epoch = 3", "did you mean 'epochs'"),
        ("[epochs]\nn = 3", "epochs must be an option of 'minisgd train' with a value"),
        ("epochs 3", "must be a TOML file"),
        (None, "No such file"),
    ],
)
def test_what_a_file_may_not_say_is_refused(tmp_path, capsys, content, said):
    file = tmp_path / "run.toml"
    if content is not None:
        file.write_text(content)
    code, _, err = answer(capsys, "train", "--data", "digits", "--config", str(file))
    assert code == 2 and said in err


@pytest.mark.parametrize("word", ["-V", "--version"])
def test_the_version_in_short(capsys, word):
    assert answer(capsys, word)[1].startswith("minisgd ")
    assert "did you mean '--version'" in answer(capsys, "version")[2]


@pytest.mark.parametrize("shell", ["bash", "zsh"])
@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        (["minisgd", "tr"], ["train"]),
        (["minisgd", "train", "--batch-s"], ["--batch-size"]),
        (["minisgd", "probe", "noi"], ["noise"]),
        (["minisgd", "probe", "noise", "--exam"], ["--examples"]),
    ],
)
def test_shells_complete_commands_and_options(capsys, tmp_path, shell, typed, offered):
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell}")
    script = answer(capsys, "--completion")[1]
    asked = f"COMP_WORDS=({' '.join(typed)}); COMP_CWORD={len(typed) - 1}; _minisgd; echo ${{COMPREPLY[@]}}"
    words, home = {"bash": ["bash", "-c"], "zsh": ["zsh", "-f", "-c"]}[shell], {"HOME": str(tmp_path)}
    as_zsh_does = "emulate ksh\n" if shell == "zsh" else ""  # arrays begin at 0 in functions of bash
    done = subprocess.run(
        [*words, f"{script}\n{as_zsh_does}{asked}"], capture_output=True, text=True, check=True, env=os.environ | home
    )
    fitting = [word for word in done.stdout.split() if word.startswith(typed[-1])]  # zsh leaves out the others itself
    assert fitting == offered


@pytest.fixture
def table(tmp_path):
    """Return a table without a header that numbers cannot be told by, in a folder with an odd name."""
    file = tmp_path / "très 😀" / "t.csv"
    file.parent.mkdir()
    file.write_text('"price, EUR",b,y\n' + "".join(f"{k % 7},{k % 5},{k % 2}\n" for k in range(40)))
    return file


def test_options_that_are_switched_off_are_repeated(table, capsys):
    first, again = table.parent / "a", table.parent / "b"
    line = ["--data", str(table), "--model", "linear", "--epochs", "1", "--no-standardize", "--quiet"]
    assert answer(capsys, "train", *line, "--out", str(first))[0] == 0
    kept = tomllib.loads((first / "run.toml").read_text("utf-8"))
    assert kept["standardize"] is False and kept["epochs"] == "1" and kept["data"] == str(table)
    assert answer(capsys, "train", "--config", str(first / "run.toml"), "--out", str(again))[0] == 0
    for folder in (first, again):
        assert json.loads((folder / "train.json").read_text("utf-8"))["options"]["standardize"] is False


def test_names_with_commas_stand_in_quotes(table, capsys):
    line = ["train", "--data", str(table), "--model", "linear", "--epochs", "1", "--json"]
    assert answer(capsys, *line, "--target", '"price, EUR"', "--task", "regression")[0] == 0
    file = table.parent / "c.toml"
    file.write_text('drop = ["price, EUR"]\n')
    code, _, err = answer(capsys, *line, "--config", str(file))
    assert code == 0 and "you said so" in err
    code, _, err = answer(capsys, *line, "--target", "price, EUR")
    assert code == 2 and "--target" in err


def test_folders_whose_names_are_no_text_are_kept(table, capsys):
    out = str(table.parent / os.fsdecode(b"caf\xe9"))
    line = ["train", "--data", str(table), "--model", "linear", "--epochs", "1", "--quiet"]
    assert answer(capsys, *line, "--out", out)[0] == 0
    assert answer(capsys, "train", "--resume", out, "--epochs", "2", "--quiet")[0] == 0
    assert answer(capsys, "train", "--config", os.path.join(out, "run.toml"), "--quiet")[0] == 0
