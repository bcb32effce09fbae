"""Stages of a long piece of work, one after the other, and how far all of it is as one number."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

Report = Callable[[float, float, str], None]
"""Told the planned seconds that are done, the planned seconds of all stages, and what is at work."""

Told = Callable[[float, str], None]
"""Told the part of a stage that is done, 0 to 1, and a note."""


@dataclass(frozen=True)
class Stage:
    """A stage, and the seconds that it is planned to take on two cores; 0 where all it makes is there."""

    name: str
    seconds: float
    make: Callable[[Told], None]


def in_turn(stages: Sequence[Stage], report: Report) -> None:
    """Make all stages."""
    total = sum(stage.seconds for stage in stages)
    before = 0.0
    for stage in stages:

        def told(part: float, note: str = "", *, stage: Stage = stage, before: float = before) -> None:
            what = f"{stage.name}, {note}" if note else stage.name
            report(before + min(1.0, part) * stage.seconds, total, what)

        told(0.0)
        stage.make(told)
        before += stage.seconds
