"""Write an atlas: media first, then pages, the front page last, so that whoever sees it can follow every link."""

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from marey.atlas.answers import Answer, found_answers
from marey.atlas.classes import class_data
from marey.atlas.driving import Driving, RealClips, by_clip
from marey.atlas.films import WHEEL, write_wheel
from marey.atlas.folder import AtlasFolder
from marey.atlas.front import front_data, maximize_command
from marey.atlas.names import Places
from marey.atlas.preferred import Preferred, preferred_units
from marey.atlas.render import STATIC, Pages
from marey.atlas.units import UnitData, layer_data
from marey.draw.chart import THEMES
from marey.errors import MareyError, NetworkError, did_you_mean
from marey.findings.finding import Finding
from marey.network.unit import Unit
from marey.recording import Recording

Report = Callable[[str, int, int], None]
"""Told what is made, how much of it is done, and of how much."""

FRONT = "index.html"
CLIPS = 6
"""Real clips on the page of a unit."""


def write_atlas(
    recording: Recording | str | Path,
    *,
    out: str | Path,
    preferred: str | Path | None = None,
    findings: str | Path | None = None,
    layers: Sequence[str] | None = None,
    clips: int = CLIPS,
    report: Report | None = None,
) -> Path:
    """Write web pages of a recorded network to a folder, and return the front page; it opens from disk.

    preferred, findings
        folders of `marey maximize` and `marey find`, of the recorded network.
    layers
        names or patterns ('fusion.*'); None: all recorded layers.
    clips
        how many real clips stand on the page of a unit.

    Files that are there and show the same are not made again: after an interruption the same call makes what is
    missing. Pages of an earlier call that this one does not make are removed.

    Raises MareyError for a folder that holds something else, and for results of other weights or clips.
    """
    recording = recording if isinstance(recording, Recording) else Recording.open(recording)
    if clips < 1:
        raise MareyError(f"clips is {clips}; expected how many stand on the page of a unit, at least 1.")
    names = chosen_layers(recording, layers)
    shown, others = ({}, 0) if preferred is None else preferred_units(preferred, recording)
    answers = [] if findings is None else found_answers(findings, recording)
    command = _command(recording, out=out, preferred=preferred, findings=findings, layers=layers, clips=clips)
    folder = AtlasFolder(out, command=command)
    making = _Making(
        recording,
        names,
        {unit: one for unit, one in shown.items() if unit.layer in names},
        answers,
        RealClips(recording, clips),
        folder,
        "preferred" if preferred is None else str(preferred),
        (lambda what, done, total: None) if report is None else report,
    )
    making.media()
    remarks = [] if not others else [f"{others} preferred inputs are of no single recorded unit and are not shown."]
    making.pages(command, remarks)
    folder.remove_stale()
    return folder.path / FRONT


