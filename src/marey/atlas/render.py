"""Pages as text: every name is escaped, every address is relative."""

from collections.abc import Mapping, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from marey.atlas.answers import measured
from marey.atlas.classes import ClassData
from marey.atlas.clips import ClipData
from marey.atlas.commands import network_word
from marey.atlas.films import WHEEL
from marey.atlas.front import FrontData
from marey.atlas.guess import PAGE, QuestionSet
from marey.atlas.names import Places, link
from marey.atlas.sources import Sources
from marey.atlas.units import LayerData, UnitData
from marey.atlas.words import many, name_parts
from marey.errors import NetworkError
from marey.findings.finding import Finding
from marey.findings.guesses import Guesses
from marey.network.unit import Unit

STATIC = Path(__file__).with_name("static")
"""The style sheet and the script of all pages."""


@lru_cache
def templates(*folders: Path) -> Environment:
    """The templates of pages, and of further `folders`, which come first."""
    loader = FileSystemLoader([*folders, Path(__file__).with_name("templates")])
    # autoescape: names of classes, files and layers are text, whatever they are
    found = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    found.filters["percent"] = lambda value: f"{100 * value:.2f}%"
    found.filters["short"] = lambda value: f"{value:.3g}"
    found.filters["many"] = many
    found.filters["name_parts"] = name_parts
    return found


class Pages:
    """Renders the pages of one atlas, whose pages lie in `places`."""

    def __init__(self, places: Places, sources: Sources, *, folder: Path) -> None:
        """`folder` holds the atlas, whose media are there already."""
        self.places, self._sources = places, sources
        self._shared = {
            "network": sources.recording.summary["network"]["name"],
            "net": network_word(sources.recording),
            "places": places,
            "layers": list(sources.layers),
            "says_classes": sources.recording.summary["network"]["scores"] is not None,
            "folder": folder,
            "wheel": WHEEL,
            "clips": sources.clips,
            "unit_name": sources.unit_name,
        }

    def _page(self, name: str, path: str, **values: Any) -> str:
        return (
            templates()
            .get_template(f"{name}.html")
            .render(**self._shared, page=path, to=partial(link, page=path), **values)
        )

    def front(
        self, data: FrontData, classes: Sequence[ClassData], units: Mapping[Unit, UnitData], *, guess: str | None
    ) -> str:
        """The front page, `index.html`; `units` are the class scores, `guess` is the page of their questions."""
        return self._page("front", "index.html", data=data, classes=classes, units=units, guess=guess)

    def guess(self, data: QuestionSet, others: Sequence[Guesses]) -> str:
        """The page that asks which action is shown; `others` are networks that were asked, too."""
        return self._page("guess", PAGE, data=data, others=others)

    def layer(self, data: LayerData) -> str:
        """The page of a layer: all its units."""
        options: dict[str, list[str]] = {}
        numbers: set[str] = set()
        for unit in data.units:
            for name, value in unit.facets.items():
                if isinstance(value, str):
                    options.setdefault(name, []).append(value)
                else:
                    numbers.add(name)
        facets = {name: sorted(set(values)) for name, values in options.items() if len(set(values)) > 1}
        return self._page(
            "layer", self.places.layer(data.layer.name), data=data, facets=facets, numbers=sorted(numbers)
        )

    def unit(self, data: LayerData, unit: UnitData) -> str:
        """The page of a unit."""
        path = self.places.unit(unit.unit.layer, unit.unit.channel)
        values = [value for one in unit.by_class for value in (one.low, one.high, *(one.chance or ()))]
        low, high = min(values, default=0.0), max(values, default=1.0)

        def part(value: float) -> float:
            """Where a response lies on the axis of all classes, 0 to 1."""
            return (value - low) / (high - low) if high > low else 0.5

        count = self._sources.recording.layer(unit.unit.layer).units
        command = self._sources.command(unit.unit)
        return self._page("unit", path, data=data, unit=unit, count=count, command_line=command, part=part)

    def single(self, *, bodies: Sequence[str], listed: Sequence[tuple[str, str]], style: str, script: str) -> str:
        """A page of the `bodies` of several units, which are HTML; `listed` are their addresses and names."""
        return self._page("single", "single.html", bodies=bodies, listed=listed, style=style, script=script)

    def clip(self, data: ClipData, *, pictures: Mapping[str, str], before: int | None, after: int | None) -> str:
        """The page of a clip; `pictures` are paths of what explains it, `before` and `after` other clips."""
        path = self.places.clip(data.clip.number)
        return self._page(
            "clip", path, data=data, pictures=pictures, before=before, after=after, unit_page=self._unit_page
        )

    def class_page(self, data: ClassData, unit: UnitData | None) -> str:
        """The page of a class; `unit` is its score."""
        return self._page("class", self.places.class_page(data.name), data=data, unit=unit)

    def finding(self, finding: Finding, *, figures: Mapping[str, str]) -> str:
        """The page of a finding; `figures` are paths by theme."""
        path = self.places.finding(finding.question)
        rows = measured(finding)
        return self._page("finding", path, finding=finding, figures=figures, rows=rows, unit_page=self._unit_page)

    def _unit_page(self, address: str | None) -> str | None:
        """The page of a unit by its address; None where the atlas has none."""
        try:
            unit = None if address is None else self._sources.recording.unit(address)
            return None if unit is None else self.places.unit(unit.layer, unit.channel)
        except (NetworkError, KeyError):
            return None
