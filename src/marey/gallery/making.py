"""Make a show: the clips, then of each network the recording, preferred inputs, answers and the atlas."""

import json
import math
from collections.abc import Iterator, Sequence
from functools import partial
from importlib.util import find_spec
from itertools import count
from pathlib import Path

from marey.atlas.beside import Atlas, write_beside
from marey.atlas.writing import FRONT, write_atlas
from marey.datasets.clips_in import clip_set_in
from marey.draw.chart import save_chart
from marey.families.loading import load
from marey.findings.finding import SUMMARY
from marey.findings.provenance import answered, asked_before, asked_of
from marey.findings.question import Sources
from marey.findings.questions import question
from marey.gallery.show import Exhibit, Show, Sweep
from marey.gallery.work import Report, Stage, Told, in_turn
from marey.maximization.maximization import Maximization, Progress
from marey.maximization.result import FILE, PreferredInput
from marey.maximization.result_folder import ResultFolder
from marey.network.network import Network
from marey.network.unit import Unit
from marey.recording import Recording, record
from marey.recording.chosen_layers import chosen_layers
from marey.recording.layout import SUMMARY as RECORDED
from marey.studies.classes import study_classes
from marey.studies.written import write_study_clips

_CLIP = 0.04
_RECORDED = {"dis": 0.07}
_RECORDED_USUALLY = 1.0
_RECORDED_WITHOUT = 0.05
_STEP = 0.014
_QUESTION = {"specificity": 0.07, "fusion": 0.1, "failures": 0.06}
_QUESTION_USUALLY = 0.25
_PAGE = 0.035
"""Seconds on two cores, as measured with the demo: to make a clip; to record one, by the method of flow or without;
for a step of an input of the whole network; to ask a question of a clip; to show a clip of a unit."""

_ATLAS = {
    "preferred inputs": (0.0, 0.1),
    "clips of units": (0.1, 0.02),
    "clips": (0.12, 0.72),
    "ties": (0.84, 0.08),
    "pages": (0.92, 0.06),
    "answers of verifiers": (0.98, 0.02),
}
"""Where in the making of an atlas each of its parts begins, and how much of it it is."""


def make_show(show: Show, *, out: str | Path, report: Report | None = None) -> Path:
    """Make what a show lacks in the folder `out`, and return the page to open.

    That is the front page of the atlas, or out/index.html, which shows several networks side by side. The clips are in
    out/clips; recording, preferred inputs, findings and atlas of a network in out/NETWORK. After an interruption the
    same call makes what is missing; a second call makes nothing. Preferred inputs that `marey maximize` put there with
    as many steps or more stay, and are shown.

    `report` is told planned seconds; at first their sum over all that is missing.

    Raises MareyError where the folder cannot be written, or holds results of other networks or clips.
    """
    out = Path(out)
    rooms = [_Room(show, exhibit, out) for exhibit in show.exhibits]
    stages = [_clips(show, out), *(stage for room in rooms for stage in room.stages())]
    in_turn(stages, (lambda done, total, what: None) if report is None else report)
    if len(rooms) == 1:
        return rooms[0].front
    return write_beside([room.atlas for room in rooms], out / FRONT)


def _clips(show: Show, out: Path) -> Stage:
    """The stage that makes clips."""
    total = show.clips * len(study_classes())

    def make(told: Told) -> None:
        if there:
            return
        done = count(1)

        def one() -> None:
            made = next(done)
            told(made / total, f"{made} of {total}")

        write_study_clips(
            out, show.clips, show.seed, frames=show.frames, difficulty="natural", truth=False, on_clip=one
        )

    there = _clips_there(show, out, total)
    return Stage("making clips", 0.0 if there else _CLIP * total, make)


def _clips_there(show: Show, out: Path, total: int) -> bool:
    """Whether all clips are there; their list is written last."""
    try:
        lines = [json.loads(line) for line in (out / "factors.jsonl").read_text(encoding="utf-8").splitlines()]
        return len(lines) == total and all(
            line["seed"] == show.seed and (out / line["path"]).is_file() for line in lines
        )
    except (OSError, ValueError, KeyError, TypeError):
        return False


