"""Work that this machine has no memory for is refused."""

from __future__ import annotations

from minisgd.errors import MemoryLimitError


def require_memory(needed: int) -> None:
    """Refuse work that needs more memory than there is.

    Raises:
        MemoryLimitError: If ``needed`` bytes are more than are available.
    """
    from minisgd.backend.cpu.host_memory import available_memory
    from minisgd.training.memory import format_bytes

    available, source = available_memory()
    if needed > available:
        raise MemoryLimitError(
            "memory of a step",
            expected=f"at most the {format_bytes(available)} that are available ({source})",
            got=format_bytes(needed),
            fix="use a smaller model or batch, or --memory-limit 1GiB for micro-batches",
        )
