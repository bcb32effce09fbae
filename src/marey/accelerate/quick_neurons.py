"""One neuron of a convolution for every clip: its weights times what it sees, and nothing of all other neurons."""

from dataclasses import dataclass
from types import EllipsisType

import torch
from torch import Tensor

from marey.accelerate.sliding import Sliding
from marey.network.hooks import FORMATS


@dataclass(frozen=True)
class QuickNeurons:
    """Those at the same place of a convolution's answer, of every clip the one of its own channel.

    window
        of the input, which they see.
    weights
        in fp32 (clip value), of what is in the window, in the order of channels-last maps.
    index, shape
        of the answer: a tensor for each of its axes, and its size.
    """

    window: tuple[slice | EllipsisType, ...]
    weights: Tensor
    bias: Tensor | None
    index: tuple[Tensor, ...]
    shape: tuple[int, ...]

    @classmethod
    def of(
        cls, index: Tensor, given: torch.Size, sliding: Sliding, weight: Tensor, bias: Tensor | None
    ) -> "QuickNeurons":
        """The neurons at `index` (clip, 2 + axes: clip, channel, place) of a convolution of maps of this shape."""
        channels, places = index[:, 1], index[0, 2:].tolist()
        window: list[slice] = []
        part: list[slice] = []
        for axis, place in enumerate(places):
            step = sliding.dilation[axis]
            start = place * sliding.stride[axis] - sliding.padding[axis]
            first = max(0, -(start // step))
            stop = max(first, min(weight.shape[2 + axis], -((start - given[2 + axis]) // step)))
            window.append(slice(start + first * step, max(start + first * step, start + (stop - 1) * step + 1), step))
            part.append(slice(first, stop))
        chosen = weight[channels][(slice(None), slice(None), *part)].movedim(1, -1).flatten(1)
        shape = (given[0], len(weight), *sliding.sizes(given[2:], weight.shape[2:]))
        own = None if bias is None else bias[channels].float()
        return cls((..., *window), chosen.float().contiguous(), own, tuple(index.unbind(1)), shape)

    def answer(self, given: Tensor, *, relu: bool) -> Tensor:
        """The convolution's answer, with zeros for all that is not asked for."""
        seen = given[self.window].movedim(1, -1).flatten(1)
        values = (self.weights * seen).sum(1)
        if self.bias is not None:
            values += self.bias
        maps = given.new_zeros(self.shape)
        maps[self.index] = (values.relu_() if relu else values).to(given.dtype)
        return maps

    def gradient(self, gradient: Tensor, given: torch.Size) -> Tensor:
        """With respect to the input, of this shape, of what has `gradient` with respect to the answer without ReLU."""
        of_seen = self.weights * gradient[self.index].unsqueeze(1)
        whole = torch.zeros(given, dtype=gradient.dtype).contiguous(memory_format=FORMATS[len(given)])
        part = whole[self.window].movedim(1, -1)
        part.copy_(of_seen.view(part.shape))
        return whole
