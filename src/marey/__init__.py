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
    from marey.atlas.single_page import write_single_page
    from marey.atlas.writing import write_atlas
    from marey.errors import MareyError
    from marey.families.loading import load
    from marey.findings.guess_sums import sum_guesses
    from marey.maximization.maximization import Progress
    from marey.maximization.mosaic import maximize_mosaic
    from marey.maximization.moved import Moved
    from marey.maximization.objectives import Objective, Term, direction, unit
    from marey.maximization.parametrizations import Fourier, Parametrization, Pixels, Rendered
    from marey.maximization.priors import Energy, Prior, Scene, Variation
    from marey.maximization.recipe import Recipe
    from marey.maximization.result import PreferredInput
    from marey.maximization.run import maximize
    from marey.maximization.transforms import Shift, Transform
    from marey.network.maxima import Maxima
    from marey.network.network import Network
    from marey.network.stream import Stream, flow_stacks, rgb_frames
    from marey.network.unit import Unit
    from marey.network.windows import Windows
    from marey.recording import Recording, measure_maxima, record

__all__ = [
    "Energy",
    "Fourier",
    "MareyError",
    "Maxima",
    "Moved",
    "Network",
    "Objective",
    "Parametrization",
    "Pixels",
    "PreferredInput",
    "Prior",
    "Progress",
    "Recipe",
    "Recording",
    "Rendered",
    "Scene",
    "Shift",
    "Stream",
    "Term",
    "Transform",
    "Unit",
    "Variation",
    "Windows",
    "__version__",
    "direction",
    "flow_stacks",
    "load",
    "maximize",
    "maximize_mosaic",
    "measure_maxima",
    "record",
    "rgb_frames",
    "sum_guesses",
    "unit",
    "write_atlas",
    "write_single_page",
]

_HOMES = {
    "Energy": "marey.maximization.priors",
    "Fourier": "marey.maximization.parametrizations",
    "MareyError": "marey.errors",
    "Maxima": "marey.network.maxima",
    "Moved": "marey.maximization.moved",
    "Network": "marey.network.network",
    "Objective": "marey.maximization.objectives",
    "Parametrization": "marey.maximization.parametrizations",
    "Pixels": "marey.maximization.parametrizations",
    "PreferredInput": "marey.maximization.result",
    "Prior": "marey.maximization.priors",
    "Progress": "marey.maximization.maximization",
    "Recipe": "marey.maximization.recipe",
    "Recording": "marey.recording",
    "Rendered": "marey.maximization.parametrizations",
    "Scene": "marey.maximization.priors",
    "Shift": "marey.maximization.transforms",
    "Stream": "marey.network.stream",
    "Term": "marey.maximization.objectives",
    "Transform": "marey.maximization.transforms",
    "Unit": "marey.network.unit",
    "Variation": "marey.maximization.priors",
    "Windows": "marey.network.windows",
    "direction": "marey.maximization.objectives",
    "flow_stacks": "marey.network.stream",
    "load": "marey.families.loading",
    "maximize": "marey.maximization.run",
    "maximize_mosaic": "marey.maximization.mosaic",
    "measure_maxima": "marey.recording",
    "record": "marey.recording",
    "rgb_frames": "marey.network.stream",
    "sum_guesses": "marey.findings.guess_sums",
    "unit": "marey.maximization.objectives",
    "write_atlas": "marey.atlas.writing",
    "write_single_page": "marey.atlas.single_page",
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
