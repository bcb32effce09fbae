"""The demo asks for units that the bundled network has, and says where the pictures are."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from marey.cli.demo import SHOWN
from marey.families.loading import load


def test_the_demo_maximizes_units_of_the_bundled_network_into_its_folder(
    marey: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Any] = {}

    def maximize(**options: Any) -> int:
        asked.update(options)
        return 0

    monkeypatch.setattr(sys.modules["marey.cli.maximize"], "maximize", maximize)
    said = marey("demo", "--out", tmp_path / "demo", "--seed", "3")
    assert said.status == 0 and "overview.png" in said.err
    assert (asked["net"], asked["out"], asked["seed"]) == ("motion-studies", tmp_path / "demo", 3)
    assert asked["units"] == list(SHOWN)


def test_the_units_of_the_demo_are_there() -> None:
    assert len(load("motion-studies").units(list(SHOWN))) == len(SHOWN)