@dataclass(frozen=True, eq=False)
class _Making:
    """What an atlas is made from, and where it goes."""

    recording: Recording
    layers: tuple[str, ...]
    preferred: Mapping[Unit, Preferred]
    answers: Sequence[Answer]
    clips: RealClips
    folder: AtlasFolder
    preferred_folder: str
    report: Report

    def media(self) -> None:
        """Make the films that are missing, those of each clip together."""
        path = self.folder.path
        write_wheel(path)
        self.folder.keep(WHEEL)
        for done, one in enumerate(self.preferred.values()):
            self.report("preferred inputs", done, len(self.preferred))
            one.write(path)
        missing: dict[int, list[Driving]] = {}
        for done, name in enumerate(self.layers):
            self.report("clips of units", done, len(self.layers))
            ordinary = self.recording.maxima([name]).zeros(name).tolist()
            for channel, value in enumerate(ordinary):
                for number, own in by_clip(self.clips.driving(name, channel, value), path).items():
                    missing.setdefault(number, []).extend(own)
        for done, (number, driven) in enumerate(sorted(missing.items())):
            self.report("clips", done, len(missing))
            self.clips.write(number, driven, path)

    def pages(self, command: str, remarks: Sequence[str]) -> None:
        """Make all pages."""
        findings = [one.finding for one in self.answers]
        classes = class_data(self.recording, self.layers, findings)
        places = Places(
            layers=self.layers,
            classes=[one.name for one in classes],
            questions=[one.question for one in findings],
        )
        pages = Pages(places, self.recording, layers=self.layers, folder=self.folder.path)
        for file in sorted(STATIC.iterdir()):
            self.folder.bytes(f"static/{file.name}", file.read_bytes())
        of_classes: dict[Unit, UnitData] = {}
        known = {one.unit for one in classes if one.unit is not None}
        for done, name in enumerate(self.layers):
            self.report("pages", done, len(self.layers))
            of_classes |= self._layer(pages, name, findings, known)
        for one in classes:
            unit = None if one.unit is None else of_classes[one.unit]
            self.folder.page(places.class_page(one.name), pages.class_page(one, unit))
        for answer in self.answers:
            self._finding(pages, answer)
        data = front_data(
            self.recording,
            self.layers,
            preferred=self.preferred,
            findings=findings,
            remarks=[*remarks, *self._gone()],
            command=command,
        )
        self.folder.page(FRONT, pages.front(data, classes, of_classes))

    def _layer(self, pages: Pages, name: str, findings: Sequence[Finding], known: set[Unit]) -> dict[Unit, UnitData]:
        """Make the pages of a layer and its units, and return the `known` ones among these."""
        data = layer_data(self.recording, name, preferred=self.preferred, findings=findings, clips=self.clips)
        for unit in data.units:
            films = [film for one in unit.driving for film in one.films.values()]
            if unit.preferred is not None:
                films += [film for speed in unit.preferred.speeds for film in speed.films]
            for film in films:
                self.folder.keep(film.path)
            command = maximize_command(self.recording, unit.unit, self.preferred_folder)
            text = pages.unit(data, unit, clips=self.clips, command=command)
            self.folder.page(pages.places.unit(name, unit.unit.channel), text)
        self.folder.page(pages.places.layer(name), pages.layer(data))
        return {unit.unit: unit for unit in data.units if unit.unit in known}

    def _finding(self, pages: Pages, answer: Answer) -> None:
        """Make the page of a finding, and copy its figure."""
        page = pages.places.finding(answer.finding.question)
        figures: dict[str, str] = {}
        for theme in THEMES:
            drawn = answer.folder / f"figure-{theme}.svg"
            if drawn.is_file():
                figures[theme] = f"{page.removesuffix('.html')}-{theme}.svg"
                self.folder.bytes(figures[theme], drawn.read_bytes())
        names = {path: self.clips.named(path) for one in answer.finding.evidence for path in one.clips}
        self.folder.page(page, pages.finding(answer.finding, figures=figures, names=names))

    def _gone(self) -> list[str]:
        failed = self.clips.failed
        if not failed:
            return []
        first = next(iter(failed.values()))
        return [f"{len(failed)} clips could not be read again, and are not shown; the first: {first}"]


def chosen_layers(recording: Recording, patterns: Sequence[str] | None) -> tuple[str, ...]:
    """The recorded layers that match any of the patterns, in the order of the network."""
    if patterns is None:
        return tuple(recording.layers)
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in recording.layers):
            raise NetworkError(
                f"no layer '{pattern}' in the recording '{recording.folder}'."
                f"{did_you_mean(pattern, recording.layers)} It has {', '.join(list(recording.layers)[:12])}."
            )
    return tuple(name for name in recording.layers if any(fnmatchcase(name, pattern) for pattern in patterns))


def _command(
    recording: Recording,
    *,
    out: str | Path,
    preferred: str | Path | None,
    findings: str | Path | None,
    layers: Sequence[str] | None,
    clips: int,
) -> str:
    """The command line that makes the atlas again."""
    words = ["marey", "atlas", str(recording.folder)]
    words += [] if preferred is None else ["--preferred", str(preferred)]
    words += [] if findings is None else ["--findings", str(findings)]
    words += [] if layers is None else ["--layers", ",".join(layers)]
    words += [] if clips == CLIPS else ["--clips", str(clips)]
    return shlex.join([*words, "--out", str(out)])
