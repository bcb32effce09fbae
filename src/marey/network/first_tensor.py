"""The tensor of a module's output, which may be a tuple, a mapping, or an object with logits."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor


def first_tensor(output: Any) -> Tensor | None:
    """The output itself, its `logits`, or else the first of its parts that is a tensor; None where none is."""
    if isinstance(output, Tensor):
        return output
    logits = output.get("logits") if isinstance(output, Mapping) else getattr(output, "logits", None)
    if isinstance(logits, Tensor):
        return logits
    parts = list(output.values()) if isinstance(output, Mapping) else output
    if isinstance(parts, Sequence):
        for part in parts:
            if isinstance(part, Tensor):
                return part
    return None
