"""One line of a list of clips, whatever the format, before it is known where its file lies."""

from dataclasses import dataclass
from pathlib import Path

from marey.errors import DatasetError


@dataclass(frozen=True)
class ListedClip:
    """A clip as a list names it.

    name
        its path under some root, or with `anywhere` the name of its file without suffix, in whatever folder it lies.
    split
        "" where the list does not say.
    """

    name: str
    label: str | None
    split: str = ""
    group: str | None = None
    anywhere: bool = False


def text_of(path: Path) -> str:
    """The text of a list; DatasetError when it cannot be read."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DatasetError(f"'{path}' cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise DatasetError(f"'{path}' is no text file; expected a list of clips.") from None


def beginning_of(path: Path) -> str:
    """The first characters of a file, by which a list is known; what cannot be read is passed over."""
    try:
        with path.open("rb") as file:
            return file.read(4096).decode("utf-8-sig", errors="replace")
    except OSError:
        return ""


def lines_of(path: Path) -> list[tuple[int, str]]:
    """The lines of a list with their numbers, without blank ones and those that begin with '#'."""
    lines = ((number, line.strip()) for number, line in enumerate(text_of(path).splitlines(), start=1))
    return [(number, line) for number, line in lines if line and not line.startswith("#")]
