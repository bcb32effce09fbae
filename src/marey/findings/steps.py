"""Counts what is done of a question whose parts are counted in units and in clips."""

from collections.abc import Callable


class Steps:
    """Tells `report` how much is done of `total`, by calls with how much more is done."""

    def __init__(self, report: Callable[[int, int], None] | None, total: int) -> None:
        """`report` None: nobody is told."""
        self._report, self._total, self._done = report, total, 0

    def __call__(self, more: int) -> None:
        self._done += more
        if self._report is not None:
            self._report(self._done, self._total)
