"""A check, before the long part, that results can be written where they are wanted."""

import tempfile
from pathlib import Path

from marey.errors import OutputError


def writable(folder: Path) -> Path:
    """`folder`, made if need be; OutputError when nothing can be written into it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b"marey")
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError(f"cannot write to '{folder}': {reason}. Name another folder with --out.") from None
    return folder
