"""Names of models: what they build, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from minisgd.errors import ArgumentError, ShapeError
from minisgd.nn import Network
from minisgd.nn.models import ACTIVATIONS, model
from minisgd.typing import Shape


@pytest.mark.parametrize(
    ("name", "input_shape", "parameters"),
    [
        ("linear", (64,), 64 * 10 + 10),
        ("linear", (8, 8, 1), 64 * 10 + 10),
        ("mlp:128", (64,), 64 * 128 + 128 + 128 * 10 + 10),
        ("mlp:128,32", (8, 8), 64 * 128 + 128 + 128 * 32 + 32 + 32 * 10 + 10),
        ("mlp:16,8,gelu", (64,), 64 * 16 + 16 + 16 * 8 + 8 + 8 * 10 + 10),
        ("mlp-bn:16, prelu", (64,), 64 * 16 + 16 + 2 * 16 + 16 + 16 * 10 + 10),
        ("text:4", (64,), 64 * 4 + 4 * 10 + 10),
        ("mlp-bn:16", (64,), 64 * 16 + 16 + 2 * 16 + 16 * 10 + 10),
        ("cnn", (8, 8, 1), 9 * 16 + 16 + 32 + 9 * 16 * 32 + 32 + 64 + 2 * 2 * 32 * 10 + 10),
        ("transformer:4,2,1", (3, 5), 24 + 12 + 8 + 60 + 20 + 8 + 80 + 68 + 8 + 130),
        ("transformer:4,1,2", (5, 3, 1), 16 + 20 + 2 * 244 + 8 + 210),
        ("transformer:4,4,1", (6,), 8 + 24 + 244 + 8 + 250),
        ("cnn", (28, 28, 3), 27 * 16 + 16 + 32 + 9 * 16 * 32 + 32 + 64 + 7 * 7 * 32 * 10 + 10),
        ("cnn", (4, 5, 1), 9 * 16 + 16 + 32 + 9 * 16 * 32 + 32 + 64 + 32 * 10 + 10),
    ],
)
def test_builds_a_network_of_the_named_size(name: str, input_shape: Shape, parameters: int) -> None:
    net = model(name, input_shape, 10).build(input_shape)
    assert net.n_parameters == parameters
    assert net.predict(np.ones((3, *input_shape), np.float32)).shape == (3, 10)


def test_an_mlp_takes_any_activation() -> None:
    import minisgd as ms

    outputs = [y for y in map(str.lower, ms.__all__) if y in ACTIVATIONS]
    assert len(outputs) == len(ACTIVATIONS) == 12
    x = np.random.default_rng(0).normal(size=(5, 6)).astype(np.float32)
    for name, kind in ACTIVATIONS.items():
        net = model(f"mlp-bn:4,{name}", (6,), 2)
        assert [type(layer) for layer in net.layers[:3]] == [ms.Linear, ms.BatchNorm, kind]
        assert np.isfinite(net.build((6,)).predict(x)).all()


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("mpl:128", "did you mean 'mlp:128'?"),
        ("mlp_bn:64,32", "did you mean 'mlp-bn:64,32'?"),
        ("liner", "did you mean 'linear'?"),
        ("resnet50", "linear, mlp:128,64"),
        ("mlp", "write mlp:128"),
        ("mlp:", "write mlp:128"),
        ("mlp:0", "positive integers"),
        ("mlp:12,-3", "positive integers"),
        ("mlp:big", "positive integers"),
        ("mlp:gelu", "positive integers"),
        ("mlp:128,gleu", "mlp:128,gelu"),
        ("mlp:128,tahn", "mlp:128,tanh"),
        ("mlp:gelu,128", "an activation"),
        ("text:32,16", "write text:32"),
        ("autoencoder", "write autoencoder:32"),
        ("mlp-bn:128,,64", "write mlp-bn:128"),
        ("linear:10", "takes no widths"),
        ("cnn:16", "takes no widths"),
        ("transformer:32", "write transformer:32,4,2"),
        ("transformer:32,5,1", "the heads divide the width"),
        ("tranformer", "did you mean 'transformer:32,4,2'?"),
        ("nowhere.py:build", "a Python file that exists"),
        ("nowhere.py", "name the function too"),
    ],
)
def test_refuses_names_of_no_known_form(name: str, says: str) -> None:
    with pytest.raises(ArgumentError, match="model") as refusal:
        model(name, (64,), 10)
    assert says in str(refusal.value)


@pytest.mark.parametrize("input_shape", [(64,), (8, 8), (3, 3, 1)])
def test_cnn_refuses_what_is_no_image(input_shape: Shape) -> None:
    with pytest.raises(ShapeError, match="channels last"):
        model("cnn", input_shape, 10)


@pytest.fixture
def own(tmp_path: Path) -> Path:
    file = tmp_path / "mine.py"
    file.write_text(
        "from minisgd.nn import Linear, Network\n"
        "def build(input_shape, outputs):\n    return Network(Linear(7), Linear(outputs))\n"
        "def nothing(input_shape, outputs):\n    return None\n"
        "def picky(input_shape):\n    return None\n"
        "def mlp(input_shape, outputs):\n    return Network(Linear(outputs))\n"
    )
    return file


def test_runs_a_function_of_a_file(own: Path) -> None:
    net = model(f"{own}:build", (5,), 2)
    assert isinstance(net, Network)
    assert net.build((5,)).n_parameters == 5 * 7 + 7 + 7 * 2 + 2


def test_says_what_is_wrong_with_a_file(own: Path, tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match=r"did you mean 'build'\?"):
        model(f"{own}:biuld", (5,), 2)
    with pytest.raises(ArgumentError, match=r"did you mean 'mlp'\?"):  # and not the model of that name
        model(f"{own}:mpl", (5,), 2)
    with pytest.raises(ArgumentError, match="return Network"):
        model(f"{own}:nothing", (5,), 2)
    with pytest.raises(ArgumentError, match=r"takes \(input_shape, outputs\).*TypeError"):
        model(f"{own}:picky", (5,), 2)
    broken = tmp_path / "broken.py"
    broken.write_text("def build(:\n")
    with pytest.raises(ArgumentError, match="SyntaxError"):
        model(f"{broken}:build", (5,), 2)


def test_an_autoencoder_gives_back_its_inputs() -> None:
    import minisgd as ms

    data = ms.datasets.digits(images=True, seed=0).reconstructing()
    assert data.task == "regression" and data.n_outputs == 64 and data.train.y.max() == 1
    net = model("autoencoder:16", data.input_shape, data.n_outputs)
    run = ms.train(net, data, epochs=5, seed=0)
    assert run.evaluate()["loss"] < 0.5 * data.validation.y.var()
    with pytest.raises(ArgumentError, match="write autoencoder:8"):
        model("autoencoder:8,4", (64,), 64)
