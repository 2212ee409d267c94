"""The kernels of whole layers and losses: their arguments, the sets of macros they are built with, their launches."""
