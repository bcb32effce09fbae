"""The family of networks in files of marey: weights, streams, classes, maxima, and how the network was made."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn

from marey.errors import NetworkError, OutputError, WeightsError
from marey.families.two_stream import TwoStream
from marey.families.video_resnet import VideoResNet
from marey.families.weight_files import MAXIMA, read_safetensors
from marey.families.weights import fitting_tensors, module_weights, weights_hash
from marey.files import replacing
from marey.network.maxima import Maxima
from marey.network.network import Network
from marey.network.stream import Stream
from marey.network.weights_hash import tensors_hash
from marey.schema import SchemaError, check_signature, parsed, signed, typed

FORMAT = 2
OPENED = (1, FORMAT)
"""Formats that can be opened. Format 1 kept only the largest responses, and the bounds in the provenance."""
ARCHITECTURES: dict[str, type[nn.Module]] = {"TwoStream": TwoStream, "VideoResNet": VideoResNet}
UNNAMED_CLIPS = "clips that its file does not name"


@dataclass(frozen=True)
class NetworkFile:
    """The content of a network's file: enough to run the network and to say where it comes from.

    module
        an instance of one of ARCHITECTURES, whose `config` builds it again.
    streams
        in the order of the module's arguments.
    classes
        names, in the order of the scores.
    provenance
        how the weights were made: any dictionary that JSON can hold.
    maxima
        how far the responses of its units reach, and on which clips; None: not known.
    """

    module: nn.Module
    streams: tuple[Stream, ...]
    classes: tuple[str, ...] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)
    maxima: Maxima | None = None

    def network(self, *, name: str | None = None) -> Network:
        """The network that the file describes, which shares the module."""
        return Network(self.module, self.streams, classes=self.classes, scores="scores", name=name, maxima=self.maxima)


def matches(source: str) -> bool:
    """Whether `source` is the name of a .safetensors file."""
    return source.endswith(".safetensors")


def load(source: str) -> Network:
    """The network in a file, named after it; WeightsError for a file that is missing, damaged or holds no network."""
    return open_network(source).network(name=Path(source).stem)


def save(file: NetworkFile, path: str | Path, *, half: bool = False, base: nn.Module | None = None) -> None:
    """Write `file` to `path` (.safetensors); if anything fails, a file that was there before stays whole.

    half
        keep weights in 16 bits instead of 32, which rounds them to 11 binary digits; opening makes 32 of them again.
    base
        a module with weights of the same names: equal weights are not written, and opening asks for the module.

    Raises NetworkError for a module that cannot be built again, OutputError if the file cannot be written.
    """
    path = Path(path)
    check_name(path)
    architecture = type(file.module).__name__
    if ARCHITECTURES.get(architecture) is not type(file.module):
        raise NetworkError(
            f"{architecture} cannot be built again from a file; known architectures: {', '.join(ARCHITECTURES)}."
        )
    weights = {name: _shortened(values) if half else values for name, values in module_weights(file.module).items()}
    shared = {} if base is None else module_weights(base)
    for name, values in shared.items():
        if name in weights and weights[name].to(values.dtype).equal(values):
            del weights[name]
    known = file.maxima if file.maxima is not None else Maxima()
    maxima = {name: values.detach().cpu().clone() for name, values in known.tensors().items()}
    about = {
        "format": FORMAT,
        "architecture": architecture,
        "config": file.module.config,
        "streams": [stream.to_json() for stream in file.streams],
        "classes": list(file.classes),
        "provenance": dict(file.provenance),
        "weights_hash": tensors_hash(weights),
        "maxima_hash": tensors_hash(maxima),
    }
    if file.maxima is not None:
        about["maxima"] = {"bounds": dict(known.bounds), "source": known.source}
    about |= ({"half": True} if half else {}) | ({} if base is None else {"base": weights_hash(base)})
    try:
        text = json.dumps(signed(about))
    except (TypeError, ValueError) as error:
        raise NetworkError(f"the network cannot be described as JSON: {error}; give plain values only.") from None
    tensors = weights | {MAXIMA + name: values for name, values in maxima.items()}
    # one entry of metadata, because safetensors writes several in random order
    with replacing(path) as temporary:
        temporary.write_bytes(safetensors.torch.save(tensors, metadata={"marey": text}))


def check_name(path: Path) -> None:
    """Raise OutputError unless the file's name is one that networks are saved under."""
    if path.suffix != ".safetensors":
        raise OutputError(f"'{path}' does not end in .safetensors; networks are saved in files that do.")


