"""`marey guesses` on the command line."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from marey.findings.guesses import Guess, Guesses


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Answers of two people, and of a network with a hostile name."""
    paths = []
    for number, (by, name, said) in enumerate(
        (("person", "", "wave"), ("person", "", "[red]run"), ("network", "[bold]\x1b[2J", "wave"))
    ):
        answers = tuple(
            Guess(kind, kind, "scores:0", "wave", "wave", ("wave", "[red]run"), said)  # type: ignore[arg-type]
            for kind in ("preferred", "clip")
        )
        paths.append(tmp_path / f"{number}.json")
        Guesses("set", "net", "0f", by, name, f"{number}", True, answers).save(paths[-1])  # type: ignore[arg-type]
    return paths


def test_guesses_stand_beside_chance_by_class_and_by_confusion(
    marey: Callable[..., Any], files: list[Path], tmp_path: Path
) -> None:
    said = marey("guesses", *files, files[0], "--out", tmp_path / "figures.json")
    assert said.status == 0 and said.err == ""
    assert "\x1b[2J" not in said.out
    assert re.search(r"2 people +preferred inputs +1 of 2 +50% +\S+ to \S+ +50% +people", said.out)
    assert re.search(r"\[bold\]\\x1b\[2J +preferred inputs +1 of 1 +100% .* questions", said.out)
    assert re.search(r"wave +1 of 2 +1 of 2 +1 of 1 +1 of 1", said.out)
    assert re.search(r"wave +\[red\]run +preferred inputs +1 of 2", said.out)
    assert "is the game of" in said.out
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert figures["guessers"][0]["preferred"] == {
        **figures["guessers"][0]["preferred"],
        "right": 1,
        "asked": 2,
        "chance": 0.5,
        "of": "people",
    }


def test_junk_and_files_that_do_not_belong_together_are_one_line(
    marey: Callable[..., Any], files: list[Path], tmp_path: Path
) -> None:
    (tmp_path / "junk.json").write_text("{}")
    said = marey("guesses", files[0], tmp_path / "junk.json")
    assert said.status == 1 and said.out == "" and said.err.count("\n") == 1
    assert "junk.json' is no file of answers" in said.err
    said = marey("guesses", files[0], "--out", tmp_path)
    assert said.status == 1 and "is a folder; name a file for the figures" in said.err
    assert marey("guesses").status == 2
