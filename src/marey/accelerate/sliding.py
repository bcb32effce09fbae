"""How a convolution moves over its input."""

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

from torch import nn


class Sliding(NamedTuple):
    """Along each of the axes of the input."""

    padding: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int

    @classmethod
    def of(cls, part: nn.Conv2d | nn.Conv3d) -> "Sliding":
        """That of a convolution whose padding is in numbers."""
        assert not isinstance(part.padding, str)
        return cls(part.padding, part.stride, part.dilation, part.groups)

    @cache  # noqa: B019 -- plain numbers, few of them
    def turned(self, kernel: Sequence[int]) -> "Sliding | None":
        """Of the convolution with the turned kernel that gives this one's gradient; None where there is none."""
        padding = tuple(
            step * (size - 1) - edge for step, size, edge in zip(self.dilation, kernel, self.padding, strict=True)
        )
        if self.groups > 1 or max(self.stride) > 1 or min(padding) < 0:
            return None
        return Sliding(padding, self.stride, self.dilation, 1)

    def sizes(self, given: Sequence[int], kernel: Sequence[int]) -> tuple[int, ...]:
        """Of the answer."""
        axes = zip(given, kernel, self.padding, self.stride, self.dilation, strict=True)
        return tuple((size + 2 * edge - gap * (side - 1) - 1) // step + 1 for size, side, edge, step, gap in axes)
