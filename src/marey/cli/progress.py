"""What a long command is at: a bar on a terminal; elsewhere a line after a moment, and one every half minute."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

from marey.cli.screen import Screen, say, screen
from marey.errors import printable

SECONDS = 30.0
"""From one line to the next, where there is no terminal."""

FIRST_SECONDS = 2.0
"""Until the first line: what is wrong with a command is mostly said before."""


class Report:
    """Tells what is done of what; `progress` makes one, on a terminal with bars."""

    def __init__(self, console: Screen, bars: Progress | None) -> None:
        self.console, self._bars = console, bars
        self._tasks: dict[str, tuple[TaskID, int | None]] = {}
        self._what = self._line = ""
        self._begun, self._first = time.monotonic(), 0

    def at(self, what: str, done: int = 0, total: int | None = None, *, note: str = "") -> None:
        """`done` of `total` of the work called `what`; without a total it has a name only, as what comes before it."""
        if what != self._what:
            self._what, self._begun, self._first = what, time.monotonic(), done
        self._line = ", ".join(filter(None, (what if total is None else f"{what}: {done} of {total}", note)))
        self._line += self._time_left(done, total)
        if self._bars is not None:
            self._fill(what, done, total, note)

    def say(self, text: str | Text) -> None:
        """A line that stays, above the bars; where there is no terminal, as long as it is."""
        self.console.print(text, highlight=False, soft_wrap=not self.console.is_terminal)

    def tell(self) -> None:
        """The line on what is done, where there are no bars."""
        if self._line:
            say(self._line, error=True)

    def _time_left(self, done: int, total: int | None) -> str:
        seconds = time.monotonic() - self._begun
        if total is None or done <= self._first or seconds < 1:
            return ""
        left = seconds / (done - self._first) * (total - done)
        return f", about {left:.0f} s left" if left < 90 else f", about {left / 60:.0f} min left"

    def _fill(self, what: str, done: int, total: int | None, note: str) -> None:
        assert self._bars is not None
        if what not in self._tasks:
            for name in [name for name, (_, known) in self._tasks.items() if known is None]:
                self._bars.remove_task(self._tasks.pop(name)[0])
            self._tasks[what] = (self._bars.add_task(printable(escape(what)), total=total, note="", count=""), total)
        count = "" if total is None else f"{done}/{total}"
        self._bars.update(self._tasks[what][0], completed=done, total=total, note=printable(escape(note)), count=count)


@contextmanager
def progress(*, transient: bool = True) -> Iterator[Report]:
    """While inside, the report that is given shows on standard error what it is told.

    `transient`: whether bars vanish at the end.
    """
    console = screen(error=True)
    if sys.stderr.isatty() and not console.is_dumb_terminal:
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[count]}"))
        further = (TimeRemainingColumn(elapsed_when_finished=True), TextColumn("{task.fields[note]}"))
        with Progress(*columns, *further, console=console, transient=transient) as bars:
            yield Report(console, bars)
        return
    report, ended = Report(console, None), threading.Event()

    def keep_telling() -> None:
        wait = FIRST_SECONDS
        while not ended.wait(wait):
            report.tell()
            wait = SECONDS

    teller = threading.Thread(target=keep_telling, name="marey-progress", daemon=True)
    teller.start()
    try:
        yield report
    finally:
        ended.set()
        teller.join()
