"""Make the media that pages need and a folder lacks: preferred inputs, then clips, each of which is read once."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from marey.atlas.driving import Driving, by_clip
from marey.atlas.films import write_wheel
from marey.atlas.sources import Sources
from marey.atlas.units import quantile_rows
from marey.network.unit import Unit

Report = Callable[[str, int, int], None]
"""Told what is made, how much of it is done, and of how much."""


def write_media(
    sources: Sources, folder: Path, *, units: Sequence[Unit] | None, others: Iterable[int], report: Report
) -> set[int]:
    """Make films of `units` (None: all of the layers) and of the `others` among the clips.

    Returns the numbers of all clips that are shown.
    """
    write_wheel(folder)
    preferred = [one for unit, one in sources.preferred.items() if units is None or unit in units]
    for done, one in enumerate(preferred):
        report("preferred inputs", done, len(preferred))
        one.write(folder)
    shown = set(others)
    missing: dict[int, list[Driving]] = {}
    for done, name in enumerate(sources.layers):
        report("clips of units", done, len(sources.layers))
        every = range(sources.recording.layer(name).units)
        channels = every if units is None else sorted(unit.channel for unit in units if unit.layer == name)
        for driven, middle in _clips(sources, name, channels):
            shown |= {one.response.number for one in driven} | middle
            for number, own in by_clip(driven, folder).items():
                missing.setdefault(number, []).extend(own)
    lacking = [
        number
        for number in sorted(shown)
        if number in missing or not all(film.there(folder) for film in sources.clips.shown(number).films.values())
    ]
    for done, number in enumerate(lacking):
        report("clips", done, len(lacking))
        sources.clips.write(number, missing.pop(number, ()), folder)
    return shown


def _clips(sources: Sources, layer: str, channels: Sequence[int]) -> Iterable[tuple[list[Driving], set[int]]]:
    """Of each unit the clips that drive it, and the numbers of those at quantiles."""
    if not channels:
        return
    clips, recording = sources.clips, sources.recording
    ordinary = recording.maxima([layer]).zeros(layer).tolist()
    largest = recording.largest(layer).tolist()
    rows = quantile_rows(recording.matrix(layer)).T.tolist()
    for channel in channels:
        alive = largest[channel] > ordinary[channel]
        middle = {clips.numbers[row] for row in rows[channel]} if alive else set()
        yield clips.driving(layer, channel, ordinary[channel], largest[channel]), middle
