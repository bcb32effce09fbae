"""A trained module together with what marey must know of it: its streams, classes and layers."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from marey.errors import NetworkError, did_you_mean, first_line, out_of_memory
from marey.network.hooks import frozen, outputs_of, units_last
from marey.network.layer import Layer, volume
from marey.network.maxima import Maxima
from marey.network.receptive_field import receptive_fields
from marey.network.stream import Stream
from marey.network.tensors_hash import tensors_hash
from marey.network.unit import Unit, expand

Call = Literal["arguments", "list", "dict", "keywords"]

_FAILS = (RuntimeError, ValueError, TypeError, IndexError, AssertionError)
"""What modules raise for tensors that they were not made for."""


class Network:
    """Any `nn.Module` with its streams: nothing in it is copied or changed.

    module
        takes the streams' tensors in order as arguments, as one list, as one dict by stream name, or as keywords
        (`call`). A module with `skips_absent_streams = True` may be given None for a stream that the layers asked for
        do not see.
    streams
        what the network is shown, see `Stream`; RGB-only, flow-only, two-stream and two-rate networks are one case.
    classes
        names of the class scores, in order.
    scores
        path of the layer that gives the class scores before softmax; None: the last layer whose output has one
        channel per class.
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
        self.module = module
        self.streams = tuple(streams)
        self.classes = tuple(classes)
        self.call: Call = call
        self.name = name if name is not None else type(module).__name__
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

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        for parameter in self.module.parameters():
            return parameter.device
        return torch.device("cpu")

    @property
    def dtype(self) -> torch.dtype:
        """The floating-point type of the weights."""
        for parameter in self.module.parameters():
            return parameter.dtype
        return torch.float32

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
        if self.call == "list":
            return run(values)
        named = {stream.name: value for stream, value in zip(self.streams, values, strict=True)}
        if self.call == "dict":
            return run(named)
        if self.call == "keywords":
            return run(**named)
        return run(*values)

    def activations(
        self, inputs: Mapping[str, Tensor | None], layers: Iterable[str], *, module: nn.Module | None = None
    ) -> dict[str, Tensor]:
        """The outputs of `layers` as (clip, channel, time, height, width); nothing deeper than the last runs."""
        root = self.module if module is None else module
        wanted = {self.layer_name(layer): root.get_submodule(layer) for layer in layers}
        clips = next(value.shape[0] for value in inputs.values() if value is not None)
        outputs = outputs_of(lambda: self.forward(inputs, module=module), wanted)
        return {name: volume(self.units_second(name, outputs[name]), clips) for name in wanted}

    def units_second(self, layer: str, output: Tensor) -> Tensor:
        """What a layer returned, with its units along the second axis; tokens (clip token channel) stay as they are."""
        return output.movedim(-1, 1) if layer in self.units_last else output

    def layer_name(self, layer: str) -> str:
        """`layer`, when the network has it; NetworkError with near matches otherwise."""
        try:
            if layer:
                self.module.get_submodule(layer)
                return layer
        except AttributeError:
            pass
        names = [name for name, _ in self.module.named_modules() if name]
        if layer not in names:
            raise NetworkError(
                f"no layer '{layer}' in {self.name}.{did_you_mean(layer, names)} `marey layers` lists them."
            )
        return layer

    @cached_property
    def layers(self) -> dict[str, Layer]:
        """Every layer that the forward pass calls, in order, with units, shape and receptive field.

        Takes one forward pass of one clip. Raises NetworkError where the network cannot take its streams.
        """
        named = {name: part for name, part in self.module.named_modules() if name}
        try:
            with frozen(self.module):
                found = receptive_fields(self.run, self.rest(), named, units_last=self.units_last)
        except (*_FAILS, MemoryError) as error:
            shapes = ", ".join(f"{stream.name} {stream.shape}" for stream in self.streams)
            if out_of_memory(error):
                raise NetworkError(
                    f"memory ran out when {self.name} ran on a single clip of {shapes}; use smaller input."
                ) from error
            reason = first_line(error).rstrip(".")
            raise NetworkError(
                f"{self.name} does not run on a clip of {shapes}, passed on as {self.call}: {reason}. "
                "Give it the streams, sizes and layouts that it was made for."
            ) from error
        layers = {}
        for name, (field, shape) in found.items():
            try:
                sizes = volume(torch.empty(shape, device="meta"), 1).shape[1:]
            except NetworkError:
                continue
            units, t, h, w = sizes
            layers[name] = Layer(name, type(named[name]).__name__, (units, t, h, w), field)
        return layers

    @cached_property
    def units_last(self) -> frozenset[str]:
        """The layers that return their units along the last of four or five axes, as the blocks of a Swin transformer.

        Asked of networks that normalize over the last axis, in one pass.
        """
        named = {name: part for name, part in self.module.named_modules() if name}
        if not any(isinstance(part, nn.LayerNorm | nn.RMSNorm) for part in named.values()):
            return frozenset()
        with torch.no_grad(), frozen(self.module):
            return units_last(lambda: self.run(self.rest()), named)

    def run(self, inputs: Mapping[str, Tensor | None]) -> object:
        """The forward pass as far as it goes: of a `resized` network up to its deepest layer."""
        return self.forward(inputs) if self._deepest is None else self.activations(inputs, [self._deepest])

    def layer(self, name: str) -> Layer:
        """The layer at a dotted module path."""
        self.layer_name(name)
        if name not in self.layers:
            raise NetworkError(
                f"layer '{name}' of {self.name} is never called or gives no tensor. `marey layers` lists those that do."
            )
        return self.layers[name]

    @cached_property
    def scores(self) -> str:
        """Path of the layer that gives the class scores before softmax."""
        if self._scores is not None:
            return self.layer_name(self._scores)
        if self._scores_found is None:
            raise NetworkError(
                f"{self.name} has no layer with one score for each of its {len(self.classes)} classes; "
                "name the one before softmax with scores='...'."
            )
        return self._scores_found

    @cached_property
    def _scores_found(self) -> str | None:
        fitting = [
            layer.name
            for layer in self.layers.values()
            if layer.positions == (1, 1, 1)
            and (not self.classes or layer.units == len(self.classes))
            and layer.kind not in ("Softmax", "LogSoftmax", "Sigmoid")
        ]
        return fitting[-1] if fitting else None

    def gives_scores(self, layer: str) -> bool:
        """Whether `layer` gives the class scores, of a network that has classes."""
        return bool(self.classes) and layer == (self._scores if self._scores is not None else self._scores_found)

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
                known = [*self.classes, *self.layers]
                raise NetworkError(
                    f"'{address}' is neither a class of {self.name} nor a unit.{did_you_mean(address, known)} "
                    "A unit is written layer:channel, as in 'fusion.conv5:21'."
                )
            address = Unit.parse(address)
        layer = self.layer(address.layer)
        if not 0 <= address.channel < layer.units:
            raise NetworkError(
                f"unit {address} is out of range: layer '{layer.name}' has {layer.units} units, 0 to {layer.units - 1}."
            )
        if address.position is None:
            return address
        position = tuple(
            size + index if index < 0 else index for index, size in zip(address.position, layer.positions, strict=True)
        )
        if not all(0 <= index < size for index, size in zip(position, layer.positions, strict=True)):
            raise NetworkError(
                f"position {address.position} of unit {address} is outside layer '{layer.name}', "
                f"which has {layer.positions} positions (t, y, x)."
            )
        t, y, x = position
        return replace(address, position=(t, y, x))

    def units(self, addresses: Iterable[str | Unit]) -> list[Unit]:
        """The units at `addresses`; a range `layer:0-15` stands for all in it."""
        found = []
        for address in addresses:
            for one in expand(address) if isinstance(address, str) else [address]:
                found.append(self.unit(one))
        return found

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
        other.units_last = self.units_last  # the same, and found out at the sizes that all layers take
        return other

    @property
    def weights_hash(self) -> str:
        """SHA-256 over names, types, shapes and values of all weights."""
        return tensors_hash(self.module.state_dict())
