"""Preferred inputs as pages show them: words and films for every slowness, from the folders of `marey maximize`."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from marey.atlas.films import Film
from marey.draw.color_wheel import nice_max_px
from marey.draw.picture_row import PictureRow
from marey.draw.preferred_input import picture_row
from marey.errors import MareyError, NetworkError
from marey.maximization.result import FILE, PreferredInput
from marey.network.unit import Unit
from marey.recording.read.recording import Recording


@dataclass(frozen=True)
class Speed:
    """A preferred input at one slowness.

    caption
        lines: the score, what it is recognized as, and what must be known.
    """

    slowness: float
    score: float
    caption: tuple[str, ...]
    appearance: Film | None
    motion: Film | None

    @property
    def films(self) -> tuple[Film, ...]:
        """Those that there are."""
        return tuple(one for one in (self.appearance, self.motion) if one is not None)


@dataclass(frozen=True)
class Preferred:
    """What excites a unit most, slow to fast.

    source
        the clips that scores are relative to.
    max_px
        the speed in px/frame at which colors of the motion are full; None where there is no motion.
    """

    unit: Unit
    label: str
    folder: Path
    source: str
    speeds: tuple[Speed, ...]
    max_px: float | None

    @property
    def best(self) -> Speed:
        """The slowness with the highest score, which stands for the unit on tiles."""
        return max(self.speeds, key=lambda speed: speed.score)

    def write(self, folder: Path) -> int:
        """Make the films that an atlas does not have yet, and return how many."""
        missing = {film.digest for speed in self.speeds for film in speed.films if not film.there(folder)}
        if not missing:
            return 0
        row = picture_row(PreferredInput.open(self.folder))
        for speed, place in zip(self.speeds, row.slow_to_fast, strict=True):
            if row.appearance is not None and speed.appearance is not None and speed.appearance.digest in missing:
                speed.appearance.write(folder, row.appearance[place])
            if row.motion is not None and speed.motion is not None and speed.motion.digest in missing:
                speed.motion.write(folder, row.motion[place], max_px=self.max_px or 1.0)
        return len(missing)


def preferred_units(folder: str | Path, recording: Recording) -> tuple[dict[Unit, Preferred], int]:
    """{recorded unit: its preferred input} of a folder and the folders in it, and how many results are of no such unit.

    Of several results of one unit the first by path counts. Raises MareyError where there is none, for a damaged one,
    and for one that was made with other weights than those recorded.
    """
    paths = sorted(Path(folder).rglob(FILE))
    if not paths:
        raise MareyError(f"'{folder}' holds no preferred input ({FILE}); make some with `marey maximize`.")
    found: dict[Unit, Preferred] = {}
    others = 0
    for path in paths:
        result = PreferredInput.open(path.parent)
        if result.provenance.get("weights_sha256") != recording.summary["network"]["weights"]:
            raise MareyError(
                f"the preferred input in '{path.parent}' is of other weights than the recording "
                f"'{recording.folder}'; name results of the recorded network."
            )
        unit = _unit(result, recording)
        if unit is None:
            others += 1
        elif unit not in found:
            found[unit] = _preferred(result, unit, path)
    return found, others


def _unit(result: PreferredInput, recording: Recording) -> Unit | None:
    """The recorded unit that a result is of; None for sums of units, mosaics and layers that were not recorded."""
    if "mosaic" in result.provenance:
        return None
    try:
        return recording.unit(Unit.parse(result.target))
    except NetworkError:
        return None


def _preferred(result: PreferredInput, unit: Unit, path: Path) -> Preferred:
    row = picture_row(result)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    max_px = None if row.motion is None else nice_max_px(row.motion.movedim(1, 2))
    speeds = tuple(_speed(row, result, place, digest, max_px) for place in row.slow_to_fast)
    return Preferred(unit, result.label, path.parent, result.source, speeds, max_px)


def _speed(row: PictureRow, result: PreferredInput, place: int, digest: str, max_px: float | None) -> Speed:
    """The words and the films at one place of the chis."""
    films: Mapping[str, Film | None] = {
        kind: None
        if clips is None
        else Film.of(
            f"preferred {kind} of {row.title}" + ("" if row.still else f" at slowness {row.chis[place]:g}"),
            (clips.shape[2], clips.shape[3], clips.shape[4]),
            [digest, kind, place, max_px if kind == "motion" else None],
        )
        for kind, clips in (("appearance", row.appearance), ("motion", row.motion))
    }
    caption = tuple(row.captions[place].splitlines())
    return Speed(row.chis[place], result.scores[place], caption, films["appearance"], films["motion"])
