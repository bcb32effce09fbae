"""A unit maximized on demand: pictures while they form, the folder of its preferred input, and its pages anew."""

import math
import time
from collections.abc import Callable

from torch import Tensor

from marey.atlas.preferred import preferred_units
from marey.atlas.serve.made import MadeAtlas
from marey.atlas.serve.told import LivePicture, MaximizeUnit, Step
from marey.atlas.writing import FIRST
from marey.draw.color_wheel import nice_max_px
from marey.draw.exemplars import REAL_CLIPS
from marey.draw.film import film, film_size
from marey.draw.preferred_input import SHEET, VIDEO, draw
from marey.errors import MareyError
from marey.maximization.maximization import Maximization, Progress
from marey.maximization.result import FILE
from marey.maximization.result_folder import ResultFolder
from marey.network.network import Network
from marey.network.unit import Unit
from marey.recording import Recording, check_same_weights
from marey.video.encode import webp

_QUALITY = 70
"""Of WebP."""

_SECONDS = 1.5
"""From one drawing of what forms to the next: to draw takes time from the optimization."""


def maximized(
    task: MaximizeUnit,
    *,
    network: Network,
    recording: Recording | None,
    made: MadeAtlas,
    tell: Callable[[Step], None],
) -> None:
    """Make the preferred input of a unit, unless it is there with these settings, and then the pages that show it.

    Raises MareyError where it cannot be made.
    """
    if recording is None:
        raise MareyError(f"the recording '{made.recorded}' of this atlas is gone; record the network again.")
    check_same_weights(recording, network)
    unit = recording.unit(Unit.parse(task.unit))
    tell(Step("looking for results", 0, None))
    place = made.results
    if any(place.rglob(FILE)):  # refuses results that are of other weights, before the long part
        there = preferred_units(place, recording)[0].get(unit)
        place = place if there is None else there.folder.parent
    tell(Step("measuring responses", 0, None))
    run = Maximization(
        network,
        [unit],
        recipe=task.recipe,
        maxima=recording.maxima([unit.layer]),
        callback=_Forming(network, tell).follow,
    )
    folder = ResultFolder(place, [network.label(unit)], pictures=(SHEET, VIDEO, *REAL_CLIPS))
    finished, _ = folder.found(run)
    for number, result in run.results(besides=finished):
        tell(Step("drawing", 0, None))
        folder.write(folder.names[number], result, draw)
    shown = False

    def follow(what: str, done: int, total: int) -> None:
        nonlocal shown
        shown = shown or (what == FIRST and done == total)
        tell(Step(f"making the pages: {what}", done, total, shown=shown))

    made.make_again(network, unit, follow)


class _Forming:
    """Tells the steps of a maximization, and now and then what the inputs look like."""

    def __init__(self, network: Network, tell: Callable[[Step], None]) -> None:
        self._network, self._tell = network, tell
        self._drawn = self._told = float("-inf")

    def follow(self, progress: Progress) -> None:
        """Tell of one step."""
        now = time.monotonic()
        pictures: tuple[LivePicture, ...] = ()
        if now - self._drawn >= _SECONDS and not progress.free:
            pictures = tuple(self._pictures(progress))
            self._drawn = time.monotonic()
        elif now - self._told < 0.1:
            return
        self._told = now
        score = float(progress.scores.nanmean())
        what = "maximizing a free clip, to compare" if progress.free else "maximizing"
        note = "" if math.isnan(score) else f"score {score:.2f}"  # none where all have settled
        self._tell(Step(what, progress.done, progress.planned, note, pictures))

    def _pictures(self, progress: Progress) -> list[LivePicture]:
        """Appearance and motion of every input, slow to fast."""
        scores = progress.scores.tolist()
        videos = {
            kind: progress.frames[stream.name].detach().float().cpu()
            for kind in ("rgb", "flow")
            for stream in self._network.streams
            if stream.kind == kind and stream.name in progress.frames
        }
        max_px = nice_max_px(videos["flow"].movedim(1, 2)) if "flow" in videos else 1.0
        found = []
        for place in sorted(range(len(scores)), key=lambda at: -progress.slowness[at]):
            score = "" if math.isnan(scores[place]) else f", score {scores[place]:.2f}"
            words = f"slowness {progress.slowness[place]:g}{score}"
            found += [_picture(words, kind, video[place], max_px) for kind, video in videos.items()]
        return found


def _picture(words: str, kind: str, clip: Tensor, max_px: float) -> LivePicture:
    frames, height, width = film_size(*clip.shape[1:])
    shows = {"rgb": "appearance", "flow": "motion"}[kind]
    drawn = webp(film(clip, max_px=max_px), quality=_QUALITY)
    return LivePicture(words, shows, frames, height, width, drawn)
