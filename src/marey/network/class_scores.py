"""Which layer gives the class scores: the last one before a softmax or sigmoid, by the operations and values of a pass.

Probabilities saturate, and a unit that is maximized behind a softmax lowers the other classes instead.
"""

import re
from collections.abc import Collection, Iterable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.weak import WeakTensorKeyDictionary

from marey.network.axes import Axes
from marey.network.footprints.call import tensors_in
from marey.network.hooks import observed
from marey.network.layer import Layer
from marey.network.visit import Run

_OVER_AN_AXIS = {"_softmax", "softmax", "_log_softmax", "log_softmax", "_safe_softmax"}
_OF_EACH = {"sigmoid", "special_expit", "log_sigmoid_forward", "log_sigmoid", "hardsigmoid", "exp"}
_PRODUCT = re.compile(
    r"(add|bad|b)*m[mv]|matmul|(bi)?linear(_dynamic)?|einsum|dot|.*conv(olution|\dd).*|.*attention.*|.*encoder_layer.*"
    r"|lstm|gru|rnn_.*|.*rnn_layer|_addmm_activation"
)
"""Names of operations that mix what they are given by weights, so that squashing before them does not count."""

_CLOSE = 1e-4
"""How far probabilities may add up to something else than one, by rounding."""


@dataclass(frozen=True)
class _Trace:
    """How a tensor comes from the input since the last product.

    squashed
        whether all that it was made of went through a softmax or its like.
    alone
        layers of which it is a function alone: of tensors that are put together, those that all of them come from.
    layers
        all layers that it comes from.
    """

    squashed: bool = False
    alone: frozenset[str] = frozenset()
    layers: frozenset[str] = frozenset()


