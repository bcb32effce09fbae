"""The demo says how long it takes, what is at work, and which page to open."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from marey.gallery.show import DEMO, GALLERY, Show
from marey.gallery.work import Report


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Show, Path]]:
    """What is asked for, in place of making it."""
    asked: list[tuple[Show, Path]] = []

    def make_show(show: Show, *, out: Path, report: Report) -> Path:
        asked.append((show, out))
        report(0.0, 120.0, "making clips")
        report(60.0, 120.0, "recording")
        if out.name == "stopped":
            raise KeyboardInterrupt
        return out / "motion-studies" / "atlas" / "index.html"

    import marey.gallery.making  # noqa: F401

    monkeypatch.setattr(sys.modules["marey.gallery.making"], "make_show", make_show)
    return asked


def test_the_demo_ends_with_the_page_to_open(
    marey: Callable[..., Any], tmp_path: Path, shown: list[tuple[Show, Path]]
) -> None:
    out = tmp_path / "a demo"
    said = marey("demo", "--out", out)
    assert said.status == 0 and shown == [(DEMO, out)]
    assert "about 2 minutes on two cores" in said.err
    first, second, third = said.out.splitlines()
    assert first == str(out / "motion-studies" / "atlas" / "index.html")
    assert second.endswith("/a%20demo/motion-studies/atlas/index.html") and "file:///" in second
    assert third.startswith("look first at")


def test_the_full_show_is_the_gallery(
    marey: Callable[..., Any], tmp_path: Path, shown: list[tuple[Show, Path]]
) -> None:
    assert marey("demo", "--full", "--out", tmp_path / "all").status == 0
    assert shown == [(GALLERY, tmp_path / "all")]


def test_a_stopped_demo_says_that_the_same_line_goes_on(
    marey: Callable[..., Any], tmp_path: Path, shown: list[tuple[Show, Path]]
) -> None:
    said = marey("demo", "--out", tmp_path / "stopped")
    assert said.status == 130 and "the same line makes the rest" in said.err and said.out == ""
