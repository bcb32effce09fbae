"""What is wrong with a module whatever it is shown: weights not loaded, dropout that never rests, a softmax inside."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from marey.errors import NetworkError
from marey.evaluation.declarations import Declaration
from marey.network.hooks import frozen
from marey.network.network import Network
from marey.network.probe import probe_clips
from marey.network.stream import Stream

_SIZES = (112, 128, 160, 224, 256)
_COUNTS = (1, 4, 5, 8, 10, 16, 32, 64)
_PASSES = 4
_CHANGED = 1e-4

NOT_RUNNING = "it does not run as declared"
"""How a fault begins under which nothing else can be asked."""


@dataclass(frozen=True)
class Fault:
    """What is likely wrong, how that shows, and what to write instead.

    about
        the part of the declaration, as "order of 'rgb'" or "classes".
    """

    about: str
    shows: str
    advice: str

    def __str__(self) -> str:
        return f"{self.about}: {self.shows}; {self.advice}"


def module_faults(network: Network) -> list[Fault]:
    """The faults that show without clips; NetworkError where the network runs under no declaration that was tried."""
    try:
        _ = network.layers
    except NetworkError as error:
        return [_not_running(network, error)]
    return [*_normalization(network.module), *_unrest(network), *_scores(network)]


def _not_running(network: Network, error: NetworkError) -> Fault:
    for declaration in _other_shapes(network.streams):
        other = Network(network.module, declaration.streams, call=network.call)
        try:
            _ = other.visits
        except NetworkError:
            continue
        about = f"{declaration.name} of '{declaration.stream}'"
        reason = (
            str(error).split(": ", 1)[-1].removesuffix(" Give it the streams, sizes and layouts that it was made for.")
        )
        return Fault(about, f"{NOT_RUNNING} ({reason.rstrip('.')})", f"it runs with {declaration.write}")
    raise error


def _other_shapes(streams: tuple[Stream, ...]) -> Iterator[Declaration]:
    """Declarations under which a network that does not run may run."""
    for stream in streams:
        for name, write, other in _shapes(stream):
            changed = tuple(other if one is stream else one for one in streams)
            yield Declaration(name, write, changed, stream.name)


def _shapes(stream: Stream) -> Iterator[tuple[str, str, Stream]]:
    for axis in ("t", "l"):
        other = stream.exchanged("c", axis)
        if other != stream:
            yield "layout", f'layout="{other.to_json()["layout"]}"', other
    if stream.kind == "rgb":
        other = replace(stream, order=None if stream.order == "gray" else "gray", mean=None, std=None)
        yield "order", f'order="{other.ordered}"', other
    if stream.windows is None:
        for count in _COUNTS:
            if count != stream.frames:
                yield "frames", f"{count} frames", replace(stream, times=tuple(range(count)))
    for size in _SIZES:
        if size != stream.height:
            yield "size", f"size={size}", stream.resized(size, size)


def _normalization(module: nn.Module) -> Iterator[Fault]:
    norms = [(name, part) for name, part in module.named_modules() if isinstance(part, _BatchNorm)]
    without = [name for name, part in norms if part.running_mean is None]
    if without:
        yield Fault(
            f"batch norm '{without[0]}'",
            f"{len(without)} of {len(norms)} keep no running statistics: scores depend on the clips beside",
            "make them with track_running_stats=True and load statistics that were trained",
        )
    fresh = [name for name, part in norms if part.running_mean is not None and _fresh(part)]
    if fresh:
        yield Fault(
            f"batch norm '{fresh[0]}'",
            f"{len(fresh)} of {len(norms)} have mean 0 and variance 1, as before any training",
            "load the trained weights, with their buffers (load_state_dict of the whole state)",
        )


def _fresh(part: _BatchNorm) -> bool:
    mean, variance = cast("Tensor", part.running_mean), cast("Tensor", part.running_var)
    return bool((mean == 0).all() and (variance == 1).all())


def _unrest(network: Network) -> Iterator[Fault]:
    """Whether the network gives the same twice in evaluation mode."""
    clip = {name: clips[:1] for name, clips in probe_clips(network.streams, network.device).items()}
    with torch.no_grad(), frozen(network.module):
        first, *again = (network.activations(clip, [_last(network)])[_last(network)] for _ in range(_PASSES))
    apart = max(float((first - other).abs().max()) for other in again)
    if apart > _CHANGED * float(first.abs().max().clamp_min(1e-12)):
        yield Fault(
            "evaluation mode",
            "it gives something else at every pass of the same clip although it is in evaluation mode",
            "let dropout follow the mode: nn.Dropout, or functional.dropout(..., training=self.training)",
        )


def _last(network: Network) -> str:
    return network.output if network.output in network.axes else list(network.axes)[-1]


def _scores(network: Network) -> Iterator[Fault]:
    """Whether class names and class scores fit each other, and scores come before the softmax."""
    if not network.classes:
        return
    repeated = {name for name in network.classes if network.classes.count(name) > 1}
    if repeated:
        yield Fault("classes", f"'{min(repeated)}' is there more than once", "give each class its own name")
    try:
        layer = network.scores
    except NetworkError:
        units = network.layers[network.output].units if network.output in network.layers else None
        given = f"it returns {units} scores" if units is not None else "no layer has as many units"
        yield Fault(
            "classes",
            f"{len(network.classes)} names are declared and {given}",
            f"give {units or 'as many'} names in the order of the scores, or name the layer with scores='...'",
        )
        return
    if layer in network.class_scores.squashed:
        before = Network(network.module, network.streams, classes=network.classes, call=network.call).class_scores.layer
        better = before is not None and before not in network.class_scores.squashed
        yield Fault(
            "scores",
            f"layer '{layer}' gives probabilities, after a softmax or sigmoid",
            f"write scores='{before}'"
            if better
            else "make the softmax a module of its own, or return scores before it",
        )
