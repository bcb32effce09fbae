"""Which file of an atlas an address names: only pages, pictures, styles and scripts below its folder."""

import os
import stat
from pathlib import Path

KINDS = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".webp": "image/webp",
    ".svg": "image/svg+xml",
    ".png": "image/png",
}
"""{suffix: content type} of all that an atlas is made of."""


def atlas_file(folder: Path, address: str) -> Path | None:
    """The file that a decoded address (`/unit/fc6/0.html`) names; None for all that is no file of the atlas.

    `folder` is resolved. Hidden files, drafts among them, are none, nor is what a link leads to elsewhere.
    """
    parts = address.removeprefix("/").split("/")
    if parts == [""]:
        parts = ["index.html"]
    if any(part.startswith(".") or not part or "\\" in part or "\0" in part for part in parts):
        return None
    try:
        place = Path(os.path.realpath(folder.joinpath(*parts), strict=True))
        regular = stat.S_ISREG(place.stat().st_mode)
    except (OSError, ValueError):  # not there, too long, or no text
        return None
    return place if regular and place.suffix in KINDS and place.is_relative_to(folder) else None
