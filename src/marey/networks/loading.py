"""From what a user names, a weights file or a function of their own, to a Network."""

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from marey.errors import NetworkError, WeightsError
from marey.network import Network
from marey.networks.weights import NetworkFile, open_network, save


def load(source: str | Path) -> Network:
    """The network in a file that `marey train` or `save_network` wrote, or one that a function of the user's returns.

    `source` is a path that ends in .safetensors, or `file.py:function` or `package.module:function`, where the function takes
    no argument and returns a `marey.Network`. Only name code that you trust: it is run.

    Raises WeightsError for a file that is missing, damaged or no network, NetworkError for a function that fails to give one.
    """
    text = str(source)
    if text.endswith(".safetensors"):
        return from_file(open_network(text), name=Path(text).stem)
    if ":" in text and not Path(text).exists():
        return _called(text)
    if not Path(text).exists():
        raise WeightsError(
            f"there is no network '{text}'; expected a .safetensors file, or file.py:function for your own."
        )
    raise WeightsError(
        f"'{text}' is no network file; expected .safetensors as `marey train` writes, or file.py:function that returns a "
        "marey.Network (load .pt weights there with marey.networks.load_weights)."
    )


def from_file(file: NetworkFile, *, name: str | None = None) -> Network:
    """The network described by an opened file."""
    return Network(
        file.module,
        file.streams,
        classes=file.classes,
        scores="scores",
        name=name,
        maxima=file.maxima,
        bounds=file.provenance.get("bounds"),
    )


def provenance(source: str | Path) -> dict[str, Any]:
    """How the network in a file was made; nothing for other sources."""
    return dict(open_network(source).provenance) if str(source).endswith(".safetensors") else {}


def keep_maxima(network: Network, path: str | Path) -> None:
    """Write the network's maxima and bounds into its file, the rest of which stays as it is."""
    file = open_network(path)
    provenance = {**file.provenance, "bounds": dict(network.bounds)}
    save(NetworkFile(file.module, file.streams, file.classes, provenance, dict(network.maxima)), path)


def _called(text: str) -> Network:
    place, _, function = text.rpartition(":")
    module = _module(place)
    make = getattr(module, function, None)
    if not callable(make):
        raise NetworkError(f"'{place}' has no function '{function}'; expected one that returns a marey.Network.")
    network = make()
    if not isinstance(network, Network):
        raise NetworkError(f"'{text}' returned {type(network).__name__}; expected a marey.Network.")
    return network


def _module(place: str) -> ModuleType:
    if place.endswith(".py"):
        if not Path(place).is_file():
            raise NetworkError(f"there is no file '{place}'.")
        spec = importlib.util.spec_from_file_location(Path(place).stem, place)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        return module
    try:
        return importlib.import_module(place)
    except ModuleNotFoundError as error:
        raise NetworkError(f"cannot import '{place}': {error}.") from None
