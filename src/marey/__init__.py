"""See what a video network has learned: the appearance and motion that excite any of its units most.

>>> import marey
>>> str(marey.Unit.parse("fusion.conv5:21"))
'fusion.conv5:21'
"""

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from marey._version import __version__

if TYPE_CHECKING:
    from marey.errors import MareyError
    from marey.families.loading import load
    from marey.maximization.mosaic import maximize_mosaic
    from marey.maximization.objectives import Objective, direction, unit
    from marey.maximization.recipe import Recipe
    from marey.maximization.regularizers import energy, variation
    from marey.maximization.result import PreferredInput
    from marey.maximization.run import maximize
    from marey.network.maxima import Maxima
    from marey.network.network import Network
    from marey.network.stream import Stream, Windows, flow_stacks, rgb_frames
    from marey.network.unit import Unit

__all__ = [
    "MareyError",
    "Maxima",
    "Network",
    "Objective",
    "PreferredInput",
    "Recipe",
    "Stream",
    "Unit",
    "Windows",
    "__version__",
    "direction",
    "energy",
    "flow_stacks",
    "load",
    "maximize",
    "maximize_mosaic",
    "rgb_frames",
    "unit",
    "variation",
]

_HOMES = {
    "MareyError": "marey.errors",
    "Maxima": "marey.network.maxima",
    "Network": "marey.network.network",
    "Objective": "marey.maximization.objectives",
    "PreferredInput": "marey.maximization.result",
    "Recipe": "marey.maximization.recipe",
    "Stream": "marey.network.stream",
    "Unit": "marey.network.unit",
    "Windows": "marey.network.stream",
    "direction": "marey.maximization.objectives",
    "energy": "marey.maximization.regularizers",
    "flow_stacks": "marey.network.stream",
    "load": "marey.families.loading",
    "maximize": "marey.maximization.run",
    "maximize_mosaic": "marey.maximization.mosaic",
    "rgb_frames": "marey.network.stream",
    "unit": "marey.maximization.objectives",
    "variation": "marey.maximization.regularizers",
}


def __getattr__(name: str) -> Any:
    """What the package offers, and its modules, loaded when they are first asked for: torch takes a second."""
    if name in _HOMES:
        value = getattr(import_module(_HOMES[name]), name)
    elif not name.startswith("_") and find_spec(f"marey.{name}") is not None:
        value = import_module(f"marey.{name}")
    else:
        raise AttributeError(f"module 'marey' has no attribute '{name}'")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
