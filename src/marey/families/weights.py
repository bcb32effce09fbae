"""Weights by name: reading them from files, checking that they fit a module, copying them into it."""

import re
import warnings
from collections.abc import Mapping
from itertools import islice
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from marey.errors import WeightsError, first_line
from marey.network.tensors_hash import tensors_hash

MAXIMA = "maxima/"
"""Start of the names of tensors that are no weights, see marey.families.network_file."""
WRAPPERS = ("state_dict", "model_state_dict", "model")
PREFIXES = ("module.", "_orig_mod.")


def load_weights(module: nn.Module, path: str | Path, *, strict: bool = True) -> tuple[str, ...]:
    """Copy the tensors of a .safetensors, .pt or .pth file into `module`, and return the names of the copied ones.

    Wrappers of training programs ("state_dict", "model", "module." before each name) are removed. Without `strict`,
    missing and unexpected tensors are allowed, as when one tower starts from another network; wrong shapes never are.
    Raises WeightsError, before anything is copied, if the file does not fit, is damaged or is a pickle with code.
    """
    path = Path(path)
    tensors = fitting_tensors(module, read_tensors(path), path, strict=strict)
    module.load_state_dict(tensors, strict=False)
    return tuple(tensors)


def take_weights(module: nn.Module, other: nn.Module) -> tuple[str, ...]:
    """Copy the weights of `other` whose names and shapes fit into `module`, and return their names.

    A network can start so from one with other classes: all but the scores fits. Raises WeightsError when nothing does.
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
    """The weights {name: tensor} of a .safetensors, .pt or .pth file, without wrappers; code in a pickle is not run."""
    path = Path(path)
    if path.suffix == ".safetensors":
        tensors, _ = read_safetensors(path)
        return {name: values for name, values in tensors.items() if not name.startswith(MAXIMA)}
    if path.suffix not in (".pt", ".pth"):
        raise WeightsError(f"'{path}' is not a file of weights; expected .safetensors, .pt or .pth.")
    return _unwrapped(_unpickled(path), path)


def weights_hash(module: nn.Module) -> str:
    """SHA-256 over names, types, shapes and values of a module's weights and buffers, the same for any file or device.

    >>> weights_hash(nn.ReLU())[:8]
    'e3b0c442'
    """
    return tensors_hash(module_weights(module))


def module_weights(module: nn.Module) -> dict[str, Tensor]:
    """Weights and buffers {name: tensor} of a module, on the processor."""
    return {name: values.detach().cpu().contiguous() for name, values in module.state_dict().items()}


def read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """All tensors {name: tensor} of a safetensors file and its metadata; WeightsError when it cannot be read."""
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
            f"'{path}' is not a whole safetensors file ({first_line(error)}); take another copy of it."
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


def fitting_tensors(module: nn.Module, tensors: Mapping[str, Tensor], path: Path, *, strict: bool) -> dict[str, Tensor]:
    """The tensors whose names the module has; WeightsError that names the first ones that do not fit."""
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
