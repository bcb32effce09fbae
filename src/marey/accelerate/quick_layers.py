"""Convolutions whose weights stay as they are, as maximizations run them on a processor.

torch brings the weights of a convolution into the order that the processor wants in every pass, forward and backward.
Here that is done once, and the batch normalization, ReLU and, with compiled loops, max pooling after a convolution are
part of it, so that fewer maps are written and read. Convolutions one after the other are a chain, which autograd sees
as one. Values differ by rounding, but where a network makes NaN: this ReLU gives 0 for it.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.utils.fusion import fuse_conv_bn_weights

from marey.accelerate.blocks import Block
from marey.accelerate.compiled import compiled, shared
from marey.accelerate.pool_loops import pool, spread
from marey.accelerate.quick_neurons import QuickNeurons
from marey.accelerate.sliding import Sliding
from marey.network.hooks import FORMATS, sharing_copy

_FEW, _FEW_CHANNELS = 64, 4
"""Pixels of a single clip up to which torch's own fp32 convolutions are faster; input channels, for the gradient."""

_SIDE = 15
"""Of windows, at most: which of its places holds the largest value is kept in a byte."""


def quick_layers_run() -> bool:
    """Whether this torch has the operators: those with which it runs frozen graphs on a processor."""
    return torch._C._has_mkldnn and hasattr(torch.ops.mkldnn, "_convolution_pointwise")


def quick_copy(module: nn.Module, blocks: Sequence[Block], weights: nn.Module, *, chained: bool = True) -> nn.Module:
    """A copy of `module` that shares its weights and computes every block at once, and where `chained` every chain.

    Those of blocks come from `weights`: `module` itself, or what it is a copy of in another type, so that they are
    rounded once. The first convolution of a chain gives what its last block does, the others what they are given.
    """
    twin = sharing_copy(module)
    room = _Room()
    chains: dict[str | None, list[_Link]] = {}  # that may go on, by their last convolution
    for block in blocks:
        part = twin.get_submodule(block.convolution)
        if not isinstance(part, nn.Conv2d | nn.Conv3d) or part.padding_mode != "zeros" or isinstance(part.padding, str):
            continue
        part.__class__ = QuickConv2d if isinstance(part, nn.Conv2d) else QuickConv3d
        link = _Link(part, _Weights(block, weights, part.weight.dtype, room))
        pooled = link.weights.pool is not None
        for name in (block.normalization, block.relu, block.pool if pooled else None):
            if name is not None:
                twin.get_submodule(name).__class__ = _Passed
        chain = chains.get(block.before, [])
        part.__dict__["chain"] = [] if chain else chain
        chain.append(link)
        if chained and (pooled or block.pool is None):
            chains[block.convolution] = chain
    return twin


@contextmanager
def neurons_alone(module: nn.Module, layer: str, index: Tensor) -> Iterator[None]:
    """While inside, a quick convolution with which `layer` ends computes no more of each clip than a neuron.

    `index` says which, in the layer's output: clip, channel, and a place that is the same for all. All others give 0.
    Nothing is left out of a layer that is no such convolution, or of maps in other numbers than the clips.
    """
    parts = (part for part in module.modules() if isinstance(part, _Chained))
    ends = [part.chain[-1].weights for part in parts if part.chain and part.chain[-1].weights.layer == layer]
    try:
        for weights in ends:
            weights.ask(index)
        yield
    finally:
        for weights in ends:
            weights.ask(None)


class _Passed(nn.Identity):
    """A part whose work another one does; calling it costs next to nothing."""

    def __call__(self, given: Tensor) -> Any:
        """What is given."""
        return super().__call__(given) if _hooked(self) else given


def _hooked(part: nn.Module) -> bool:
    return bool(part._forward_hooks or part._forward_pre_hooks)


class _Chained(nn.Module):
    """A convolution and what follows it in its chain."""

    chain: "list[_Link]"

    def __call__(self, given: Tensor) -> Any:
        """As of any module; within a chain that nobody hooks what is given."""
        return super().__call__(given) if self.chain or _hooked(self) else given

    def forward(self, input: Tensor) -> Tensor:
        """The chain's answer; of a convolution within one, the input."""
        return _answer(self.chain, input)


class QuickConv2d(_Chained, nn.Conv2d):
    """Of maps (clip channel height width)."""


class QuickConv3d(_Chained, nn.Conv3d):
    """Of volumes (clip channel time height width)."""


class _Link(NamedTuple):
    """A block of a chain: the module that says how its convolution moves, and its weights."""

    part: nn.Conv2d | nn.Conv3d
    weights: "_Weights"


