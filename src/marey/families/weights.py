"""Weights on disk: one safetensors file holds a network, its streams and classes, and how it was made."""

import hashlib
import json
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from marey.errors import NetworkError, OutputError, WeightsError
from marey.families.two_stream import TwoStream
from marey.files import replacing
from marey.network.maxima import Maxima
from marey.network.network import tensors_hash
from marey.network.stream import Stream

FORMAT = 2
OPENED = (1, FORMAT)
"""Formats that are opened. Format 1 kept only the largest responses, and bounds among what tells how it was made."""
ARCHITECTURES: dict[str, type[nn.Module]] = {"TwoStream": TwoStream}
MAXIMA = "maxima/"
UNNAMED_CLIPS = "clips that its file does not name"
WRAPPERS = ("state_dict", "model_state_dict", "model")
PREFIXES = ("module.", "_orig_mod.")


@dataclass(frozen=True)
class NetworkFile:
    """What a file of weights holds: enough to run the network and to say where it comes from.

    module
        one of ARCHITECTURES, with a `config` that builds it again.
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


def save(file: NetworkFile, path: str | Path, *, half: bool = False, base: nn.Module | None = None) -> None:
    """Write `file` to `path` (.safetensors); whatever goes wrong, what was there before stays whole.

    half
        keep values in 16 bits instead of 32, which rounds them (11 binary digits); opening makes 32 of them again.
    base
        a module with weights of the same names: those that are the same are left out, and opening asks for it.

    Raises NetworkError for a module that cannot be built again, OutputError if the place cannot be written or is full.
    """
    path = Path(path)
    if path.suffix != ".safetensors":
        raise OutputError(f"'{path}' does not end in .safetensors, which is what networks are saved as.")
    architecture = type(file.module).__name__
    if ARCHITECTURES.get(architecture) is not type(file.module):
        raise NetworkError(
            f"{architecture} cannot be built again from a file; known architectures: {', '.join(ARCHITECTURES)}."
        )
    weights = {name: _shortened(values) if half else values for name, values in _weights(file.module).items()}
    shared = {} if base is None else _weights(base)
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
        text = json.dumps(about)
    except (TypeError, ValueError) as error:
        raise NetworkError(f"the network cannot be described as JSON: {error}; give plain values only.") from None
    tensors = weights | {MAXIMA + name: values for name, values in maxima.items()}
    # one entry of metadata, because safetensors writes several in random order
    signed = json.dumps({"sha256": _text_hash(text)} | about)
    with replacing(path) as temporary:
        temporary.write_bytes(safetensors.torch.save(tensors, metadata={"marey": signed}))


def open_network(path: str | Path, *, base: nn.Module | None = None) -> NetworkFile:
    """The network that `save` wrote to `path`, on the processor and in evaluation mode; `base` as it was given there.

    Weights, maxima and description are checked against the hashes in the file. Raises WeightsError for a damaged file,
    for one of another program, and for an architecture or format that this version does not know.
    """
    path = Path(path)
    tensors, metadata = _safetensors(path)
    if "marey" not in metadata:
        raise WeightsError(
            f"'{path}' holds tensors but no description of a network; build the network and use load_weights."
        )
    about = _description(metadata["marey"], path)
    if about["format"] not in OPENED or about["architecture"] not in ARCHITECTURES:
        raise WeightsError(
            f"'{path}' holds {about['architecture']} in format {about['format']}; this version opens formats up to "
            f"{FORMAT} of {', '.join(ARCHITECTURES)}: use the version of marey that wrote it."
        )
    maxima = {name.removeprefix(MAXIMA): tensors.pop(name) for name in list(tensors) if name.startswith(MAXIMA)}
    if tensors_hash(tensors) != about["weights_hash"] or tensors_hash(maxima) != about["maxima_hash"]:
        raise WeightsError(f"'{path}' is damaged: its values have changed since it was saved; take another copy.")
    if about.get("half", False):
        tensors = {name: values.float() if values.is_floating_point() else values for name, values in tensors.items()}
    try:
        with torch.device("meta"):  # no memory and no random numbers for weights that the file replaces
            module = ARCHITECTURES[about["architecture"]](**about["config"])
        streams = tuple(Stream.from_json(values) for values in about["streams"])
    except (TypeError, NetworkError) as error:
        raise WeightsError(f"'{path}' describes a network that this version cannot build: {error}") from None
    if "base" in about:
        if base is None or weights_hash(base) != about["base"]:
            raise WeightsError(
                f"'{path}' holds only those weights that are not the same in the network {about['base'][:8]}; give it "
                "as base."
            )
        held, wanted = base.state_dict(), module.state_dict()
        tensors = {name: values.clone() for name, values in held.items() if name in wanted} | tensors
    _fitting(module, tensors, path, strict=True)
    module.load_state_dict(tensors, assign=True)
    known = _maxima(about, maxima)
    return NetworkFile(module.eval(), streams, tuple(about["classes"]), about["provenance"], known)


def load_weights(module: nn.Module, path: str | Path, *, strict: bool = True) -> tuple[str, ...]:
    """Copy the tensors of a .safetensors, .pt or .pth file into `module`; their names.

    Wrappers of training programs ("state_dict", "model", a "module." before each name) are taken off. With `strict`
    off, missing and unexpected tensors are let be, as when one tower starts from another network; wrong shapes are
    errors all the same. Raises WeightsError, before anything is copied, if the file does not fit, is damaged or is a
    pickle with code.
    """
    path = Path(path)
    tensors = _fitting(module, read_tensors(path), path, strict=strict)
    module.load_state_dict(tensors, strict=False)
    return tuple(tensors)


def take_weights(module: nn.Module, other: nn.Module) -> tuple[str, ...]:
    """Copy those weights of `other` into `module` whose names and shapes fit; their names.

    So a network starts from one with other classes: all but the scores fits. Raises WeightsError when nothing does.
    """
    wanted = module.state_dict()
    fitting = {
        name: values
        for name, values in other.state_dict().items()
        if name in wanted and wanted[name].shape == values.shape
    }
    if not any(values.ndim > 1 for values in fitting.values()):
        raise WeightsError("no weight has a name and shape of the network to start; build both with the same options.")
    module.load_state_dict(fitting, strict=False)
    return tuple(fitting)


def read_tensors(path: str | Path) -> dict[str, Tensor]:
    """The named weights in a .safetensors, .pt or .pth file, without wrappers; code in a pickle is never run."""
    path = Path(path)
    if path.suffix == ".safetensors":
        tensors, _ = _safetensors(path)
        return {name: values for name, values in tensors.items() if not name.startswith(MAXIMA)}
    if path.suffix not in (".pt", ".pth"):
        raise WeightsError(f"'{path}' is not a file of weights; expected .safetensors, .pt or .pth.")
    return _unwrapped(_unpickled(path), path)


def weights_hash(module: nn.Module) -> str:
    """SHA-256 over names, types, shapes and values of a module's weights and buffers, the same for any file or device.

    >>> weights_hash(nn.ReLU())[:8]
    'e3b0c442'
    """
    return tensors_hash(_weights(module))


def _weights(module: nn.Module) -> dict[str, Tensor]:
    return {name: values.detach().cpu().contiguous() for name, values in module.state_dict().items()}


def _shortened(values: Tensor) -> Tensor:
    """The values in 16 bits; NetworkError when some are too large for them."""
    if not values.is_floating_point():
        return values
    short = values.half()
    if not bool(short.isfinite().all()):
        raise NetworkError(f"a weight of {float(values.abs().max()):.3g} does not fit into 16 bits; save 32 of them.")
    return short


def _text_hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _description(signed: str, path: Path) -> dict[str, Any]:
    try:
        about = dict(json.loads(signed))
        if about.pop("sha256") == _text_hash(json.dumps(about)):
            return about
    except (ValueError, TypeError, KeyError):
        pass
    raise WeightsError(f"'{path}' is damaged: its description has changed since it was saved; take another copy.")


def _maxima(about: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Maxima | None:
    """The maxima that a file holds; None when it holds none."""
    if about["format"] == 1:
        bounds = about["provenance"].pop("bounds", {})
        return Maxima(largest=tensors, bounds=bounds, source=UNNAMED_CLIPS) if tensors or bounds else None
    return Maxima.from_tensors(tensors, **about["maxima"]) if "maxima" in about else None


def _safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    try:
        with safe_open(path, framework="pt") as file:
            # copies, because the file's alignment in memory would change how sums are rounded
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
            return tensors, file.metadata() or {}
    except FileNotFoundError:
        raise WeightsError(f"no file of weights at '{path}'.") from None
    except OSError as error:
        raise WeightsError(f"cannot read weights from '{path}': {error.strerror or error}.") from None
    except (SafetensorError, RuntimeError, ValueError) as error:
        raise WeightsError(
            f"'{path}' is not a whole safetensors file ({_line(error)}); take another copy of it."
        ) from None


def _unpickled(path: Path) -> object:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise WeightsError(f"no file of weights at '{path}'.") from None
    except OSError as error:
        raise WeightsError(f"cannot read weights from '{path}': {error.strerror or error}.") from None
    except Exception as error:  # noqa: BLE001  a damaged pickle may fail in any way
        named = re.search(r"GLOBAL ([\w.]+)", str(error))
        if named is not None:
            raise WeightsError(
                f"'{path}' is a pickle that asks for {named[1]}, which could run code: refused, nothing was run; "
                "save its tensors as .safetensors where you trust it, and give that file."
            ) from None
        raise WeightsError(
            f"'{path}' is damaged, or not a plain file of tensors from torch.save; "
            "take another copy, or save its tensors as .safetensors."
        ) from None


def _unwrapped(content: object, path: Path) -> dict[str, Tensor]:
    while isinstance(content, Mapping):
        inner = next((content[name] for name in WRAPPERS if isinstance(content.get(name), Mapping)), None)
        if inner is None:
            break
        content = inner
    named = isinstance(content, Mapping) and all(isinstance(name, str) for name in content)
    if not isinstance(content, Mapping) or not named or not content:
        raise WeightsError(f"'{path}' holds {type(content).__name__}; expected tensors by name.")
    for name, values in content.items():
        if not isinstance(values, Tensor):
            raise WeightsError(f"'{path}' holds {type(values).__name__} as '{name}'; expected tensors by name.")
    tensors = dict(content)
    while (prefix := next(iter(tensors)).partition(".")[0] + ".") in PREFIXES:
        if not all(name.startswith(prefix) for name in tensors):
            break
        tensors = {name.removeprefix(prefix): values for name, values in tensors.items()}
    return tensors


def _fitting(module: nn.Module, tensors: Mapping[str, Tensor], path: Path, *, strict: bool) -> dict[str, Tensor]:
    """Those of `tensors` that the module has; WeightsError naming the first ones that do not fit."""
    wanted: dict[str, Tensor] = module.state_dict()
    shared = {name: values for name, values in tensors.items() if name in wanted}
    wrong = [
        f"{name} {_form(values)} instead of {_form(wanted[name])}"
        for name, values in shared.items()
        if values.shape != wanted[name].shape or values.is_floating_point() != wanted[name].is_floating_point()
    ]
    missing = [f"{name} {_form(values)}" for name, values in wanted.items() if name not in tensors]
    unexpected = [f"{name} {_form(values)}" for name, values in tensors.items() if name not in wanted]
    kinds = {"wrongly shaped": wrong} | ({"missing": missing, "unexpected": unexpected} if strict else {})
    parts = [_counted(kind, names) for kind, names in kinds.items() if names]
    if not parts and not shared and wanted:
        parts = [f"none of its {len(tensors)} tensors is in the network ({_counted('unexpected', unexpected)})"]
    if parts:
        raise WeightsError(
            f"'{path}' does not fit this {type(module).__name__}: {'; '.join(parts)}. "
            "Build the network with the options that these weights were made with."
        )
    return shared


def _counted(kind: str, names: list[str]) -> str:
    rest = ", ..." if len(names) > 3 else ""
    return f"{len(names)} {kind}: {', '.join(islice(names, 3))}{rest}"


def _form(values: Tensor) -> str:
    size = " x ".join(str(length) for length in values.shape) or "one number"
    return f"({size})" if values.is_floating_point() else f"({size}, {str(values.dtype).removeprefix('torch.')})"


def _line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
