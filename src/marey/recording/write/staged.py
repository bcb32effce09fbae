"""A recording that is written beside its place, and moved there once it is whole."""

import os
import shutil
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from marey.errors import OutputError
from marey.recording.layout import RESPONSES, SUMMARY

_SYNCED_AT_ONCE = 16  # files that the disk makes sure of together, which takes little longer than for one


@contextmanager
def staged(folder: Path, staging: Path) -> Iterator[Path]:
    """The folder `staging` to write a recording to; when the block ends well its files move to `folder`.

    By then the disk has them whole. The summary moves last, as a folder with a summary counts as a recording. Raises
    OutputError when the disk has no space.
    """
    try:
        remove_tree(staging)
        staging.mkdir(parents=True)
        yield staging
        (folder / RESPONSES).mkdir(parents=True, exist_ok=True)
        written = sorted(path.relative_to(staging) for path in staging.rglob("*") if path.is_file())
        with ThreadPoolExecutor(_SYNCED_AT_ONCE) as pool:
            deque(pool.map(_sync, [staging / name for name in written]), maxlen=0)
        for name in sorted(written, key=lambda name: name.name == SUMMARY):
            (staging / name).replace(folder / name)
    except OSError as error:
        raise OutputError(
            f"cannot write the recording to '{folder}': {error.strerror or error}. "
            "Free some space and run the same line again."
        ) from error
    finally:
        remove_tree(staging)


def _sync(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def remove_tree(folder: Path) -> None:
    """Remove a folder, whoever else may be removing it."""
    shutil.rmtree(folder, ignore_errors=True)