def _answer(chain: Sequence[_Link], given: Tensor) -> Tensor:
    if not chain:
        return given
    found: Tensor = _Chain.apply(given, [(weights, Sliding.of(part)) for part, weights in chain])  # type: ignore[no-untyped-call]
    return found


class _Weights:
    """Those of a block: as they are, and in the order that the processor wants for the shape seen last."""

    def __init__(self, block: Block, module: nn.Module, dtype: torch.dtype, room: "_Room") -> None:
        source: Any = module.get_submodule(block.convolution)
        weight, bias = source.weight, source.bias
        if block.normalization is not None:
            norm: Any = module.get_submodule(block.normalization)
            weight, bias = fuse_conv_bn_weights(
                weight, bias, norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias
            )
        self.weight = weight.detach().to(dtype)
        self.bias = None if bias is None else bias.detach().to(dtype)
        self.relu = block.relu is not None
        self.layer = block.relu or block.normalization or block.convolution
        self._asked: Tensor | None = None
        self._neurons: tuple[object, QuickNeurons] | None = None
        self.room = room
        self.pool = None
        if block.pool is not None and dtype in (torch.float32, torch.bfloat16):
            self.pool = _pool_of(module.get_submodule(block.pool))
        self._ordered: dict[bool, tuple[object, Tensor]] = {}

    def ask(self, index: Tensor | None) -> None:
        """Compute no more than a neuron of every clip, the one at its `index` (clip, 5), or again everything."""
        self._asked, self._neurons = index, None

    def _alone(self, given: torch.Size, sliding: Sliding) -> QuickNeurons | None:
        """The neurons that are asked for, where what is given are the maps of clips."""
        if self._asked is None or len(self._asked) != given[0] or sliding.groups > 1:
            return None
        if self._neurons is None or self._neurons[0] != (given, sliding):
            index = self._asked if len(given) == 5 else self._asked[:, [0, 1, 3, 4]]
            self._neurons = (given, sliding), QuickNeurons.of(index, given, sliding, self.weight, self.bias)
        return self._neurons[1]

    def answer(self, given: Tensor, sliding: Sliding) -> Tensor:
        """Of the block to `given`, without its pooling."""
        neurons = self._alone(given.shape, sliding)
        if neurons is not None:
            return neurons.answer(given, relu=self.relu)
        if _few(given.shape, given.dtype):
            maps = torch.convolution(given, self.weight, self.bias, *_in_torch(sliding))
            return maps.relu_() if self.relu else maps
        return self._run(given, sliding, turned=False)

    def gradient(self, gradient: Tensor, shape: torch.Size, sliding: Sliding) -> Tensor:
        """With respect to the input, of this shape, of what has `gradient` with respect to the answer without ReLU."""
        neurons = self._alone(shape, sliding)
        if neurons is not None:
            return neurons.gradient(gradient, shape)
        turned = sliding.turned(self.weight.shape[2:])
        few = _few(shape, gradient.dtype, channels=shape[1])
        if turned is not None and not few:
            return self._run(gradient, turned, turned=True)
        layout = FORMATS[len(shape)]
        given = torch.empty(shape, dtype=gradient.dtype, memory_format=layout)  # of which only the shape is asked
        found: Tensor = torch.ops.aten.convolution_backward.default(
            gradient, given, self.weight, None, *_in_torch(sliding), [True, False, False]
        )[0]
        return found

    def _run(self, given: Tensor, sliding: Sliding, *, turned: bool) -> Tensor:
        given = given.contiguous(memory_format=FORMATS[given.dim()])
        padding, stride, dilation, groups = sliding
        case = (given.shape, padding)
        known, ordered = self._ordered.get(turned, (None, self.weight))
        if known != case:
            weight = self.weight.flip(*range(2, given.dim())).transpose(0, 1) if turned else self.weight
            order: Any = getattr(torch._C._nn, f"mkldnn_reorder_conv{given.dim() - 2}d_weight")
            ordered = order(weight.contiguous().to_mkldnn(), padding, stride, dilation, groups, list(given.shape))
            self._ordered[turned] = (case, ordered)
        bias, then = (None, "none") if turned else (self.bias, "relu" if self.relu else "none")
        found: Tensor = torch.ops.mkldnn._convolution_pointwise.default(
            given, ordered, bias, padding, stride, dilation, groups, then, [], ""
        )
        return found


def _few(shape: torch.Size, dtype: torch.dtype, *, channels: float = math.inf) -> bool:
    """Whether torch's own convolution of an input of this shape is faster, or its gradient with so many channels."""
    single = dtype == torch.float32 and shape[0] == 1
    return single and (math.prod(shape[2:]) <= _FEW or channels <= _FEW_CHANNELS)


