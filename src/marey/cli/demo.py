"""`marey demo`: web pages of the networks that ship with the package, with nothing but this package."""

from pathlib import Path
from typing import Annotated

import typer

from marey.cli.arguments import OutOption
from marey.cli.output import writable
from marey.cli.progress import progress
from marey.cli.screen import say


def demo(
    *,
    out: OutOption = Path("demo"),
    full: Annotated[
        bool, typer.Option("--full", help="All classes, all fused units, all questions, all layers: takes hours.")
    ] = False,
) -> int:
    """Make web pages of the network that ships: clips, what units respond, preferred inputs, answers to questions.

    Takes less than four minutes on two cores. Stopped, the same line makes what is missing.
    """
    from marey.gallery.making import make_show
    from marey.gallery.show import DEMO, GALLERY

    writable(out)
    announced = False
    try:
        with progress() as shown:

            def follow(done: float, total: float, what: str) -> None:
                nonlocal announced
                if not announced:
                    announced = True
                    shown.say(f"about {_long(total)} on two cores" if total else f"all is in '{out}' already")
                shown.at(f"making {out}", round(100 * done / total) if total else 100, 100, note=what)

            front = make_show(GALLERY if full else DEMO, out=out, report=follow)
    except KeyboardInterrupt:
        say(f"marey: interrupted; what is made stays in '{out}', the same line makes the rest.", error=True)
        return 130
    say(front)
    say(f"open {front.resolve().as_uri()}")
    say("look first at the classes; then open a unit and move its slider from slow to fast.")
    return 0


def _long(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 5400 else f"{seconds / 3600:.0f} hours"
