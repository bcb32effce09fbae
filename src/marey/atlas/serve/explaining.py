"""A clip explained on demand, with its frames under the heat of the units that made the difference."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from marey.atlas.serve.told import ExplainClip, Explained, LivePicture, SeenUnit, Step
from marey.draw.film import MOST_FRAMES
from marey.draw.heat_loop import heat_loop
from marey.errors import MareyError
from marey.findings.explain import explain
from marey.findings.explanation import Explanation, UnitSeen
from marey.network.network import Network
from marey.recording import Recording
from marey.video.encode import webp
from marey.video.flow.methods import Method

_CLASSES = 5


def explained(
    task: ExplainClip, *, network: Network, recording: Recording | None, tell: Callable[[Step], None]
) -> Explained:
    """Explain a clip as `marey explain` does; MareyError, in which the clip has its shown name, where that fails."""
    tell(Step("reading the clip", 0, None))
    flow: Method = "tvl1-fast" if recording is None else recording.summary["settings"].get("flow") or "tvl1-fast"
    try:
        with _kept_in(task.private):
            found = explain(
                network,
                task.clip,
                instead=task.instead,
                recording=recording,
                flow=flow,
                report=lambda done, total: tell(Step("asking units", done, total)),
            )
    except MareyError as error:
        told = str(error).replace(str(task.clip.path), task.name).replace("--instead", "'instead of'")
        raise MareyError(told) from None
    tell(Step("drawing", 0, None))
    return _shown(found, task.name)


@contextmanager
def _kept_in(private: Path | None) -> Iterator[None]:
    """While inside, flow and frames are kept in this folder and not in the cache; None: in the cache."""
    before = os.environ.get("MAREY_CACHE")
    if private is not None:
        os.environ["MAREY_CACHE"] = str(private / "cache")
    try:
        yield
    finally:
        if before is None:
            os.environ.pop("MAREY_CACHE", None)
        else:
            os.environ["MAREY_CACHE"] = before


def _shown(found: Explanation, name: str) -> Explained:
    finding = found.finding
    table = finding.tables["classes"].to_pydict()
    classes = sorted(zip(table["class"], table["probability"], strict=True), key=lambda one: -one[1])[:_CLASSES]
    return Explained(
        name=name,
        sentence=finding.sentence,
        classes=tuple(classes),
        measures=tuple((f"{one.name}: {one.of}", str(one)) for one in (*finding.measures, *finding.nulls)),
        remarks=tuple(finding.remarks),
        units=tuple(_unit(one) for one in found.seen),
    )


def _unit(seen: UnitSeen) -> SeenUnit:
    picture = None
    if seen.loaded.pictures:
        loop = heat_loop(seen.loaded, seen.heat)
        count = min(MOST_FRAMES, len(loop))
        frames = loop[np.linspace(0, len(loop) - 1, count).round().astype(int)]
        height, width = frames.shape[1:3]
        drawn = webp(np.concatenate(list(frames), axis=1), quality=70)
        picture = LivePicture("", f"the clip under the heat of {seen.unit}", count, height, width, drawn)
    top = tuple(dict.fromkeys(label or "no class" for _, label in seen.top))
    return SeenUnit(seen.unit, seen.effect, seen.seconds, top, picture)
