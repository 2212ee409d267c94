"""What is read from the text of a kernel file before g++ sees it."""

from __future__ import annotations

import pytest

from tests.cuda.cuda_rewrite import KernelHead, kernels_in

BODY = "scale(float* x, int n) { if (n) x[0] = 1; }"


@pytest.mark.parametrize(
    ("bounds", "most"),
    [
        ("", "1024"),
        ("__launch_bounds__(256)", "256"),
        ("__launch_bounds__((8 * 32), 2)", "(8 * 32)"),
        ("__launch_bounds__((16 / 2 * (64 / 4)), (2 * 4 < 64 ? (1 && sizeof(float) == ((4)) ? 2 : 1) : 1))",
         "(16 / 2 * (64 / 4))"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("order", ["void {}", "{} void"])
def test_a_kernel_is_found_with_its_bounds_however_deep_they_nest(bounds, most, order):
    text = f'extern "C" __global__ {order.format(bounds)}\n{BODY}'
    assert kernels_in(text) == [KernelHead("scale", most)]
