"""The kernels by family: how each is declared, tiled and launched on arrays.

One file per .cu file. A family is a class made from a `KernelLibrary`; its methods take arrays and launch, and
write where they are told to. Nothing here allocates, and nothing knows which device it is on.
"""

from __future__ import annotations