def _in_torch(sliding: Sliding) -> tuple[Any, ...]:
    """What `torch.convolution` takes after the bias."""
    padding, stride, dilation, groups = sliding
    return stride, padding, dilation, False, (0,) * len(padding), groups


class _Room:
    """Memory for the maps of one layer at a time, which is used again for those of others."""

    def __init__(self) -> None:
        self._held = torch.empty(0, dtype=torch.uint8)
        self._maps: dict[tuple[torch.Size, torch.dtype], Tensor] = {}

    def maps(self, shape: torch.Size, dtype: torch.dtype) -> Tensor:
        """Channels last; what was here before is lost."""
        found = self._maps.get((shape, dtype))
        if found is not None:
            return found
        size = math.prod(shape) * dtype.itemsize
        if len(self._held) < size:
            self._held = torch.empty(size, dtype=torch.uint8)
            self._maps.clear()
        clips, channels, *places = shape
        maps = self._maps[shape, dtype] = self._held[:size].view(dtype).view(clips, *places, channels).movedim(-1, 1)
        return maps


@dataclass(frozen=True)
class _Pool:
    """Max pooling over windows side by side, of maps that no value is below 0, by compiled loops."""

    side: int
    pool: Callable[..., Any]
    spread: Callable[..., Any]

    def answer(self, maps: Tensor) -> tuple[Tensor, Tensor]:
        """The pooled maps, and which place of its window each value comes from."""
        clips, channels, rows, columns = maps.shape
        shape = (clips, channels, rows // self.side, columns // self.side)
        pooled = torch.empty(shape, dtype=maps.dtype, memory_format=torch.channels_last)
        which = torch.empty(shape, dtype=torch.uint8, memory_format=torch.channels_last)
        arrays = _array(maps), self.side, _array(pooled), _array(which)
        shared(lambda *span: self.pool(*arrays, span), clips * shape[2], maps.numel())
        return pooled, which

    def gradient(self, gradient: Tensor, which: Tensor, maps: Tensor) -> Tensor:
        """That of the maps before the ReLU, written into `maps`."""
        gradient = gradient.contiguous(memory_format=torch.channels_last)
        arrays = _array(gradient), _array(which), self.side, _array(maps)
        shared(lambda *span: self.spread(*arrays, span), len(gradient) * gradient.shape[2], maps.numel())
        return maps


def _array(maps: Tensor) -> NDArray[Any]:
    """Maps (clip channel row column) that lie channels last, as the loops take them."""
    maps = maps.permute(0, 2, 3, 1)
    found: NDArray[Any] = (maps.view(torch.int16) if maps.dtype == torch.bfloat16 else maps).numpy()
    return found


def _pool_of(part: nn.Module) -> _Pool | None:
    """What does the same as a pooling module; None where it does more, or nothing compiles loops."""
    forward, backward = compiled(pool), compiled(spread)
    assert isinstance(part, nn.MaxPool2d)
    sides = {*_pair(part.kernel_size), *_pair(part.stride)}
    plain = not any(_pair(part.padding)) and {*_pair(part.dilation)} == {1} and not part.ceil_mode
    if forward is None or backward is None or len(sides) > 1 or max(sides) > _SIDE or not plain or part.return_indices:
        return None
    return _Pool(sides.pop(), forward, backward)


def _pair(value: int | tuple[int, ...]) -> tuple[int, ...]:
    return value if isinstance(value, tuple) else (value, value)


class _Chain(torch.autograd.Function):
    """The blocks of a chain, one after the other."""

    @staticmethod
    def forward(ctx: Any, given: Tensor, chain: Sequence[tuple[_Weights, Sliding]]) -> Tensor:
        ctx.chain, ctx.shapes, kept = chain, [], []
        for quick, sliding in chain:
            made = quick.answer(given, sliding)
            ctx.shapes.append((given.shape, made.shape))
            if quick.pool is None:
                given = made
                kept.append(made if quick.relu else None)
            else:
                given, which = quick.pool.answer(made)
                kept.append(which)
        ctx.save_for_backward(*kept)
        return given

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        steps = zip(ctx.chain, ctx.shapes, ctx.saved_tensors, strict=True)
        for (quick, sliding), (given, made), kept in reversed(list(steps)):
            maps = quick.room.maps(made, gradient.dtype)
            if quick.pool is not None:
                gradient = quick.pool.gradient(gradient, kept, maps)
            elif quick.relu:
                gradient = torch.ops.aten.threshold_backward.grad_input(gradient, kept, 0, grad_input=maps)
            gradient = quick.gradient(gradient, given, sliding)
        return gradient, None
