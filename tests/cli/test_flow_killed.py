"""`marey flow` that was killed goes on where it was, with equal results."""

import importlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

flow_module = importlib.import_module("marey.cli.flow")

Marey = Callable[..., object]


@pytest.fixture
def few(shapes: Path, tmp_path: Path) -> Path:
    """A folder of two clips in each of two classes."""
    for folder in sorted(shapes.iterdir())[:2]:
        (tmp_path / "few" / folder.name).mkdir(parents=True)
        for clip in sorted(folder.glob("*.mp4"))[:2]:
            shutil.copy(clip, tmp_path / "few" / folder.name)
    return tmp_path / "few"


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("form", ["video", "denseflow", "two-stream", "i3d"])
def test_finished_clips_are_skipped_and_the_same_is_said(
    marey: Marey, few: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
):
    line = ("flow", few, "--form", form, "--flow", "dis", "--out")
    whole = marey(*line, tmp_path / "whole")
    written, count = flow_module._written, 0

    def killed(*given: object) -> list[str]:
        nonlocal count
        count += 1
        if count == 3:
            raise KeyboardInterrupt
        return written(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(flow_module, "_written", killed)
    assert marey(*line, tmp_path / "parts").status == 130  # type: ignore[attr-defined]
    again = marey(*line, tmp_path / "parts")
    clips = len(list(few.rglob("*.mp4")))
    assert count == 3 + clips - 2
    assert again.out.replace("parts", "whole") == whole.out  # type: ignore[attr-defined]
    assert contents(tmp_path / "parts") == contents(tmp_path / "whole")


def test_other_settings_or_clips_are_made_anew(
    marey: Marey, few: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (clip, *_) = sorted(few.rglob("*.mp4"))
    copy = tmp_path / clip.name
    copy.write_bytes(clip.read_bytes())
    monkeypatch.setattr(flow_module._Finished, "remove", lambda self: None)
    written, count = flow_module._written, 0

    def counted(*given: object) -> list[str]:
        nonlocal count
        count += 1
        return written(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(flow_module, "_written", counted)
    line = ("flow", copy, "--flow", "dis", "--out", tmp_path / "flow")
    for changed, expected in (((), 1), ((), 1), (("--bound", 5), 2), ((), 2)):
        marey(*line, *changed)
        assert count == expected
    (journal, *_) = (tmp_path / "flow").glob(".flow-*.part")
    journal.write_bytes(journal.read_bytes() + b"\n{cut o")
    os.utime(copy, (1, 1))
    marey(*line)
    assert count == 3
    (tmp_path / "flow" / f"{copy.stem}.mp4").unlink()
    marey(*line)
    assert count == 4


@pytest.mark.slow
def test_killed_at_random_moments_the_same_line_ends_with_equal_results(marey: Marey, few: Path, tmp_path: Path):
    line = ["flow", str(few), "--form", "denseflow", "--flow", "dis", "--out"]
    begun = time.monotonic()
    subprocess.run([sys.executable, "-m", "marey", *line, str(tmp_path / "whole")], check=True, capture_output=True)
    seconds, chance = time.monotonic() - begun, random.Random(0)
    for _ in range(2):
        process = subprocess.Popen(
            [sys.executable, "-m", "marey", *line, str(tmp_path / "parts")], stdout=subprocess.DEVNULL
        )
        time.sleep(chance.uniform(0.5, 1) * seconds)
        process.send_signal(signal.SIGKILL)
        process.wait()
    marey(*line, tmp_path / "parts")
    assert contents(tmp_path / "parts") == contents(tmp_path / "whole")
