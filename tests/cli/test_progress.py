"""A long command shows what it is at: bars on a terminal, a line now and then elsewhere, and nothing else."""

import io
import sys
import time

import pytest
from rich.console import Console
from rich.progress import Progress

from marey.cli.progress import Report, progress


def test_where_there_is_no_terminal_there_is_a_line_after_a_moment_and_one_now_and_then(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("marey.cli.progress.FIRST_SECONDS", 0.2)
    monkeypatch.setattr("marey.cli.progress.SECONDS", 0.4)
    with progress() as report:
        report.at("maximizing 2 units: measuring responses")
        time.sleep(0.3)
        for step in range(1, 4):
            report.at("maximizing", step, 8, note="score 0.50")
        time.sleep(0.9)
        report.say("a [b] " * 40)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "maximizing 2 units: measuring responses"
    assert len(lines) > 2 and all(line.startswith("maximizing: 3 of 8, score 0.50") for line in lines[1:-1])
    assert lines[-1] == "a [b] " * 40, "as long as it is, as it is"


def test_a_quick_command_says_nothing(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    with progress() as report:
        for step in range(50):
            report.at("recording", step, 50)
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "")


def test_the_time_left_is_told_from_what_was_done(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("marey.cli.progress.time.monotonic", lambda: now[0])
    report = Report(Console(stderr=True), None)
    for seconds, done, words in ((0, 10, ""), (10, 20, "about 80 s left"), (600, 40, "about 20 min left")):
        now[0] = 100.0 + seconds
        report.at("recording", done, 100)
        assert report._line == ", ".join(filter(None, (f"recording: {done} of 100", words)))


def test_on_a_terminal_there_are_bars_and_a_name_before_the_first_step(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=90)
    with Progress(console=console, auto_refresh=False) as bars:
        report = Report(console, bars)
        report.at("measuring [responses]")
        assert [task.total for task in bars.tasks] == [None]
        report.at("maximizing", 1, 8, note="score 0.50")
        assert [(task.description, task.completed, task.total) for task in bars.tasks] == [("maximizing", 1, 8)]
        report.at("drawing", 2, 3)
        assert [task.description for task in bars.tasks] == ["maximizing", "drawing"]
        report.at("maximizing", 8, 8)
        assert bars.tasks[0].completed == 8


def test_a_terminal_gets_bars_and_a_file_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    class Screen(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm")
    for place, bars in ((Screen(), True), (io.StringIO(), False)):
        monkeypatch.setattr(sys, "stderr", place)
        with progress() as report:
            report.at("recording", 1, 2)
        assert ("\x1b" in place.getvalue()) == bars