class _Following(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """While inside, every tensor that comes from an input has its trace; nothing is kept alive."""

    def __init__(self, inputs: Iterable[Tensor], count: int | None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._count = count
        self._traces: MutableMapping[Tensor, _Trace] = WeakTensorKeyDictionary()
        self.multiplied: set[str] = set()
        for tensor in inputs:
            self._traces[tensor] = _Trace()

    def of(self, tensor: Tensor) -> _Trace:
        """The trace of a tensor; an empty one, if it does not come from an input."""
        return self._traces.get(tensor, _Trace())

    def mark(self, tensor: Tensor, layer: str) -> None:
        """Note that a layer gave the tensor."""
        trace = self.of(tensor)
        self._traces[tensor] = _Trace(trace.squashed, trace.alone | {layer}, trace.layers | {layer})

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = {} if kwargs is None else kwargs
        given = tensors_in([args, list(kwargs.values())])
        before = [self._traces[tensor] for tensor in given if tensor in self._traces]
        first = given[0].shape if given else ()
        output = func(*args, **kwargs)
        if before:
            name = func._schema.name.split("::")[-1]
            trace = self._trace(name if name in _OVER_AN_AXIS else name.rstrip("_"), before, first, args)
            named = zip((one.name for one in func._schema.arguments), args, strict=False)
            values = dict(named) | kwargs
            written = [one.name for one in func._schema.arguments if one.alias_info and one.alias_info.is_write]
            for tensor in tensors_in([output, *(values.get(one) for one in written)]):
                self._traces[tensor] = trace
        return output

    def _trace(self, name: str, before: list[_Trace], shape: tuple[int, ...], args: tuple[Any, ...]) -> _Trace:
        layers = frozenset[str]().union(*(trace.layers for trace in before))
        if _PRODUCT.fullmatch(name):
            self.multiplied |= layers
            return _Trace()
        squashed = all(trace.squashed for trace in before)
        if name in _OVER_AN_AXIS and len(args) > 1:
            squashed |= self._count in (None, shape[args[1]])
        elif name in _OF_EACH:
            squashed |= self._count is None or self._count in shape
        return _Trace(squashed, frozenset.intersection(*(trace.alone for trace in before)), layers)


@dataclass(frozen=True)
class ClassScores:
    """The layer of the class scores, and what else might be.

    layer
        None where no layer has one unit for each class.
    others
        heads that fit as well, and that the layer is no function of.
    """

    layer: str | None
    others: tuple[str, ...] = ()
    squashed: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Layers that give probabilities, in the order of the pass, with the layers that they come from."""

    @property
    def doubt(self) -> str:
        """What must be said where other heads fit."""
        names = ", ".join(f"'{name}'" for name in self.others)
        return (
            f"class scores are those of '{self.layer}', but {names} {'fits' if len(self.others) == 1 else 'fit'} as "
            "well; name the right one with scores='...'."
        )

    def probabilities_of(self, scores: str) -> str | None:
        """The last layer that gives the probabilities that belong to the layer `scores`, maybe itself, if any does."""
        found = [name for name, layers in self.squashed.items() if name == scores or scores in layers]
        return found[-1] if found else None


def probabilities(squashed: Tensor) -> Tensor:
    """Probabilities (clip class), means over places, of what a softmax, its logarithm or a sigmoid gave as a volume.

    >>> probabilities(torch.full((1, 2, 1, 1, 1), 0.5).log())
    tensor([[0.5000, 0.5000]])
    """
    values = squashed.float()
    return (values.exp() if bool((values <= 0).all()) else values).mean((2, 3, 4))


def class_scores(
    run: Run,
    inputs: Mapping[str, Tensor],
    layers: Mapping[str, Layer],
    parts: Mapping[str, nn.Module],
    *,
    classes: int,
    output: str,
    axes: Mapping[str, Axes],
) -> ClassScores:
    """The class scores of a network, found in one pass over `inputs`, one clip of noise in every stream.

    Of `layers` with a unit for each class the network's `output` decides, under the name of a layer that gives the same
    values; where it comes after a softmax, log-softmax or sigmoid, the last layer before that of which it is a function
    alone; otherwise the last layer with a single position. `classes` 0: as many as the output has units. `parts` are
    the modules of the layers, and `axes` say how what they return lies.
    """
    count = classes or (layers[output].units if output in layers else None)
    fitting = {
        name: layer
        for name, layer in layers.items()
        if layer.units == count or (count is None and layer.positions == (1, 1, 1))
    }
    following = _Following(inputs.values(), count)
    traces: dict[str, _Trace] = {}
    outputs: dict[str, list[Tensor]] = {}

    def note(name: str, tensor: Tensor) -> None:
        traces.setdefault(name, following.of(tensor))
        following.mark(tensor, name)
        outputs.setdefault(name, []).append(tensor.detach().clone())

    with torch.no_grad(), observed({name: parts[name] for name in fitting}, note), following:
        run(inputs)
    values = {
        name: axes[name].volume([calls[number] for number in axes[name].read], 1).float()
        for name, calls in outputs.items()
    }
    return _chosen(fitting, traces, values, following.multiplied, output)


def _chosen(
    fitting: Mapping[str, Layer],
    traces: Mapping[str, _Trace],
    values: Mapping[str, Tensor],
    multiplied: Collection[str],
    output: str,
) -> ClassScores:
    """The choice among layers with a unit for each class, in the order of their calls."""
    squashed = {name: trace.alone for name, trace in traces.items() if trace.squashed or _sums_to_one(values[name])}
    ends = [name for name in traces if name not in squashed and name not in multiplied]
    single = [name for name in traces if fitting[name].positions == (1, 1, 1)]
    before = [name for name in single if name not in squashed]
    heads = [name for name in ends if name in single]
    own = traces.get(output)
    if own is None:
        chosen = next(reversed(heads or before or single), None)
    elif output in squashed:
        behind = [name for name in traces if name in own.alone and name not in squashed]
        chosen = (behind or heads or [output])[-1]
    else:  # the layer before it in the order of calls, where one gives the same
        chosen = [name for name in traces if _equal(values[name], values[output])][-2:][0]
    if chosen is None:
        return ClassScores(None)
    others: list[str] = []
    for name in ends:
        related = name in traces[chosen].layers or chosen in traces[name].layers
        if not related and not any(_equal(values[name], values[other]) for other in (chosen, *others)):
            others.append(name)
    if others:  # by the name of the head itself, as a container gives the first of its heads, too
        chosen = next(name for name in traces if _equal(values[name], values[chosen]))
    return ClassScores(chosen, tuple(others), squashed)


def _sums_to_one(values: Tensor) -> bool:
    """Whether the units of every position are probabilities, or their logarithms."""
    if values.shape[1] < 2 or not bool(torch.isfinite(values).all()) or float(values.std(1).max()) == 0:
        return False
    total = values.sum(1) if bool((values >= 0).all()) else values.exp().sum(1)
    return bool((total - 1).abs().max() < _CLOSE)


def _equal(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and torch.allclose(one, other, rtol=1e-5, atol=1e-6, equal_nan=True)
