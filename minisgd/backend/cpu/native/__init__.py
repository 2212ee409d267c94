"""The native executor: recorded programs run by a small C extension, which `build` compiles. Optional."""
