"""Pages as text: every name is escaped, every address is relative."""

from collections.abc import Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from marey.atlas.classes import ClassData
from marey.atlas.driving import RealClips
from marey.atlas.films import WHEEL
from marey.atlas.front import FrontData
from marey.atlas.guess import PAGE, QuestionSet
from marey.atlas.names import Places, link
from marey.atlas.units import LayerData, UnitData
from marey.errors import NetworkError
from marey.findings.finding import Finding
from marey.findings.guesses import Guesses
from marey.findings.measure import Measure
from marey.network.unit import Unit
from marey.recording import Recording

STATIC = Path(__file__).with_name("static")
"""The style sheet and the script of all pages."""


class Pages:
    """Renders the pages of one atlas, whose pages lie in `places`."""

    def __init__(self, places: Places, recording: Recording, *, layers: Sequence[str], folder: Path) -> None:
        """`folder` is that of the atlas, whose media are there already."""
        self.places, self._recording = places, recording
        self._shared = {
            "network": recording.summary["network"]["name"],
            "places": places,
            "layers": list(layers),
            "folder": folder,
            "wheel": WHEEL,
        }

    @cached_property
    def _templates(self) -> Environment:
        loader = FileSystemLoader(Path(__file__).with_name("templates"))
        # autoescape: names of classes, files and layers are text, whatever they are
        templates = Environment(
            loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
        )
        templates.filters["percent"] = lambda value: f"{100 * value:.2f}%"
        templates.filters["short"] = lambda value: f"{value:.3g}"
        return templates

    def _page(self, name: str, path: str, **values: Any) -> str:
        template: Template = self._templates.get_template(f"{name}.html")
        return template.render(**self._shared, page=path, to=partial(link, page=path), **values)

    def front(
        self, data: FrontData, classes: Sequence[ClassData], units: Mapping[Unit, UnitData], *, guess: str | None
    ) -> str:
        """The front page, `index.html`; `units` are those of the class scores, `guess` the page of their questions."""
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

    def unit(self, data: LayerData, unit: UnitData, *, clips: RealClips, command: str) -> str:
        """The page of a unit; `command` makes its preferred input."""
        path = self.places.unit(unit.unit.layer, unit.unit.channel)
        values = [value for one in unit.by_class for value in (one.low, one.high)]
        low, high = min(values, default=0.0), max(values, default=1.0)

        def part(value: float) -> float:
            """Where a response lies on the axis of all classes, 0 to 1."""
            return (value - low) / (high - low) if high > low else 0.5

        return self._page("unit", path, data=data, unit=unit, clips=clips, command_line=command, part=part)

    def class_page(self, data: ClassData, unit: UnitData | None) -> str:
        """The page of a class; `unit` is that of its score."""
        return self._page("class", self.places.class_page(data.name), data=data, unit=unit)

    def finding(self, finding: Finding, *, figures: dict[str, str], names: dict[str, str]) -> str:
        """The page of a finding; `figures` are paths by theme, `names` those of clips that are shown."""
        path = self.places.finding(finding.question)
        groups: dict[str, list[Measure]] = {"The network": list(finding.measures)}
        if finding.nulls:
            groups["What has nothing to find"] = list(finding.nulls)
        return self._page(
            "finding", path, finding=finding, figures=figures, groups=groups, names=names, unit_page=self._unit_page
        )

    def _unit_page(self, address: str | None) -> str | None:
        """The page of a unit by its address; None where the atlas has none."""
        try:
            unit = None if address is None else self._recording.unit(address)
            return None if unit is None else self.places.unit(unit.layer, unit.channel)
        except (NetworkError, KeyError):
            return None
