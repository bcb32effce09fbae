"""What is said between the server and the process that computes: tasks one way; steps, results and errors the other."""

from dataclasses import dataclass
from pathlib import Path

from marey.maximization.recipe import Recipe
from marey.video.read.clips import Clip


@dataclass(frozen=True)
class MaximizeUnit:
    """Make the preferred input of a recorded unit, and its pages."""

    unit: str
    recipe: Recipe


@dataclass(frozen=True)
class ExplainClip:
    """Explain one clip.

    name
        as it is shown.
    private
        a folder of its own, in which it lies and which goes with it; None for a clip of a data set.
    instead
        the class not to have been chosen; None: the second.
    """

    clip: Clip
    name: str
    private: Path | None
    instead: str | None


Task = MaximizeUnit | ExplainClip


@dataclass(frozen=True)
class LivePicture:
    """Frames beside each other as WebP; height and width are those of one frame.

    group
        pictures with the same words belong together, such as appearance and motion at one slowness.
    """

    group: str
    shows: str
    frames: int
    height: int
    width: int
    webp: bytes


@dataclass(frozen=True)
class Step:
    """How far a task is.

    pictures
        new ones, or none where the last ones stay.
    shown
        whether the page of the unit shows the result already; other pages may not.
    """

    what: str
    done: int
    total: int | None
    note: str = ""
    pictures: tuple[LivePicture, ...] = ()
    shown: bool = False


@dataclass(frozen=True)
class SeenUnit:
    """A unit that explains a clip: what it adds to the lead, when it responds most, and the clip under its heat."""

    unit: str
    effect: float
    seconds: float
    top: tuple[str, ...]
    picture: LivePicture | None


@dataclass(frozen=True)
class Explained:
    """An explanation of a clip, as its page shows it.

    classes
        the likeliest ones with their probabilities, likeliest first.
    """

    name: str
    sentence: str
    classes: tuple[tuple[str, float], ...]
    measures: tuple[tuple[str, str], ...]
    remarks: tuple[str, ...]
    units: tuple[SeenUnit, ...]


@dataclass(frozen=True)
class Finished:
    """A task is done."""

    result: Explained | None = None


@dataclass(frozen=True)
class Failed:
    """A task cannot be done; the line says why."""

    line: str
