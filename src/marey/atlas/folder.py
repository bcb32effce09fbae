"""The folder of an atlas: pages written whole, only where they change, and what no page needs any more removed."""

import json
from collections.abc import Mapping
from pathlib import Path

from marey._version import __version__
from marey.errors import MareyError, OutputError
from marey.files import DRAFT_SUFFIX, replacing

MARK = "atlas.json"
"""The file by which a folder is known to be an atlas; it says how it was made."""

_OURS = ("layer", "unit", "class", "finding", "clip", "ties", "media", "static", "guess")
_OUR_PAGES = ("guess.html",)
"""Beside the front page; a later atlas may not have them."""
_KINDS = {".html", ".webp", ".svg", ".png", ".css", ".js", ".json", ".part"}


class AtlasFolder:
    """A folder to write an atlas to; what is in it from an earlier run, killed or not, counts as made.

    `about` says how the atlas was made, and stands in its mark. Raises MareyError for a folder with other files in it,
    OutputError where the disk refuses it.
    """

    def __init__(self, path: str | Path, *, about: Mapping[str, object]) -> None:
        self.path = Path(path)
        try:
            strange = self.path.exists() and (not self.path.is_dir() or any(map(_lasts, self.path.iterdir())))
        except OSError as error:
            raise OutputError(f"cannot read '{self.path}': {error.strerror or error}; name another folder.") from None
        if strange and not (self.path / MARK).is_file():
            raise MareyError(f"'{self.path}' holds other files and no atlas; name a new folder, or one with an atlas.")
        self._kept: set[str] = {MARK}
        self.written = 0
        """How many pages were made or changed."""
        mark = {"format": 2, "marey": __version__, **about}
        self.page(MARK, json.dumps(mark, indent=1, ensure_ascii=False) + "\n")

    def page(self, path: str, text: str) -> None:
        """Write a page or another text, unless it is there already."""
        self.bytes(path, text.encode("utf-8", "backslashreplace"))

    def bytes(self, path: str, content: bytes) -> None:
        """Write a file, unless it is there already."""
        self._kept.add(path)
        self.written += write_changed(self.path / path, content)

    def text(self, path: str) -> str | None:
        """What stands in a file; None where there is none that can be read."""
        try:
            return (self.path / path).read_text(encoding="utf-8")
        except (OSError, UnicodeError):
            return None

    def keep(self, path: str) -> None:
        """Keep a file that stands in the folder or will."""
        self._kept.add(path)

    def remove_stale(self) -> None:
        """Remove pages and media of earlier runs that were neither written nor kept now, and drafts of killed ones."""
        for draft in [place for place in self.path.iterdir() if not _lasts(place)]:
            draft.unlink()
        for name in _OUR_PAGES:
            if name not in self._kept:
                (self.path / name).unlink(missing_ok=True)
        for name in _OURS:
            for place in sorted((self.path / name).rglob("*"), reverse=True):
                if place.is_dir() and not place.is_symlink():
                    if not any(place.iterdir()):
                        place.rmdir()
                elif place.suffix in _KINDS and place.relative_to(self.path).as_posix() not in self._kept:
                    place.unlink()


def write_changed(place: Path, content: bytes) -> bool:
    """Write a file whole or not at all, unless it holds this already; tells whether it was written."""
    try:
        if place.read_bytes() == content:
            return False
    except OSError:  # not there yet
        pass
    with replacing(place) as draft:
        draft.write_bytes(content)
    return True


def _lasts(place: Path) -> bool:
    """Whether a file is more than the draft of a process that was killed."""
    return not (place.name.startswith(".") and place.suffix == DRAFT_SUFFIX)
