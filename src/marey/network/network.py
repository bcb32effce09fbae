"""A trained module together with what marey must know of it: its streams, classes and layers."""

import warnings
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from marey.errors import MareyWarning, NetworkError, did_you_mean
from marey.network.as_written import as_written
from marey.network.axes import Axes, one_by_one
from marey.network.class_scores import ClassScores, class_scores
from marey.network.hooks import calls_of, frozen
from marey.network.layer import Layer, layer_of, within
from marey.network.maxima import Maxima
from marey.network.original import original
from marey.network.parts import hooked_parts, listed_name, output_name, part_of
from marey.network.probe import Probe, probe_clips, probed
from marey.network.stream import Stream
from marey.network.unit import Unit, expand
from marey.network.visit import Visit, does_not_run, visited_calls
from marey.network.weights_hash import weights_hash

Call = Literal["arguments", "list", "dict", "keywords"]

_FAILS = (RuntimeError, ValueError, TypeError, IndexError, AssertionError)
"""What modules raise for tensors that they were not made for."""


class Network:
    """Any `nn.Module` with its streams: nothing in it is copied or changed.

    module
        takes the streams' tensors in order as arguments, as one list, as one dict by stream name, or as keywords
        (`call`). Of a compiled module the one it was made from is used. A module with `skips_absent_streams = True` may
        be given None for a stream that the layers asked for do not see.
    streams
        what the network is shown, see `Stream`; RGB-only, flow-only, two-stream and two-rate networks are one case.
    classes
        names of the class scores, in order.
    scores
        path of the layer that gives the class scores before softmax; None: found in one pass, see `class_scores`.
    maxima
        what its units respond to clips, as its file says, see `Maxima`; None: not known.

    >>> network = Network(nn.Sequential(nn.Conv3d(3, 8, 3)), [Stream("rgb", "rgb", (0, 1, 2), 16, 16)])
    >>> network.layer("0").shape
    (8, 1, 14, 14)
    """

    def __init__(
        self,
        module: nn.Module,
        streams: Sequence[Stream],
        *,
        classes: Sequence[str] = (),
        scores: str | None = None,
        call: Call = "arguments",
        name: str | None = None,
        maxima: Maxima | None = None,
    ) -> None:
        if not streams:
            raise NetworkError("a network needs at least one stream, got none. See marey.Stream.")
        names = [stream.name for stream in streams]
        if len(set(names)) != len(names):
            raise NetworkError(f"stream names must differ, got {names}.")
        if call not in get_args(Call):
            raise NetworkError(f"call is '{call}'; expected one of {', '.join(get_args(Call))}.")
        self.module = original(module)
        self.streams = tuple(streams)
        self.classes = tuple(classes)
        self.call: Call = call
        self.name = name if name is not None else type(self.module).__name__
        self.maxima = maxima
        self._scores = scores
        self._deepest: str | None = None

    def stream(self, name: str) -> Stream:
        """The stream called `name`; NetworkError when there is none."""
        for stream in self.streams:
            if stream.name == name:
                return stream
        names = [stream.name for stream in self.streams]
        raise NetworkError(f"no stream '{name}' in {self.name}; it has {', '.join(names)}.{did_you_mean(name, names)}")

    def _repr_html_(self) -> str:
        """What notebooks show: streams, classes and layers."""
        from marey.draw.shown_html import network_html

        return network_html(self)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        weight = next(self.module.parameters(), None)
        return torch.device("cpu") if weight is None else weight.device

    @property
    def dtype(self) -> torch.dtype:
        """The floating-point type of the weights."""
        weight = next(self.module.parameters(), None)
        return torch.float32 if weight is None else weight.dtype

    def rest(
        self, clips: int = 1, *, seen: Collection[str] | None = None, besides: Collection[str] = ()
    ) -> dict[str, Tensor | None]:
        """Inputs that show nothing, gray and no motion, of all streams `besides` those named.

        With `seen`, the streams outside it are None where the module can do without (`skips_absent_streams`).
        """
        skip = seen is not None and getattr(self.module, "skips_absent_streams", False) is True
        return {
            stream.name: None
            if skip and seen is not None and stream.name not in seen
            else torch.full((clips, *stream.shape), stream.rest, device=self.device)
            for stream in self.streams
            if stream.name not in besides
        }

    def forward(self, inputs: Mapping[str, Tensor | None], *, module: nn.Module | None = None) -> object:
        """The network's output for physical inputs {stream: (clip, channel, time, height, width)}.

        `module` stands in for the network's own, as a copy in another arithmetic does.
        """
        for name in inputs:
            self.stream(name)
        absent = [stream.name for stream in self.streams if stream.name not in inputs]
        if absent:
            raise NetworkError(f"{self.name} needs the stream '{absent[0]}', got {', '.join(inputs) or 'none'}.")
        run = self.module if module is None else module
        weight = next(run.parameters(), None)
        dtype = None if weight is None else weight.dtype
        values: list[Tensor | None] = []
        for stream in self.streams:
            given = inputs[stream.name]
            values.append(None if given is None else stream.to_network(given, dtype=dtype))
        named = {stream.name: value for stream, value in zip(self.streams, values, strict=True)}
        with as_written():
            if self.call == "list":
                return run(values)
            if self.call == "dict":
                return run(named)
            if self.call == "keywords":
                return run(**named)
            return run(*values)

    def activations(
        self, inputs: Mapping[str, Tensor | None], layers: Iterable[str], *, module: nn.Module | None = None
    ) -> dict[str, Tensor]:
        """The outputs of `layers` as (clip, channel, time, height, width); nothing deeper than the last runs."""
        asked = {layer: self.usable(layer) for layer in layers}
        axes = {name: self.axes[name] for name in asked.values()}
        clips = next(value.shape[0] for value in inputs.values() if value is not None)
        if clips > 1 and any(one.alone for one in axes.values()):
            parts = [self.activations(part, asked, module=module) for part in one_by_one(inputs, clips)]
            return {layer: torch.cat([part[layer] for part in parts]) for layer in asked}
        modules = {name: self.part(name, module=module) for name in axes}
        read = {name: one.read for name, one in axes.items()}
        outputs = calls_of(lambda: self.forward(inputs, module=module), modules, read)
        return {layer: axes[name].volume(outputs[name], clips) for layer, name in asked.items()}

    @cached_property
    def output(self) -> str:
        """The name under which what the network returns is a layer, see `output_name`."""
        return output_name(self.module)

    @cached_property
    def parts(self) -> Mapping[str, nn.Module]:
        """All modules that hooks can see, by the names of their layers, the whole network last."""
        return hooked_parts(self.module) | {self.output: self.module}

    def part(self, layer: str, *, module: nn.Module | None = None) -> nn.Module:
        """The module that gives a layer; of `module` that stands in for the network's own."""
        root = self.module if module is None else module
        return root if layer == self.output else part_of(root, layer)

    def layer_name(self, layer: str) -> str:
        """The name under which the network lists `layer`; NetworkError with near matches where it has none."""
        parts = self.parts
        name = layer if layer in parts else listed_name(self.module, layer, parts)
        if name is None:
            near = did_you_mean(layer, parts)
            raise NetworkError(f"no layer '{layer}' in {self.name}.{near} `marey layers` lists them.")
        return name

    @cached_property
    def visits(self) -> dict[str, list[Visit]]:
        """Every call of every layer, in one forward pass of one clip."""
        try:
            with frozen(self.module):
                first = {name: clip[:1] for name, clip in probe_clips(self.streams, self.device).items()}
                return visited_calls(self.run, first, self.parts)
        except (*_FAILS, MemoryError) as error:
            raise does_not_run(error, self.name, self.streams, self.call) from error

    @cached_property
    def _probe(self) -> Probe:
        """Where clips, units and positions lie in every layer's output, by a pass of two clips."""
        with frozen(self.module):
            return probed(self.forward, self.streams, device=self.device, visits=self.visits, parts=self.parts)

    @cached_property
    def layers(self) -> dict[str, Layer]:
        """Every layer that the forward pass calls, in order, with units, shape and receptive field.

        Takes a forward pass of one clip and one of two. Raises NetworkError where the network cannot take its streams.
        """
        parts, axes, patches = self.parts, self.axes, self._probe.patches
        layers = {n: layer_of(n, parts[n], axes[n], calls, patches) for n, calls in self.visits.items() if n in axes}
        if not layers and not self.unusable:
            raise NetworkError(f"hooks see no layer of {self.name}; give the Python module that calls its parts.")
        return layers

    @property
    def axes(self) -> Mapping[str, Axes]:
        """{layer: where clips, units and positions lie in what it returns}, of the layers that can be used."""
        return self._probe.axes

    @property
    def unusable(self) -> Mapping[str, str]:
        """{layer: why it cannot be used}, of layers that are called, but how their outputs lie is not clear."""
        return self._probe.unusable

    def run(self, inputs: Mapping[str, Tensor | None]) -> object:
        """The forward pass as far as it goes: of a `resized` network up to its deepest layer."""
        return self.forward(inputs) if self._deepest is None else self.activations(inputs, [self._deepest])

    def layer(self, name: str) -> Layer:
        """The layer at a dotted module path."""
        return self.layers[self.usable(name)]

    def usable(self, name: str) -> str:
        """The name under which the network lists a layer; NetworkError where it cannot be used, with the reason."""
        listed = self.layer_name(name)
        if listed in self.unusable:
            raise NetworkError(f"layer '{name}' of {self.name} cannot be used: {self.unusable[listed]}.")
        if listed not in self.axes:
            raise NetworkError(
                f"layer '{name}' of {self.name} is never called or gives no tensor. `marey layers` lists those that do."
            )
        return listed

    @cached_property
    def scores(self) -> str:
        """The layer of class scores before softmax, several positions averaged; warns where another head fits."""
        if self._scores is not None:
            layer = self.layer(self._scores)
            if self.classes and layer.units != len(self.classes):
                raise NetworkError(
                    f"{self.name} names {len(self.classes)} classes, but layer '{layer.name}' gives {layer.units} "
                    "scores; name as many, or the right layer with scores='...'."
                )
            return layer.name
        found = self.class_scores
        if found.layer is None:
            raise NetworkError(
                f"{self.name} has no layer with one score for each of its {len(self.classes)} classes; "
                "name the one before softmax with scores='...'."
            )
        if found.others:
            warnings.warn(f"{self.name}: {found.doubt}", MareyWarning, stacklevel=2)
        return found.layer

    @cached_property
    def class_scores(self) -> ClassScores:
        """What gives the class scores and probabilities, as one pass of noise shows it."""
        inputs = {name: clip[:1] for name, clip in probe_clips(self.streams, self.device).items()}
        with frozen(self.module):
            passed = (self.run, inputs, self.layers, self.parts)
            return class_scores(*passed, classes=len(self.classes), output=self.output, axes=self.axes)

    @property
    def has_scores(self) -> bool:
        """Whether there are class names, and a layer for them that was named or found."""
        return bool(self.classes) and (self._scores is not None or self.class_scores.layer is not None)

    def gives_scores(self, layer: str) -> bool:
        """Whether `layer` gives the class scores, of a network that has classes."""
        if not self.classes or (layer in self.layers and self.layers[layer].units != len(self.classes)):
            return False
        return layer == (self.class_scores.layer if self._scores is None else self.layer_name(self._scores))

    def unit(self, address: str | Unit) -> Unit:
        """The unit at an address `layer:channel[@t,y,x]`, or of a class by its name; checked against the network."""
        if isinstance(address, str) and address in self.classes:
            address = Unit(self.scores, self.classes.index(address))
        if isinstance(address, str) and address.startswith("class:"):
            label = address.removeprefix("class:")
            if label not in self.classes:
                raise NetworkError(
                    f"no class '{label}' in {self.name}.{did_you_mean(label, self.classes)} "
                    f"It has {len(self.classes)} classes."
                )
            address = Unit(self.scores, self.classes.index(label))
        if isinstance(address, str):
            if ":" not in address:
                if address in self.layers:
                    raise NetworkError(
                        f"'{address}' is a layer; name a unit of it, as in '{address}:0', or some, as in "
                        f"'{address}:0-{self.layers[address].units - 1}'."
                    )
                known = [*self.classes, *self.layers]
                example = f", as in '{known[-1]}:0'" if self.layers else ""
                raise NetworkError(
                    f"'{address}' is neither a class of {self.name} nor a unit.{did_you_mean(address, known)} "
                    f"A unit is written layer:channel{example}."
                )
            address = Unit.parse(address)
        return within(self.layer(address.layer), address)

    def units(self, addresses: Iterable[str | Unit]) -> list[Unit]:
        """The units at `addresses`; a range `layer:0-15` stands for all in it."""
        every = (one for address in addresses for one in (expand(address) if isinstance(address, str) else [address]))
        return [self.unit(one) for one in every]

    def label(self, unit: Unit) -> str:
        """The class name of a class unit, else its address."""
        if unit.position is None and self.gives_scores(unit.layer):
            return self.classes[unit.channel]
        return str(unit)

    def resized(self, height: int, width: int, *, deepest: str | None = None) -> "Network":
        """The same module shown larger or smaller inputs, as convolutional layers allow, see `shown`."""
        return self.shown([stream.resized(height, width) for stream in self.streams], deepest=deepest)

    def shown(self, streams: Sequence[Stream], *, deepest: str | None = None) -> "Network":
        """The same module with streams of other sizes.

        With `deepest`, only the layers up to it are known: those above may not take these sizes.
        """
        other = Network(
            self.module,
            streams,
            classes=self.classes,
            scores=self._scores,
            call=self.call,
            name=self.name,
            maxima=self.maxima,
        )
        other._deepest = deepest
        other._probe = self._probe  # the same, and found out at the sizes that all layers take
        return other

    @property
    def weights_hash(self) -> str:
        """SHA-256 over names, types, shapes and values of all weights."""
        return weights_hash(self.module)
