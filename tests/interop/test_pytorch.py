"""Weights that PyTorch wrote give the same outputs here, and ours give the same outputs there."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import minisgd as ms
from minisgd.interop.pytorch import NAMES, torch_arrays
from tests.interop.test_onnx import stirred
from tests.nn.layer_tables import CASES, LAYERS, shape_of

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
nn = torch.nn


def channels_first(x):
    return torch.from_numpy(x if x.ndim != 4 else np.moveaxis(x, -1, 1).copy())


def channels_last(y):
    array = y.detach().numpy()
    return np.moveaxis(array, 1, -1) if array.ndim == 4 else array


def assert_agree(module, network, x, shape):
    """Compare outputs after a trip in each direction."""
    module = module.double().eval()
    for tensor in module.state_dict().values():
        if tensor.is_floating_point():
            tensor.copy_(torch.rand_like(tensor) + 0.5)
    ours = ms.interop.from_torch(module.state_dict(), network, input_shape=shape)
    theirs = channels_last(module(channels_first(x)))
    assert_allclose(ours.predict(x), theirs, rtol=1e-6, atol=1e-9)

    changed = stirred(ours, np.random.default_rng(2))
    module.load_state_dict(ms.interop.to_torch(changed, like=module.state_dict()), strict=False)
    theirs = channels_last(module(channels_first(x)))
    assert_allclose(changed.predict(x), theirs, rtol=1e-6, atol=1e-9)


MODULES = {
    "Linear": (nn.Linear(6, 4), ms.Linear(4), (6,)),
    "Conv2d": (nn.Conv2d(2, 3, (3, 2), stride=2, padding=1), ms.Conv2d(3, (3, 2), stride=2, padding=1), (5, 6, 2)),
    "ConvTranspose2d": (nn.ConvTranspose2d(2, 3, 2, stride=2), ms.ConvTranspose2d(3, 2, stride=2), (3, 4, 2)),
    "BatchNorm": (nn.BatchNorm2d(2), ms.BatchNorm(), (3, 4, 2)),
    "BatchNorm not affine": (nn.BatchNorm1d(6, affine=False), ms.BatchNorm(affine=False), (6,)),
    "SyncBatchNorm": (nn.BatchNorm1d(6), ms.SyncBatchNorm(), (6,)),  # whose own needs a process group
    "LayerNorm": (nn.LayerNorm(6), ms.LayerNorm(), (4, 6)),
    "RMSNorm": (nn.RMSNorm(6, eps=1e-5), ms.RMSNorm(), (4, 6)),
    "PReLU": (nn.PReLU(6), ms.PReLU(), (6,)),
}


@pytest.mark.parametrize("name", MODULES)
def test_every_module_agrees(name):
    module, layer, shape = MODULES[name]
    x = np.random.default_rng(0).normal(0, 2, (5, *shape))
    assert_agree(nn.Sequential(module), ms.Network(layer), x, shape)


def test_no_row_is_missing():
    """Every layer with parameters is in the table, and every row but embeddings, tested below, among the modules."""
    parameters, rng = set(), np.random.default_rng(0)
    for name, kind in CASES:
        shape = shape_of(kind, rng)
        leaves = ms.Network(LAYERS[name].make(shape)).describe(shape)
        parameters |= {type(leaf.layer) for leaf in leaves if leaf.declaration.parameters}
    assert parameters - {ms.LoRA, ms.RBM, ms.TiedAutoencoder} <= set(NAMES)  # of which PyTorch has no module
    assert {kind.__name__ for kind in NAMES} - set(MODULES) - {"FrozenBatchNorm"} == {
        "Embedding",
        "PositionalEmbedding",
    }


def test_pixels_keep_their_place_when_images_become_vectors():
    """Also where normalisation stands between Flatten and Linear, under names that are not the network's."""

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.head = nn.Linear(7, 3)  # made before what comes before it
            self.features = nn.Sequential(nn.Conv2d(2, 5, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten())
            self.norm, self.hidden = nn.BatchNorm1d(30), nn.Linear(30, 7)

        def forward(self, x):
            return self.head(torch.tanh(self.hidden(self.norm(self.features(x)))))

    net = ms.Network(
        ms.Conv2d(5, 3), ms.ReLU(), ms.MaxPool2d(2), ms.Flatten(), ms.BatchNorm(), ms.Linear(7), ms.Tanh(), ms.Linear(3)
    )
    assert_agree(Net(), net, np.random.default_rng(0).normal(0, 2, (5, 6, 8, 2)), (6, 8, 2))


def test_pixels_keep_their_place_through_dense_layers_as_wide_as_the_image():
    """Whose biases are no pixels, but within a short cut, where all outputs are."""

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm, self.square, self.inner = nn.LayerNorm(12), nn.Linear(12, 12), nn.Linear(12, 12)
            self.prelu, self.around, self.last = nn.PReLU(12), nn.Linear(12, 12), nn.Linear(12, 3)

        def forward(self, x):
            x = x.flatten(1)
            x = x + self.prelu(self.inner(torch.tanh(self.square(self.norm(x)))))
            x = x + torch.tanh(self.around(x))
            return self.last(x)

    net = ms.Network(
        ms.Flatten(),
        ms.Residual(ms.LayerNorm(), ms.Linear(12), ms.Tanh(), ms.Linear(12), ms.PReLU()),
        ms.Residual(ms.Linear(12), ms.Tanh()),
        ms.Linear(3),
    )
    x = np.random.default_rng(0).normal(0, 2, (5, 2, 3, 2))
    assert_agree(Net(), net, x, (2, 3, 2))
    square = nn.Sequential(nn.Flatten(), nn.Linear(12, 12), nn.PReLU(12), nn.Linear(12, 12))
    assert_agree(square, ms.Network(ms.Flatten(), ms.Linear(12), ms.PReLU(), ms.Linear(12)), x, (2, 3, 2))


def test_embeddings_agree():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.token, self.position = nn.Embedding(9, 6), nn.Embedding(4, 6)

        def forward(self, x):
            return self.token(x.long()) + self.position(torch.arange(4))

    x = np.random.default_rng(0).integers(0, 9, (5, 4)).astype(np.float64)
    assert_agree(Net(), ms.Network(ms.Embedding(9, 6), ms.PositionalEmbedding()), x, (4,))


def test_transformer_blocks_agree():
    """Their modules are made in another order than they run in."""
    layer = nn.TransformerEncoderLayer(6, 2, 8, activation="gelu", norm_first=True, batch_first=True)
    module = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
    net = ms.Network(*(ms.TransformerBlock(6, 2, hidden=8) for _ in range(2)))
    assert_agree(module, net, np.random.default_rng(0).normal(0, 1, (5, 4, 6)), (4, 6))


def test_names_of_the_network_load_into_a_sequential_as_they_are():
    net = ms.Network(ms.Linear(4), ms.ReLU(), ms.BatchNorm(), ms.Linear(2)).build((3,))
    module = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.BatchNorm1d(4), nn.Linear(4, 2)).eval()
    module.load_state_dict(ms.interop.to_torch(net))
    x = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    assert_allclose(net.predict(x), module(torch.from_numpy(x)).detach(), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_files_of_pytorch_are_read(dtype, tmp_path):
    """A file keeps no order of its own: ten layers, so that "10" does not come before "2"."""
    from safetensors.torch import save_file

    module = nn.Sequential(*(nn.Linear(3, 3) for _ in range(11))).to(getattr(torch, dtype))
    shifted = {f"net.{name}": tensor for name, tensor in module.state_dict().items()}
    save_file(shifted, tmp_path / "model.safetensors")
    net = ms.Network(*(ms.Linear(3) for _ in range(11))).build((3,))
    ours = ms.interop.from_torch(tmp_path / "model.safetensors", net)
    for k, layer in enumerate(module):
        assert_array_equal(ours.parameters()[f"{k}.W"], layer.weight.detach().float().numpy().T)


def test_files_whose_order_is_not_told_are_refused(tmp_path):
    from safetensors.numpy import save_file

    square = np.ones((3, 3), np.float32)
    save_file({"encode.weight": square, "decode.weight": square}, tmp_path / "model.safetensors")
    net = ms.Network(ms.Linear(3, bias=False), ms.Linear(3, bias=False)).build((3,))
    with pytest.raises(ms.CheckpointError, match="tell the order of modules .* got names like decode, encode"):
        ms.interop.from_torch(tmp_path / "model.safetensors", net)


def test_what_does_not_fit_is_named():
    net = ms.Network(ms.Linear(4), ms.ReLU(), ms.Linear(2))
    with pytest.raises(ms.ArgumentError, match="input_shape must be given"):
        ms.interop.from_torch({}, net)
    with pytest.raises(
        ms.CheckpointError,
        match=r"a module for layer 2, Linear: weight \(2, 4\) bias \(2,\), got these left over: a wei",
    ):
        ms.interop.from_torch(
            nn.ModuleDict({"a": nn.Linear(4, 3), "b": nn.Linear(3, 4)}).state_dict(), net, input_shape=(3,)
        )
    with pytest.raises(ms.CheckpointError, match="left over: c weight"):
        modules = {"a": nn.Linear(4, 2), "b": nn.Linear(3, 4), "c": nn.Linear(2, 2)}
        ms.interop.from_torch(nn.ModuleDict(modules).state_dict(), net, input_shape=(3,))
    with pytest.raises(ms.ArgumentError, match="keeps the order of pixels"):
        ms.interop.from_torch({}, ms.Network(ms.Linear(8), ms.Reshape(2, 2, 2)), input_shape=(3,))


def test_arrays_need_no_pytorch(monkeypatch):
    net = ms.Network(ms.Linear(4), ms.Linear(2)).build((3,))
    monkeypatch.setitem(sys.modules, "torch", None)
    back = ms.interop.from_torch(torch_arrays(net), ms.Network(ms.Linear(4), ms.Linear(2)), input_shape=(3,))
    assert_array_equal(back.vector, net.vector)
    with pytest.raises(ms.MissingExtraError, match="pip install torch"):
        ms.interop.to_torch(net)
