"""Autoencoders of digits: how much of an image fits into a code of a few numbers?

The network. x → encoder → code of K numbers → decoder → x̂, trained to give back its input: the targets of the data set
are its images, and the loss their mean squared difference. To denoise, the input is an image with noise, the target
the image without.

Theory. Without activation functions the best code is a projection to the first K principal components, and the least
loss the sum of all further eigenvalues of the covariance, over the number of pixels (Baldi and Hornik 1989, fact 4): a
number to reach, and not to pass. With activations the code may bend, and fewer numbers hold as much (Hinton and
Salakhutdinov 2006, Reducing the dimensionality of data with neural networks).

Look at: on the left, linear codes on the line of the eigenvalues, bent ones below it. In the middle, two numbers for
each image of the validation set: digits gather by kind though nobody told their names. On the right, rows of noisy
images, what a convolutional autoencoder makes of them, and what they were.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from _style import BLUE, GREEN, GREY, arguments, panels, save

import minisgd as ms

SMALL = ms.init.XavierNormal()
"""For layers from and to a code of few numbers: He's rule would let its decoder begin far from any image."""


def linear(code: int) -> list[ms.Layer]:
    """Return encoder and decoder of one dense layer each."""
    return [ms.Flatten(), ms.Linear(code, init=SMALL), ms.Linear(64, init=SMALL), ms.Reshape(8, 8, 1)]


def bent(code: int) -> list[ms.Layer]:
    """Return encoder and decoder with a hidden layer each; the code is what the fourth layer puts out."""
    encoder = [ms.Flatten(), ms.Linear(128), ms.SiLU(), ms.Linear(code, init=SMALL)]
    return [*encoder, ms.Linear(128, init=SMALL), ms.SiLU(), ms.Linear(64, init=SMALL), ms.Reshape(8, 8, 1)]


def convolutional() -> list[ms.Layer]:
    """Return two convolutions that halve the image twice, and two transposed ones that bring it back."""
    halve = {"stride": 2, "padding": 1}
    return [
        ms.Conv2d(16, 3, **halve), ms.SiLU(), ms.Conv2d(16, 3, **halve), ms.SiLU(),
        ms.ConvTranspose2d(16, 2, stride=2), ms.SiLU(), ms.ConvTranspose2d(1, 2, stride=2),
    ]  # fmt: skip


def images() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return training and validation images from 0 to 1, and the digits of the latter."""
    data = ms.datasets.digits(images=True, seed=0)
    train, held = (split.x.astype(np.float32) * np.float32(data.scale) for split in (data.train, data.validation))
    return train, held, data.validation.y


def trained(layers: Sequence[ms.Layer], x: np.ndarray, target: np.ndarray, epochs: float) -> ms.Network:
    """Return a network that was trained to give the target for x, with a learning rate that falls to 0."""
    data = ms.Dataset.from_arrays(x, target, validation=None)
    schedule = ms.Cosine(0.005)
    run = ms.train(ms.Network(*layers), data, optimizer=ms.Adam(lr=schedule), batch_size=32, epochs=epochs, seed=0)
    return run.network


def error(net: ms.Network, x: np.ndarray) -> float:
    """Return the mean squared difference between images and what the network gives back."""
    return float(np.square(net.predict(x) - x).mean())


def encoded(net: ms.Network, layers: Sequence[ms.Layer], x: np.ndarray) -> np.ndarray:
    """Return the codes of images: the first four layers with the weights of the whole network.  (N, K)"""
    encoder = ms.Network(*layers[:4]).build((8, 8, 1))
    for name, weights in encoder.parameters().items():
        weights[...] = net.parameters()[name]
    return encoder.predict(x)


def main(out: Path, codes: Sequence[int] = (2, 4, 8, 16, 32), epochs: float = 100) -> None:
    """Train linear and bent codes of every length, one of two numbers to look at, and one that denoises."""
    train, held, digits = images()
    figure, (left, middle, right) = panels(
        "error by length of the code", "two numbers an image", "noisy, denoised, true"
    )
    eigenvalues = np.linalg.eigvalsh(np.cov(train.reshape(len(train), -1).T, bias=True))[::-1]
    least = [eigenvalues[k:].sum() / 64 for k in codes]
    found = {"linear": [], "bent": []}
    for k, bound in zip(codes, least, strict=True):
        for name, make in (("linear", linear), ("bent", bent)):
            found[name].append(error(trained(make(k), train, train, epochs), train))
        print(f"code of {k:2}: linear {found['linear'][-1]:.5f} (least {bound:.5f})   bent {found['bent'][-1]:.5f}")
    for (name, values), colour in zip(found.items(), (BLUE, GREEN), strict=True):
        left.plot(codes, values, color=colour, marker="o", ms=4, label=name)
    left.plot(codes, least, color=GREY, ls="", marker="+", ms=11, label="eigenvalues left out")
    left.set(xscale="log", yscale="log", xlabel="numbers in the code", ylabel="mean squared error")
    left.legend()

    net = trained(layers := bent(2), train, train, 2 * epochs)
    codes_of = encoded(net, layers, held)
    middle.scatter(*codes_of.T, c=digits, cmap="tab10", s=9)
    for digit in range(10):
        middle.text(*np.median(codes_of[digits == digit], axis=0), str(digit), weight="bold", ha="center")

    rng = np.random.default_rng(0)
    noisy, seen = (x + rng.normal(0, 0.3, x.shape).astype(np.float32) for x in (train, held))
    clean = trained(convolutional(), noisy, train, epochs / 2).predict(seen)
    print(f"noise {np.square(seen - held).mean():.4f}, after denoising {np.square(clean - held).mean():.4f}")
    rows = np.concatenate([np.hstack(np.pad(x[:8, ..., 0], ((0, 0), (1, 1), (1, 1)))) for x in (seen, clean, held)])
    right.imshow(rows, cmap="gray_r", vmin=0, vmax=1)
    right.axis("off")
    save(figure, out)


if __name__ == "__main__":
    main(arguments(__file__, __doc__).parse_args().out)