def open_network(path: str | Path, *, base: nn.Module | None = None) -> NetworkFile:
    """The network that `save` wrote to `path`, on the processor and in evaluation mode; `base` as given to `save`.

    Weights, maxima and description are checked against the hashes in the file. Raises WeightsError for a damaged file,
    for a file of another program, and for an architecture or format that this version does not know.
    """
    path = Path(path)
    tensors, metadata = read_safetensors(path)
    if "marey" not in metadata:
        raise WeightsError(
            f"'{path}' holds tensors but no description of a network; build the network and use load_weights."
        )
    about = _description(metadata["marey"], path)
    maxima = {name.removeprefix(MAXIMA): tensors.pop(name) for name in list(tensors) if name.startswith(MAXIMA)}
    if tensors_hash(tensors) != about.weights_hash or tensors_hash(maxima) != about.maxima_hash:
        raise WeightsError(f"'{path}' is damaged: its values have changed since it was saved; take another copy.")
    if about.half:
        tensors = {name: values.float() if values.is_floating_point() else values for name, values in tensors.items()}
    try:
        with torch.device("meta"):  # no memory and no random numbers for weights that the file replaces
            module = ARCHITECTURES[about.architecture](**about.config)
        known = _maxima(about, maxima)
    except (TypeError, ValueError, RuntimeError, ArithmeticError, NetworkError) as error:
        raise WeightsError(f"'{path}' describes a network that this version cannot build: {error}") from None
    if about.base is not None:
        tensors = _with_base(tensors, about.base, base, module, path)
    module.load_state_dict(fitting_tensors(module, tensors, path, strict=True), assign=True)
    return NetworkFile(module.eval(), about.streams, about.classes, about.provenance, known)


def _with_base(
    tensors: dict[str, Tensor], wanted: str, base: nn.Module | None, module: nn.Module, path: Path
) -> dict[str, Tensor]:
    """The weights of a file together with copies of the weights that it shares with `base`, whose hash is `wanted`."""
    if base is None or weights_hash(base) != wanted:
        raise WeightsError(
            f"'{path}' holds only those weights that differ from the network {wanted[:8]}; give that network as base."
        )
    shared = {name: values.clone() for name, values in base.state_dict().items() if name in module.state_dict()}
    return shared | tensors


def _shortened(values: Tensor) -> Tensor:
    """The values in 16 bits; NetworkError when some are too large for them."""
    if not values.is_floating_point():
        return values
    short = values.half()
    if not bool(short.isfinite().all()):
        raise NetworkError(f"a weight of {float(values.abs().max()):.3g} does not fit into 16 bits; save 32 of them.")
    return short


@dataclass(frozen=True)
class _MaximaAbout:
    bounds: dict[str, float]
    source: str


@dataclass(frozen=True)
class _About:
    sha256: str
    format: int
    architecture: str
    config: dict[str, Any]
    streams: tuple[Stream, ...]
    classes: tuple[str, ...]
    provenance: dict[str, Any]
    weights_hash: str
    maxima_hash: str
    maxima: _MaximaAbout | None = None
    half: bool = False
    base: str | None = None


def _description(text: str, path: Path) -> _About:
    """The description of a network, checked against the hash that it carries, and of a format that can be opened."""
    try:
        values = typed(parsed(text), dict[str, Any])
        found, architecture = values.get("format"), values.get("architecture")
        if found not in OPENED or architecture not in list(ARCHITECTURES):
            check_signature(values)
            raise WeightsError(
                f"'{path}' holds {architecture} in format {found}; this version opens formats up to "
                f"{FORMAT} of {', '.join(ARCHITECTURES)}: use the version of marey that wrote it."
            )
        about = typed(values, _About)
        check_signature(values)
    except SchemaError as error:
        raise WeightsError(f"'{path}' is damaged: {error}; take another copy.") from None
    return about


def _maxima(about: _About, tensors: Mapping[str, Tensor]) -> Maxima | None:
    """The maxima that a file holds; None when it holds none."""
    if about.format == 1:
        bounds = about.provenance.pop("bounds", {})
        return Maxima(largest=tensors, bounds=bounds, source=UNNAMED_CLIPS) if tensors or bounds else None
    known = about.maxima
    return None if known is None else Maxima.from_tensors(tensors, bounds=known.bounds, source=known.source)
