"""Files of weights as people have them, read by what is in them and not by their names; code in them is never run."""

import argparse
import re
import tarfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from marey.errors import WeightsError, first_line
from marey.files import regular_file

MAXIMA = "maxima/"
"""Start of the names of tensors that are no weights, see marey.families.network_file."""

CONTAINERS = (
    *("state_dict", "model_state_dict", "model_state", "model", "module", "net", "network", "net_state_dict", "params"),
    *("weights", "state_dict_ema", "model_ema", "ema_state_dict", "params_ema", "ema"),
)
"""Names under which training programs keep weights beside the optimizer's state; the first one counts."""

_STRANGERS = {
    b"\x89HDF": "an HDF5 file, as Keras and MATLAB write; convert it to .safetensors",
    b"MATLAB": "a MATLAB file; convert it to .safetensors",
    b"\x1f\x8b": "compressed by gzip; unpack it, and give the file within",
    b"\x93NUMPY": "an array of NumPy; save tensors by name as .safetensors",
}
_DEPTH = 4
"""Containers within containers, at most."""

Note = Callable[[str], None]


def read_tensors(path: str | Path, *, on_note: Note | None = None) -> Mapping[str, Tensor]:
    """The weights {name: tensor} of a safetensors file or of one from torch.save, whatever its suffix.

    Weights that lie under a name of CONTAINERS, such as {"state_dict": ..., "epoch": 3}, are taken from there.
    `on_note` is told in one line when others hold some, too. Raises WeightsError for a file that is missing,
    damaged, of another kind, or a pickle with code.
    """
    path = Path(path)
    start = _start(path)
    if start[8:9] == b"{" or (path.suffix == ".safetensors" and start[:1] not in (b"P", b"\x80")):
        tensors, _ = read_safetensors(path)
        return {name: values for name, values in tensors.items() if not name.startswith(MAXIMA)}
    kind = next((kind for magic, kind in _STRANGERS.items() if start.startswith(magic)), None)
    if kind is not None:
        raise WeightsError(f"'{path}' is {kind}.")
    return _contained(_unpickled(path), path, on_note)


def read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """All tensors {name: tensor} of a safetensors file and its metadata; WeightsError when it cannot be read."""
    try:
        with safe_open(regular_file(path), framework="pt") as file:
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


def _start(path: Path) -> bytes:
    """The first bytes of a file; WeightsError where there is none, or it is no regular file."""
    try:
        if path.is_dir():
            raise OSError("it is a folder; give a file in it")
        with regular_file(path).open("rb") as file:
            return file.read(16)
    except FileNotFoundError:
        raise WeightsError(f"no file of weights at '{path}'.") from None
    except OSError as error:
        raise WeightsError(f"cannot read weights from '{path}': {error.strerror or error}.") from None


def _unpickled(path: Path) -> object:
    try:
        # namespaces of arguments lie beside the weights of many programs, and hold nothing but values
        namespaces = torch.serialization.safe_globals([argparse.Namespace])
        with path.open("rb") as file, warnings.catch_warnings(), namespaces:  # of a path torch believes the suffix
            warnings.simplefilter("ignore")
            return torch.load(file, map_location="cpu", weights_only=True)
    except OSError as error:
        raise WeightsError(f"cannot read weights from '{path}': {error.strerror or error}.") from None
    except Exception as error:  # noqa: BLE001  a damaged pickle may fail in any way
        raise WeightsError(f"'{path}' {_fault(path, str(error))}") from None


def _fault(path: Path, said: str) -> str:
    """What is wrong with a file that torch.load refuses with the words `said`, and what to do."""
    if "TorchScript" in said:
        return (
            "is a TorchScript archive, which holds code: save the weights of a module that you trust by "
            "`torch.save(torch.jit.load(FILE).state_dict(), NEW)`, and give the new file."
        )
    named = re.search(r"GLOBAL ([\w.]+)", said)
    if named is not None:
        return (
            f"is a pickle that asks for {named[1]}, which could run code: refused, nothing was run. Where you trust "
            "it, save its tensors: a whole module by `torch.save(torch.load(FILE, weights_only=False).state_dict(), "
            "NEW)`, or its state dict as .safetensors; and give the new file."
        )
    if "data.pkl" in said:
        return (
            "is a zip archive without tensors of torch.save, as torch.export writes; save a state dict, and give that."
        )
    if tarfile.is_tarfile(path):
        return "is a tar archive; unpack it, and give the file of weights within."
    return (
        "is damaged, or not a plain file of tensors from torch.save; "
        "take another copy, or save its tensors as .safetensors."
    )


def _contained(content: object, path: Path, on_note: Note | None) -> Mapping[str, Tensor]:
    """The tensors by name in what a pickle holds."""
    parts: list[str] = []
    for _ in range(_DEPTH):
        parts = [name for name, part in content.items() if _holds_tensors(part)] if isinstance(content, Mapping) else []
        known = next((name for name in CONTAINERS if name in parts), None)
        if known is None:
            break
        if len(parts) > 1 and on_note is not None:
            on_note(f"'{path}' holds tensors under {_listed(parts)}; those under '{known}' are taken")
        content = content[known]  # type: ignore[index]
    if not isinstance(content, Mapping) or not content or not all(isinstance(name, str) for name in content):
        raise WeightsError(f"'{path}' holds {type(content).__name__}; expected tensors by name.")
    if all(isinstance(values, Tensor) for values in content.values()):
        return content
    if parts:
        raise WeightsError(
            f"'{path}' holds tensors under {_listed(parts)}, none of which is a name that is known to hold weights "
            f"(such as {_listed(CONTAINERS[:4])}); save the part that you want by "
            f"`torch.save(torch.load(FILE)['{parts[0]}'], NEW)`, and give the new file."
        )
    name, values = next((name, values) for name, values in content.items() if not isinstance(values, Tensor))
    raise WeightsError(f"'{path}' holds {type(values).__name__} as '{name}'; expected tensors by name.")


def _holds_tensors(part: object, depth: int = _DEPTH) -> bool:
    """Whether tensors by name lie in `part`, or in a part of it; the state of an optimizer has numbers for names."""
    return (
        depth > 0
        and isinstance(part, Mapping)
        and any(
            isinstance(name, str) and (isinstance(values, Tensor) or _holds_tensors(values, depth - 1))
            for name, values in part.items()
        )
    )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"'{name}'" for name in names[:5]) + (", ..." if len(names) > 5 else "")
