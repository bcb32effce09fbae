"""The family of networks that a function of the user's own returns: `file.py:function`."""

import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType
from typing import TypeVar

from marey.errors import MareyError, NetworkError, first_line
from marey.network.network import Network

Made = TypeVar("Made")


def matches(source: str) -> bool:
    """Whether `source` looks like file.py:function or package.module:function, and is no path that exists."""
    return ":" in source and not Path(source).exists()


def load(source: str) -> Network:
    """The network that the function returns; NetworkError when it fails to. The code in the file is run."""
    place, _, function = source.rpartition(":")
    with _importing_from(Path(place).parent if place.endswith(".py") else Path()):
        module = _run(source, lambda: _module(place))
        make = getattr(module, function, None)
        if not callable(make):
            raise NetworkError(f"'{place}' has no function '{function}'; expected one that returns a marey.Network.")
        network = _run(source, make)
    if not isinstance(network, Network):
        raise NetworkError(f"'{source}' returned {type(network).__name__}; expected a marey.Network.")
    return network


def _run(source: str, code: Callable[[], Made]) -> Made:
    """What the user's code returns; any error of it becomes a NetworkError that names `source`."""
    try:
        return code()
    except MareyError:
        raise
    except Exception as error:
        reason = f": {first_line(error)}" if str(error).strip() else ""
        raise NetworkError(
            f"'{source}' failed with {type(error).__name__}{reason}; "
            "expected a function without arguments that returns a marey.Network."
        ) from error


@contextmanager
def _importing_from(folder: Path) -> Iterator[None]:
    """While inside, imports find the modules in `folder`, as they do where Python itself is given a file."""
    place = str(folder.resolve())
    sys.path.insert(0, place)
    try:
        yield
    finally:
        with suppress(ValueError):
            sys.path.remove(place)


def _module(place: str) -> ModuleType:
    """The module in a file, or the one of that name."""
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
