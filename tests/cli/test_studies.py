"""`marey studies` on the command line."""

from collections.abc import Callable
from pathlib import Path

import pytest


def test_studies_writes_clips_and_a_sheet(marey: Callable[..., object], tmp_path: Path) -> None:
    folder, sheet = tmp_path / "out", tmp_path / "sheet.png"
    words = ("--size", 32, "--frames", 4, "--clips", 1, "--classes", "wave,clap")
    said = marey("studies", "--out", folder, "--sheet", sheet, *words)
    assert said.status == 0  # type: ignore[attr-defined]
    assert sorted(path.name for path in (folder / "clips").iterdir()) == ["clap", "wave"]
    assert (folder / "factors.jsonl").read_text().count("\n") == 2
    assert sheet.is_file()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "name a folder with --out"),
        (("--sheet", "x.png", "--size", "8"), "at least 32 px"),
        (("--out", "out", "--classes", "wawe"), "Did you mean 'wave'?"),
        (("--out", "out", "--clips", "0"), "expected at least 1"),
    ],
)
def test_what_studies_cannot_make_is_one_line(
    marey: Callable[..., object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    found = marey("studies", *words)
    assert found.status == 1  # type: ignore[attr-defined]
    assert said in found.err and found.err.count("\n") == 1  # type: ignore[attr-defined]
    assert not list(tmp_path.rglob("*.mp4"))
