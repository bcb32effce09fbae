"""From the name that a user gives to a Network: each family says whether the name is one of its own."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from marey.errors import WeightsError
from marey.families import bundled, network_file, own_code
from marey.families.network_file import NetworkFile, open_network, save
from marey.families.two_stream import TwoStream
from marey.network.maxima import Maxima
from marey.network.network import Network

_OTHERS = "; other layers: "


_COMPILED_FILES = {
    ".onnx": "an ONNX file",
    ".pt2": "an exported program",
    ".torchscript": "a TorchScript file",
    ".engine": "a TensorRT engine",
    ".tflite": "a TensorFlow Lite file",
}
"""What files hold that run a network without its Python module, by suffix."""


class Family(Protocol):
    """Networks of one kind: a module with these two functions, or an object with these two methods."""

    def matches(self, source: str) -> bool:
        """Whether `source` names a network of this family; quick, and never an error."""

    def load(self, source: str) -> Network:
        """The network that `source` names; a MareyError that says why when it cannot be loaded."""


FAMILIES: tuple[Family, ...] = (bundled, network_file, own_code)
"""Families in the order in which they are asked."""


def load(source: str | Path, *, families: Sequence[Family] = ()) -> Network:
    """The network that `source` names: a bundled one, a file of `marey train` or `save`, or one of your own.

    `source` is the name of a network that ships with the package (`marey.families.bundled.BUNDLED`), the path of a
    .safetensors file, or `file.py:function` or `package.module:function`, where the function takes no argument and
    returns a `marey.Network`. Only name code that you trust: it is run. It finds the modules beside its file, or in the
    current folder. `families` of your own are asked first, see `Family`.

    Raises WeightsError for a file that is missing, damaged or no network, NetworkError for a function that fails to
    return one.
    """
    text = str(source)
    for family in (*families, *FAMILIES):
        if family.matches(text):
            return family.load(text)
    if not Path(text).exists():
        raise WeightsError(
            f"there is no network '{text}'; expected a .safetensors file, or file.py:function for your own, or one of "
            f"{', '.join(bundled.BUNDLED)}."
        )
    if (made := _COMPILED_FILES.get(Path(text).suffix.lower())) is not None:
        raise WeightsError(
            f"'{text}' is {made}, inside which hooks see no layer; give the Python module it was made from, as "
            "file.py:function that returns a marey.Network."
        )
    raise WeightsError(
        f"'{text}' is no network file; expected .safetensors as `marey train` writes, or file.py:function that returns "
        "a marey.Network (load .pt weights there with marey.families.weights.load_weights)."
    )


def provenance(source: str | Path) -> dict[str, Any]:
    """How the network in a file, or a bundled one, was made; empty for other sources."""
    file = _file(str(source))
    return {} if file is None else dict(file.provenance)


def two_stream_file(source: str | Path) -> NetworkFile:
    """The two-stream network in a file, or a bundled one; WeightsError for all other sources."""
    file = _file(str(source))
    if file is None or not isinstance(file.module, TwoStream) or len(file.module.streams) < 2:
        raise WeightsError(
            f"'{source}' is no two-stream network to start from; expected a .safetensors file of `marey train`, or one "
            f"of {', '.join(bundled.BUNDLED)}."
        )
    return file


def _file(source: str) -> NetworkFile | None:
    """The content of a bundled network or of a .safetensors file; None for other sources."""
    if bundled.matches(source):
        return bundled.bundled(source)
    return open_network(source) if network_file.matches(source) else None


def keep_maxima(maxima: Maxima, path: str | Path) -> None:
    """Write maxima into the network's file at `path`; everything else in the file stays as it is.

    They replace maxima of the same layers and bounds of the same streams. Where layers that were measured on other
    clips stay beside them, the source names both. Raises WeightsError for a file that is missing, damaged or no
    network.
    """
    file = open_network(path)
    save(replace(file, maxima=maxima if file.maxima is None else _merged(file.maxima, maxima)), path)


def _merged(before: Maxima, after: Maxima) -> Maxima:
    """The maxima of both, with the values of `after` where both have some."""
    kept = before.only(layer for layer in before.layers if layer not in after)
    others = [source for source in before.source.split(_OTHERS) if source != after.source]
    return Maxima(
        {**kept.largest, **after.largest},
        {**kept.largest_mean, **after.largest_mean},
        {**kept.ordinary, **after.ordinary},
        {**before.bounds, **after.bounds},
        _OTHERS.join([after.source, *others]) if kept.layers else after.source,
    )
