"""One page on several networks of the same clips: what excites each class in each network, side by side."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from marey.atlas.classes import class_names
from marey.atlas.folder import write_changed
from marey.atlas.front import described
from marey.atlas.names import Places
from marey.atlas.preferred import Preferred, preferred_units
from marey.atlas.render import templates
from marey.errors import MareyError
from marey.network.unit import Unit
from marey.recording import Recording


@dataclass(frozen=True, eq=False)
class Atlas:
    """An atlas that is there, and what it was made from: a recording, and a folder of preferred inputs."""

    folder: Path
    recording: Recording
    preferred: Path


@dataclass(frozen=True, eq=False)
class Shown:
    """A class in one network.

    page
        its address, relative to the page.
    right
        how many of its clips are right, in words; empty where there are none.
    """

    page: str
    preferred: Preferred | None
    right: str


@dataclass(frozen=True, eq=False)
class Column:
    """A network: its name, what it sees and how often it is right, the address of its atlas, {class: shown}."""

    name: str
    sees: tuple[str, ...]
    right: str
    atlas: str
    classes: dict[str, Shown]


def write_beside(atlases: Sequence[Atlas], path: str | Path) -> Path:
    """Write a page that shows several networks, the main one first, and return its path.

    The page uses the media of the atlases, which lie in folders below its own. It shows the classes of which
    every network has a preferred input; where there is none, all classes that several networks know.

    Raises MareyError for an atlas elsewhere, and for networks without a class in common.
    """
    path = Path(path)
    columns = [_column(one, path.parent) for one in atlases]
    common = [name for name in columns[0].classes if all(name in column.classes for column in columns)]
    made = [name for name in common if all(column.classes[name].preferred for column in columns)]
    if not common:
        raise MareyError(f"{' and '.join(column.name for column in columns)} have no class in common to show.")
    text = (
        templates()
        .get_template("beside.html")
        .render(
            to=lambda address: f"{columns[0].atlas}/{address}",
            columns=columns,
            classes=made or common,
            left_out=len(common) - len(made or common),
        )
    )
    write_changed(path, text.encode("utf-8", "backslashreplace"))
    return path


def _column(one: Atlas, place: Path) -> Column:
    try:
        atlas = one.folder.relative_to(place)
    except ValueError:
        raise MareyError(f"the atlas '{one.folder}' is not below '{place}', where the page is to be.") from None
    recording = one.recording
    rows = recording.recorded_clips
    pairs = list(zip(rows["label"].to_pylist(), rows["prediction"].to_pylist(), strict=True))
    clips, right = Counter(label for label, _ in pairs), Counter(label for label, said in pairs if label == said)
    places = Places(layers=[], classes=class_names(recording), questions=[])
    preferred, _ = preferred_units(one.preferred, recording)
    scores, address = recording.summary["network"]["scores"], quote(atlas.as_posix())
    classes = {
        name: Shown(
            f"{address}/{quote(places.class_page(name))}",
            preferred.get(Unit(scores, recording.classes.index(name))),
            f"{right[name]} of {clips[name]} clips right" if clips[name] else "",
        )
        for name in recording.classes
    }
    counts = recording.summary["clips"]
    return Column(
        recording.summary["network"]["name"],
        tuple(described(stream) for stream in recording.streams),
        f"{counts['right']} of {counts['of_known_class']} clips right" if counts["of_known_class"] else "",
        address,
        classes,
    )