class _Room:
    """One network of a show, and its folder."""

    def __init__(self, show: Show, exhibit: Exhibit, out: Path) -> None:
        self.show, self.exhibit, self.clips = show, exhibit, out / "clips"
        self.folder = out / exhibit.network
        self.network = load(exhibit.network)
        self.front = self.folder / "atlas" / FRONT
        self.name = exhibit.network

    @property
    def recording(self) -> Recording:
        """The recorded network, once it is."""
        return Recording.open(self.folder / "recording")

    @property
    def atlas(self) -> Atlas:
        """Its atlas, once it is made."""
        return Atlas(self.front.parent, self.recording, self.folder / "preferred")

    def stages(self) -> Iterator[Stage]:
        """All that is to be made."""
        clips = self.show.clips * len(study_classes())
        flow = any(stream.kind == "flow" for stream in self.network.streams)
        each = _RECORDED.get(self.show.recording.flow, _RECORDED_USUALLY) if flow else _RECORDED_WITHOUT
        seconds = each * clips
        there = (self.folder / "recording" / RECORDED).is_file()
        yield Stage(f"recording {self.name}", 0.0 if there else seconds, self._record)
        for sweep in self.exhibit.sweeps:
            units = self.network.units(sweep.units)
            results = ResultFolder(self.folder / "preferred", [self.network.label(unit) for unit in units])
            missing = [
                unit
                for unit, name in zip(units, results.names, strict=True)
                if not (results.path / name / FILE).is_file()
            ]
            seconds = sum(_seconds(self.network, unit, sweep) for unit in missing)
            yield Stage(f"preferred inputs of {self.name}", seconds, partial(self._maximize, sweep, units, results))
        for name in self.exhibit.questions:
            there = (self.folder / "findings" / name / SUMMARY).is_file()
            seconds = 0.0 if there else _QUESTION.get(name, _QUESTION_USUALLY) * clips
            yield Stage(f"asking {self.name} about {name}", seconds, partial(self._ask, name))
        recorded = sum(layer.units for layer in chosen_layers(self.network, self.exhibit.layers))
        seconds = 0.0 if self.front.is_file() else _PAGE * recorded * self.exhibit.clips
        yield Stage(f"pages of {self.name}", seconds, self._atlas)

    def _record(self, told: Told) -> None:
        record(
            self.network,
            clip_set_in(self.clips.resolve()).clips,
            self.exhibit.layers,
            out=self.folder / "recording",
            settings=self.show.recording,
            report=lambda done, total: told(done / total, f"{done} of {total} clips"),
        )

    def _maximize(self, sweep: Sweep, units: Sequence[Unit], results: ResultFolder, told: Told) -> None:
        """Make the preferred inputs that are not there; KeyboardInterrupt where Ctrl-C ends it."""
        done = 0

        def follow(progress: Progress) -> None:
            told(progress.done / progress.planned, f"{done} of {len(units)} units")

        maxima = self.recording.maxima(sorted({unit.layer for unit in units}))
        run = Maximization(self.network, units, recipe=sweep.recipe, maxima=maxima, callback=follow)
        same, other = results.found(run)
        kept = same | {place for place in other if self._stays(results.open(results.names[place]), sweep)}
        done = len(kept)
        for place, result in run.results(besides=kept):
            if not run.interrupted:
                results.write(results.names[place], result)
                done += 1
        if run.interrupted:
            raise KeyboardInterrupt

    def _stays(self, result: PreferredInput, sweep: Sweep) -> bool:
        """Whether a result with other settings is as good as the one to be made: one that somebody made to see more."""
        made = result.provenance
        steps = made.get("recipe", {}).get("steps", 0)
        return bool(made.get("weights_sha256") == self.network.weights_hash and steps >= sweep.recipe.steps)

    def _ask(self, name: str, told: Told) -> None:
        late, verifier = (
            None if other is None else load(other) for other in (self.exhibit.late, self.exhibit.verifier)
        )
        sources = Sources(
            self.recording,
            self.network,
            late,
            verifier,
            self.folder / "preferred" if self.exhibit.sweeps else None,
            flow=self.show.recording.flow,
            report=lambda done, total: told(done / total, ""),
        )
        asked = asked_of(question(name), sources)
        folder = self.folder / "findings" / name
        if asked_before(folder, asked) is None:
            found = answered(question(name), sources, folder, asked=asked)
            if find_spec("matplotlib") is not None:  # the numbers are there either way
                save_chart(found.chart, folder)

    def _atlas(self, told: Told) -> None:
        def follow(what: str, done: int, total: int) -> None:
            begin, part = _ATLAS[what]
            told(begin + part * done / max(1, total), f"{what} {done} of {total}")

        write_atlas(
            self.recording,
            out=self.folder / "atlas",
            preferred=self.folder / "preferred" if self.exhibit.sweeps else None,
            findings=self.folder / "findings" if self.exhibit.questions else None,
            network=self.network,
            clips=self.exhibit.clips,
            verifiers=[] if self.exhibit.verifier is None else [load(self.exhibit.verifier)],
            report=follow,
        )


def _seconds(network: Network, unit: Unit, sweep: Sweep) -> float:
    """How long the preferred input of a unit takes, by how much of the whole input it sees."""
    streams = {stream.name: stream for stream in network.streams}
    seen = 0
    for name, (t, y, x) in network.layer(unit.layer).receptive_field.streams.items():
        stream = streams[name]
        channels = math.prod(stream.shape) // (stream.frames * stream.height * stream.width)
        seen += channels * min(t.length, stream.frames) * min(y.length, stream.height) * min(x.length, stream.width)
    whole = sum(math.prod(stream.shape) for stream in network.streams)
    return _STEP * sweep.recipe.steps * len(sweep.recipe.slowness) * seen / whole
