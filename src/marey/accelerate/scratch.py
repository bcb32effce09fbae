"""Memory that is used again at every step: asking the system for it anew takes longer than using it."""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

_AT_ONCE = 1 << 22
"""Values in one pass on a processor: few passes wake its threads less often than many, but need more memory."""


class Scratch:
    """Tensors by shape and purpose; each holds what was last written until it is asked for again."""

    def __init__(self) -> None:
        self._kept: dict[tuple[Any, ...], Tensor] = {}

    def empty(self, shape: Sequence[int], like: Tensor, purpose: str, dtype: torch.dtype | None = None) -> Tensor:
        """Contiguous memory on the device of `like`, and where no `dtype` is given of its type."""
        kind = like.dtype if dtype is None else dtype
        key = (*shape, kind, purpose, like.device)
        found = self._kept.get(key)
        if found is None:
            found = self._kept[key] = torch.empty(tuple(shape), dtype=kind, device=like.device)
        return found

    def rounded(self, given: Tensor, dtype: torch.dtype) -> Tensor:
        """`given` in `dtype`, contiguous; itself where it is."""
        if given.dtype == dtype and given.is_contiguous():
            return given
        return self.empty(given.shape, given, "copy", dtype).copy_(given)

    def product(self, a: Tensor, b: Tensor, purpose: str = "product") -> Tensor:
        """The product of matrices, or of two stacks of them."""
        return torch.matmul(a, b, out=self.empty((*a.shape[:-1], b.shape[-1]), a, purpose))


def few_at_a_time(clips: Tensor) -> Iterator[slice]:
    """The clips in parts, all on an accelerator."""
    count = len(clips)
    if clips.device.type == "cpu":
        count = max(1, _AT_ONCE // clips[0].numel())
    return (slice(start, start + count) for start in range(0, len(clips), count))
