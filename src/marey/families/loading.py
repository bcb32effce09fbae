"""From what a user names, a weights file or a function of their own, to a Network."""

import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from marey.errors import MareyError, NetworkError, WeightsError, first_line
from marey.families.bundled import BUNDLED, bundled
from marey.families.two_stream import TwoStream
from marey.families.weights import NetworkFile, open_network, save
from marey.network.maxima import Maxima
from marey.network.network import Network

Made = TypeVar("Made")

_OTHERS = "; other layers: "


def load(source: str | Path) -> Network:
    """The network in a file that `marey train` or `save` wrote, a bundled one, or one that a function returns.

    `source` is a path that ends in .safetensors, the name of a network that ships with the package (`BUNDLED`:
    "motion-studies" and its twins), or `file.py:function` or `package.module:function`, where the
    function takes no argument and returns a `marey.Network`. Only name code that you trust: it is run. It finds what
    lies beside its file, or in the current folder.

    Raises WeightsError for a file that is missing, damaged or no network, NetworkError for a function that fails to
    give one.
    """
    text = str(source)
    file = _file(text)
    if file is not None:
        return from_file(file, name=text if text in BUNDLED else Path(text).stem)
    if ":" in text and not Path(text).exists():
        return _called(text)
    if not Path(text).exists():
        raise WeightsError(
            f"there is no network '{text}'; expected a .safetensors file, or file.py:function for your own, or one of "
            f"{', '.join(BUNDLED)}."
        )
    raise WeightsError(
        f"'{text}' is no network file; expected .safetensors as `marey train` writes, or file.py:function that returns "
        "a marey.Network (load .pt weights there with marey.families.weights.load_weights)."
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
    )


def provenance(source: str | Path) -> dict[str, Any]:
    """How the network in a file, or a bundled one, was made; nothing for other sources."""
    file = _file(str(source))
    return {} if file is None else dict(file.provenance)


def two_stream_file(source: str | Path) -> NetworkFile:
    """The two-stream network in a file, or a bundled one; WeightsError for all else."""
    file = _file(str(source))
    if file is None or not isinstance(file.module, TwoStream) or len(file.module.streams) < 2:
        raise WeightsError(
            f"'{source}' is no two-stream network to start from; expected a .safetensors file of `marey train`, or one "
            f"of {', '.join(BUNDLED)}."
        )
    return file


def _file(text: str) -> NetworkFile | None:
    """The network of a .safetensors file or of a bundled name."""
    if text in BUNDLED:
        return bundled(text)
    return open_network(text) if text.endswith(".safetensors") else None


def keep_maxima(maxima: Maxima, path: str | Path) -> None:
    """Write maxima into the network's file at `path`, the rest of which stays as it is.

    They take the place of maxima of the same layers and of bounds of the same streams. Where layers of other clips stay
    beside them, the source names both. Raises WeightsError for a file that is missing, damaged or no network.
    """
    file = open_network(path)
    save(replace(file, maxima=maxima if file.maxima is None else _merged(file.maxima, maxima)), path)


def _merged(before: Maxima, after: Maxima) -> Maxima:
    kept = before.only(layer for layer in before.layers if layer not in after)
    sources = [after.source] + [word for word in before.source.split(_OTHERS) if word != after.source and kept.layers]
    return Maxima(
        {**kept.largest, **after.largest},
        {**kept.largest_mean, **after.largest_mean},
        {**kept.ordinary, **after.ordinary},
        {**before.bounds, **after.bounds},
        _OTHERS.join(sources),
    )


def _called(text: str) -> Network:
    place, _, function = text.rpartition(":")
    with _importing_from(Path(place).parent if place.endswith(".py") else Path()):
        module = _run(text, lambda: _module(place))
        make = getattr(module, function, None)
        if not callable(make):
            raise NetworkError(f"'{place}' has no function '{function}'; expected one that returns a marey.Network.")
        network = _run(text, make)
    if not isinstance(network, Network):
        raise NetworkError(f"'{text}' returned {type(network).__name__}; expected a marey.Network.")
    return network


def _run(text: str, code: Callable[[], Made]) -> Made:
    """What the user's code returns; its errors, which may be any, with where they come from behind them."""
    try:
        return code()
    except MareyError:
        raise
    except Exception as error:
        reason = f": {first_line(error)}" if str(error).strip() else ""
        raise NetworkError(
            f"'{text}' failed with {type(error).__name__}{reason}; "
            "expected a function without arguments that returns a marey.Network."
        ) from error


@contextmanager
def _importing_from(folder: Path) -> Iterator[None]:
    """While inside, imports find what lies in `folder`, as they do where Python itself is given a file."""
    place = str(folder.resolve())
    sys.path.insert(0, place)
    try:
        yield
    finally:
        with suppress(ValueError):
            sys.path.remove(place)


def _module(place: str) -> ModuleType:
    if place.endswith(".py"):
        if not Path(place).is_file():
            raise NetworkError(f"there is no file '{place}'.")
        name = f"marey_network_of_{Path(place).stem}"  # a name of its own: the file may be called as a library is
        spec = importlib.util.spec_from_file_location(name, place)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
        return module
    return importlib.import_module(place)
