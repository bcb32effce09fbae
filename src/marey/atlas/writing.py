"""Write an atlas: media first, then pages, the front page last, so that whoever sees it can follow every link."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from marey.atlas.answers import Answer
from marey.atlas.classes import ClassData, class_data
from marey.atlas.clips import DrivenUnits, clip_data
from marey.atlas.commands import atlas_command
from marey.atlas.films import WHEEL
from marey.atlas.folder import AtlasFolder
from marey.atlas.front import front_data, strip
from marey.atlas.guess import FOLDER, PAGE, question_set, questions_script, truth_script
from marey.atlas.guess_twin import (
    answer_files,
    answered_before,
    check_verifiers,
    kept_guesses,
    network_guesses,
    twin_file,
)
from marey.atlas.media import Report, write_media
from marey.atlas.names import Places
from marey.atlas.options import CLIPS, AtlasOptions
from marey.atlas.render import STATIC, Pages
from marey.atlas.sources import Sources, opened
from marey.atlas.ties import KeptTies, kept_ties
from marey.atlas.units import LayerData, UnitData, layer_data, some_units
from marey.draw.chart import THEMES
from marey.findings.guesses import Guesses
from marey.network.network import Network
from marey.network.unit import Unit
from marey.recording import Recording

FRONT = "index.html"
FIRST = "pages that are made first"
"""The name by which `report` is told of the pages of `first`."""


def write_atlas(
    recording: Recording | str | Path,
    *,
    out: str | Path,
    preferred: str | Path | None = None,
    findings: str | Path | None = None,
    explanations: str | Path | None = None,
    network: Network | None = None,
    layers: Sequence[str] | None = None,
    clips: int = CLIPS,
    verifiers: Sequence[Network] = (),
    first: Sequence[Unit] = (),
    report: Report | None = None,
) -> Path:
    """Write web pages of a recorded network to a folder, and return the front page; it opens from disk.

    preferred, findings, explanations
        folders of `marey maximize`, `marey find` and `marey explain`, of the recorded network.
    network
        the recorded one: it tells where in clips units respond, and the strongest inputs and outputs of each unit.
        None: the pages go without.
    layers
        names or patterns ('fusion.*'); None: all recorded layers.
    clips
        how many real clips that drive it most stand on the page of a unit.
    verifiers
        networks that are asked what the guess page asks people; their answers stand in files in the folder `guess`,
        and stay there in later calls, as far as the same is asked.
    first
        units whose pages are made before all others, because somebody waits for them.

    Files that are there and show the same are not made again: after an interruption the same call makes what is
    missing. Pages of an earlier call that this one does not make are removed.

    Raises MareyError for a folder that holds something else, and for results of other weights or clips.
    """
    folders = {"preferred": preferred, "findings": findings, "explanations": explanations}
    sources = opened(recording, **folders, network=network, layers=layers, clips=clips)
    check_verifiers(verifiers, sources.recording, sources.preferred)
    made = AtlasOptions(
        recording=str(sources.recording.folder),
        out=str(out),
        **{name: None if folder is None else str(folder) for name, folder in folders.items()},
        network=network is not None,
        layers=None if layers is None else tuple(layers),
        clips=clips,
        verifiers=(*(one.name for one in verifiers), *answered_before(Path(out), besides=verifiers)),
    )
    command = atlas_command(sources.recording, made)
    folder = AtlasFolder(out, about={"made by": command, "options": made.to_json()})
    making = _Making(sources, tuple(verifiers), folder, (lambda what, done, total: None) if report is None else report)
    making.everything(command, first)
    folder.remove_stale()
    return folder.path / FRONT


@dataclass(frozen=True, eq=False)
class _Making:
    """What an atlas is made from, and where it goes."""

    sources: Sources
    verifiers: Sequence[Network]
    folder: AtlasFolder
    report: Report

    @cached_property
    def classes(self) -> list[ClassData]:
        """Of the network and of the clips."""
        return class_data(self.sources.recording, self.sources.layers, self.sources.findings)

    @cached_property
    def ties(self) -> KeptTies | None:
        """Strongest inputs and outputs, where the network is there to tell."""
        network = self.sources.clips.network
        if network is None:
            return None
        return kept_ties(
            network, self.sources.recording, self.folder, report=lambda done, total: self.report("ties", done, total)
        )

    def everything(self, command: str, first: Sequence[Unit]) -> None:
        """Make all media and all pages, those of the `first` units before all others."""
        sources, clips = self.sources, self.sources.clips
        places = Places(
            layers=sources.layers,
            classes=[one.name for one in self.classes],
            questions=[one.question for one in sources.findings],
        )
        pages = Pages(places, sources, folder=self.folder.path)
        self._first(pages, first)
        numbers = [number for one in self.classes for number in one.all_clips]
        paths = [path for finding in sources.findings for one in finding.evidence for path in one.clips]
        others = {
            *numbers,
            *(number for path in (*paths, *sources.explained) if (number := clips.at(path)) is not None),
        }
        shown = sorted(write_media(sources, self.folder.path, units=None, others=others, report=self.report))
        for path in (WHEEL, *(film.path for number in shown for film in clips.shown(number).films.values())):
            self.folder.keep(path)
        for file in sorted(STATIC.iterdir()):
            self.folder.bytes(f"static/{file.name}", file.read_bytes())
        self._pages(pages, shown, command)

    def _first(self, pages: Pages, units: Sequence[Unit]) -> None:
        """Make the pages of some units, with their media."""
        if not units:
            return
        self.report(FIRST, 0, len(units))
        write_media(self.sources, self.folder.path, units=units, others=(), report=lambda what, done, total: None)
        for done, (data, unit) in enumerate(some_units(self.sources, units, ties=self.ties), 1):
            self._unit(pages, data, unit)
            self.report(FIRST, done, len(units))

    def _pages(self, pages: Pages, shown: Sequence[int], command: str) -> None:
        """Make all pages; `shown` are the clips that have one."""
        sources, places = self.sources, pages.places
        driven = DrivenUnits()
        of_classes: dict[Unit, UnitData] = {}
        strips: dict[str, Sequence[UnitData]] = {}
        known = {one.unit for one in self.classes if one.unit is not None}
        for done, name in enumerate(sources.layers):
            self.report("pages", done, len(sources.layers))
            layer = self._layer(pages, name, driven)
            of_classes |= {unit.unit: unit for unit in layer.units if unit.unit in known}
            strips[name] = strip(layer)
        for one in self.classes:
            unit = None if one.unit is None else of_classes[one.unit]
            self.folder.page(places.class_page(one.name), pages.class_page(one, unit))
        for place in range(len(shown)):
            self._clip(pages, shown, place, driven)
        for answer in sources.answers:
            self._finding(pages, answer)
        data = front_data(
            sources.recording,
            strips,
            preferred=len(sources.preferred),
            findings=sources.findings,
            remarks=[*sources.remarks, *self._gone()],
            command=command,
        )
        guess = self._guess(pages, of_classes)
        self.folder.page(FRONT, pages.front(data, self.classes, of_classes, guess=guess))

    def _layer(self, pages: Pages, name: str, driven: DrivenUnits) -> LayerData:
        """Make the pages of a layer and its units."""
        recording = self.sources.recording
        values = recording.matrix(name)
        driven.add(name, values, recording.maxima([name]).zeros(name), recording.largest(name))
        data = layer_data(self.sources, name, values, ties=self.ties)
        for unit in data.units:
            self._unit(pages, data, unit)
        self.folder.page(pages.places.layer(name), pages.layer(data))
        return data

    def _unit(self, pages: Pages, data: LayerData, unit: UnitData) -> None:
        """Make the page of a unit, and keep its films."""
        films = [film for one in unit.driving for film in one.all_films]
        if unit.preferred is not None:
            films += [film for speed in unit.preferred.speeds for film in speed.films]
        for film in films:
            self.folder.keep(film.path)
        self.folder.page(pages.places.unit(unit.unit.layer, unit.unit.channel), pages.unit(data, unit))

    def _clip(self, pages: Pages, shown: Sequence[int], place: int, driven: DrivenUnits) -> None:
        """Make the page of the clip at a `place` of those shown, and copy what explains it."""
        number = shown[place]
        data = clip_data(self.sources.clips, number, driven=driven, explained=self.sources.explained)
        page = pages.places.clip(number)
        pictures: dict[str, str] = {}
        if data.explained is not None:
            pictures = self._figures(page, data.explained.folder)
            if data.explained.sheet.is_file():
                pictures["sheet"] = f"{page.removesuffix('.html')}-sheet.png"
                self.folder.bytes(pictures["sheet"], data.explained.sheet.read_bytes())
        before = shown[place - 1] if place else None
        after = shown[place + 1] if place + 1 < len(shown) else None
        self.folder.page(page, pages.clip(data, pictures=pictures, before=before, after=after))

    def _guess(self, pages: Pages, of_classes: Mapping[Unit, UnitData]) -> str | None:
        """Make the guess page and return its path; None where too few classes have a preferred input."""
        found = question_set(self.sources.recording, of_classes.values(), self.folder.path)
        if found is None:
            return None
        others: list[Guesses] = []
        for done, one in enumerate(self.verifiers):
            self.report("answers of verifiers", done, len(self.verifiers))
            path = f"{FOLDER}/{twin_file(one)}"
            others.append(network_guesses(one, found, self.sources.recording, self.folder.path / path))
            self.folder.keep(path)
        for file in answer_files(self.folder.path, besides=self.verifiers):
            if (kept := kept_guesses(found, file)) is not None:
                others.append(kept)
                self.folder.keep(f"{FOLDER}/{file.name}")
        self.folder.page(f"{FOLDER}/questions.js", questions_script(found))
        self.folder.page(f"{FOLDER}/truth.js", truth_script(found, others, pages.places))
        self.folder.page(PAGE, pages.guess(found, others))
        return PAGE

    def _finding(self, pages: Pages, answer: Answer) -> None:
        """Make the page of a finding, and copy its figure."""
        page = pages.places.finding(answer.finding.question)
        self.folder.page(page, pages.finding(answer.finding, figures=self._figures(page, answer.folder)))

    def _figures(self, page: str, folder: Path) -> dict[str, str]:
        """Copy the figures of a finding; {theme: path}."""
        figures: dict[str, str] = {}
        for theme in THEMES:
            drawn = folder / f"figure-{theme}.svg"
            if drawn.is_file():
                figures[theme] = f"{page.removesuffix('.html')}-{theme}.svg"
                self.folder.bytes(figures[theme], drawn.read_bytes())
        return figures

    def _gone(self) -> list[str]:
        failed = self.sources.clips.failed
        if not failed:
            return []
        first = next(iter(failed.values()))
        return [f"{len(failed)} clips could not be read again, and are not shown; the first: {first}"]
