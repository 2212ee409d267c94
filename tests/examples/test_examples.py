"""Every example is short, explains itself, uses public names only, and works at a tiny setting."""

from __future__ import annotations

import ast
import importlib
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

import minisgd as ms

FOLDER = Path(__file__).parents[2] / "examples"
LONGEST = 150
PACKAGES = {"minisgd", "numpy", "matplotlib", "_style"}

TINY = {
    "01_three_descents": {"share": 0.02},
    "02_noise_scale": {"trials": 1, "warm_up": 3},
    "03_critical_batch_size": {"seeds": 2, "model_sizes": np.array([1024, 4096, 16384])},
    "04_edge_of_stability": {"steps": 30, "every": 10},
    "05_sharp_and_flat_minima": {"seeds": 1, "time": 2.0},
    "06_grow_the_batch": {"seeds": 1, "every": 1},
    "07_ghost_batches": {"sizes": (2, 32), "seeds": 2, "steps": 8},
    "08_memory": {"steps": 1},
    "09_ten_thousand_images": {"epochs": 0.1},
    "10_custom_layer": {"examples": 8, "points": 3},
    "11_attention": {"steps": 5, "epochs": 1},
    "12_autoencoder": {"codes": (2,), "epochs": 1},
    "13_boltzmann": {"sizes": (100,), "epochs": 1},
    "14_words": {"sizes": (512,), "epochs": 1},
    "15_adapters": {"ranks": (1,), "epochs": 1},
    "16_transformer_study": {"sizes": (64, 256), "seeds": 1},
    "17_newer_optimizers": {"seeds": 2, "sizes": (64, 256, 1024), "shown": 1},
    "18_data_and_width": {"parts": (0.5,), "widths": (8,), "seeds": 2, "epochs": 2},
    "19_schedules": {"epochs": 1, "seeds": 2, "rates": (0.004,)},
}
"""What each main is called with here, beside where to draw."""


def scripts() -> list[Path]:
    return sorted(FOLDER.glob("[0-9]*.py"))


@pytest.fixture(autouse=True)
def pictures_without_a_screen(monkeypatch):
    matplotlib = pytest.importorskip("matplotlib", reason="examples draw pictures: pip install 'minisgd[report]'")
    monkeypatch.syspath_prepend(str(FOLDER))
    backend, look = matplotlib.get_backend(), dict(matplotlib.rcParams)
    matplotlib.use("agg")
    yield
    matplotlib.rcParams.update(look)
    matplotlib.use(backend)


def tree(script: Path) -> ast.Module:
    return ast.parse(script.read_text(encoding="utf-8"))


def test_every_example_has_its_tiny_setting_and_its_row_and_picture():
    assert [script.stem for script in scripts()] == list(TINY)
    table = (FOLDER / "README.md").read_text(encoding="utf-8")
    for script in scripts():
        assert f"[{script.stem[:2]}]({script.name})" in table and f"(images/{script.stem}.png)" in table
        assert (FOLDER / "images" / f"{script.stem}.png").stat().st_size < 200_000


@pytest.mark.parametrize("script", [*scripts(), FOLDER / "_style.py"], ids=lambda path: path.stem)
def test_it_is_short(script):
    assert len(script.read_text(encoding="utf-8").splitlines()) < LONGEST


@pytest.mark.parametrize("script", scripts(), ids=lambda path: path.stem)
def test_it_says_question_theory_and_what_to_look_at(script):
    text = ast.get_docstring(tree(script)) or ""
    assert "?" in text.splitlines()[0]
    assert "\nTheory. " in text and "\nLook at: " in text
    assert any(str(year) in text for year in range(1951, 2030)), "the source of the theory"


@pytest.mark.parametrize("script", [*scripts(), FOLDER / "_style.py"], ids=lambda path: path.stem)
def test_it_uses_public_names_only(script):
    for node in ast.walk(tree(script)):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            modules = [str(node.module)]
            assert node.module is None or not node.module.startswith("minisgd")
        elif isinstance(node, ast.Attribute):
            assert not node.attr.startswith("_") or node.attr.startswith("__"), node.attr
            if isinstance(node.value, ast.Name) and node.value.id == "ms":
                assert node.attr in ms.__all__
            continue
        else:
            continue
        for module in modules:
            assert module.partition(".")[0] in PACKAGES | sys.stdlib_module_names, module
            assert not module.startswith("minisgd."), module


@pytest.mark.slow
@pytest.mark.parametrize("name", TINY)
def test_its_main_prints_and_draws(name, tmp_path, capsys):
    out = tmp_path / "made" / "picture.png"
    importlib.import_module(name).main(out, **TINY[name])
    assert out.read_bytes().startswith(b"\x89PNG")
    assert capsys.readouterr().out.endswith(f"{out}\n")


def test_the_layer_of_ones_own_has_the_right_gradient_and_its_twin_a_wrong_one():
    example = importlib.import_module("10_custom_layer")
    h = np.array([3e-5])
    assert example.errors(example.Swish(), h, 16)[1][0] < 1e-8
    assert example.errors(example.ForgetfulSwish(), h, 16)[1][0] > 1e-2


def test_the_noise_at_rest_is_the_one_of_the_literature():
    at_rest = importlib.import_module("06_grow_the_batch").at_rest
    found = [at_rest(0.1, 1), at_rest(0.05, 1), at_rest(0.1, 2)]
    assert_allclose(found, [0.0526316, 0.0256410, 0.0263158], rtol=1e-5)


def test_images_of_idx_files_are_used_where_they_are_given(tmp_path):
    example = importlib.import_module("09_ten_thousand_images")
    rng = np.random.default_rng(0)
    for name, array in (
        ("images-idx3-ubyte", rng.integers(256, size=(60, 28, 28))),
        ("labels-idx1-ubyte", np.arange(60) % 10),
    ):
        head = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
        (tmp_path / f"t10k-{name}").write_bytes(head + array.astype(np.uint8).tobytes())
    data = example.images(f"idx:{tmp_path}")
    assert data.input_shape == (28, 28, 1) and len(data) == 50 and len(data.validation) == 10
