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
    from marey.maxima import unit_maxima
    from marey.maximization import maximize
    from marey.mosaic import maximize_mosaic
    from marey.network import Network
    from marey.networks.loading import load
    from marey.objectives import Objective, direction, unit
    from marey.preferred_input import PreferredInput
    from marey.recipe import Recipe
    from marey.regularizers import energy, variation
    from marey.streams import Stream, Windows, flow_stacks, rgb_frames
    from marey.units import Unit

__all__ = [
    "MareyError",
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
    "unit_maxima",
    "variation",
]

_HOMES = {
    "MareyError": "marey.errors",
    "Network": "marey.network",
    "Objective": "marey.objectives",
    "PreferredInput": "marey.preferred_input",
    "Recipe": "marey.recipe",
    "Stream": "marey.streams",
    "Unit": "marey.units",
    "Windows": "marey.streams",
    "direction": "marey.objectives",
    "energy": "marey.regularizers",
    "flow_stacks": "marey.streams",
    "load": "marey.networks.loading",
    "maximize": "marey.maximization",
    "maximize_mosaic": "marey.mosaic",
    "rgb_frames": "marey.streams",
    "unit": "marey.objectives",
    "unit_maxima": "marey.maxima",
    "variation": "marey.regularizers",
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
