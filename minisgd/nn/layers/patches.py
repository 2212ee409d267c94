"""Images as patches and back, which convolution and its transpose share (unfold and fold in PyTorch)."""

from __future__ import annotations

from math import prod

from minisgd.backend import Ops
from minisgd.nn.layer import Layer
from minisgd.nn.layers.windows import Pair, offsets, strided
from minisgd.nn.shapes import reshaped
from minisgd.typing import Array


class Patches(Layer):
    """A layer with a patch of K·K pixels for every position of its window.

    patches (…, B, OH, OW, K, K, C)   U the same as rows, (…, B·OH·OW, K·K·C)
    """

    kernel: Pair
    stride: Pair
    padding: Pair
    patches: Array

    def unfold(self, ops: Ops, image: Array) -> Array:
        """Return U, the patches of an image (…, B, H, W, C) that has its padding."""
        ops.copy(ops.windows(image, self.kernel, self.stride), out=self.patches)
        return self.as_rows(self.patches)

    def fold(self, ops: Ops, patches: Array, image: Array) -> None:
        """Let every pixel be the sum of the patches over it.  image (…, B, H, W, C), with its padding"""
        ops.fill(0.0, out=image)
        for i, j in offsets(self.kernel):
            pixels = image[strided(i, j, self.stride, patches.shape[-5:-3])]
            ops.add(pixels, patches[..., i, j, :], out=pixels)

    def as_rows(self, patches: Array) -> Array:
        """Return patches as U."""
        return reshaped(patches, (*self.lead, -1, prod(patches.shape[-3:])))

    def interior(self, image: Array) -> Array:
        """Return images (…, B, H + 2P, W + 2P, C) without their padding, a view."""
        (ph, pw), (h, w) = self.padding, image.shape[-3:-1]
        return image[..., ph : h - ph, pw : w - pw, :]
