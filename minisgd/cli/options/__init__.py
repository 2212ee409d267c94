"""Options that several commands share, and what they stand for."""

from __future__ import annotations

from minisgd.cli.options.declared import (
    add_allow,
    add_common,
    add_data,
    add_example,
    add_header,
    add_learning_rate,
    add_loss,
    add_model,
    add_optimizer,
)
from minisgd.cli.options.understood import (
    batch_size,
    data_if_given,
    fixed_batch_size,
    load_data,
    load_model,
    make_loss,
    make_optimizer,
    make_schedule,
    settle_device,
)

__all__ = [
    "add_allow",
    "add_common",
    "add_data",
    "add_example",
    "add_header",
    "add_learning_rate",
    "add_loss",
    "add_model",
    "add_optimizer",
    "batch_size",
    "data_if_given",
    "fixed_batch_size",
    "load_data",
    "load_model",
    "make_loss",
    "make_optimizer",
    "make_schedule",
    "settle_device",
]
