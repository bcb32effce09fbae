"""Files that stand for clips, and what a data set shows of them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from marey.datasets import ClipSet


@pytest.fixture
def make() -> Callable[..., None]:
    """`make(root, *paths)` makes empty files: no layout opens the clips."""

    def made(root: Path, *paths: str) -> None:
        for path in paths:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).touch()

    return made


@pytest.fixture
def shown() -> Callable[[dict[str, ClipSet]], dict[str, list[tuple[str, str | None, str | None]]]]:
    """`shown(splits)` is {split: (file name, label, group) of every clip}."""

    def of(splits: dict[str, ClipSet]) -> dict[str, list[tuple[str, str | None, str | None]]]:
        return {split: [(clip.path.name, clip.label, clip.group) for clip in part] for split, part in splits.items()}

    return of
