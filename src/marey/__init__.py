"""See what a video network has learned: the appearance and motion that excite any of its units most.

>>> import marey
>>> str(marey.Unit.parse("fusion.conv5:21"))
'fusion.conv5:21'
"""

from marey._version import __version__
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
