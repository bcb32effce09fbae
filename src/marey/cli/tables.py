"""Tables for the terminal."""

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from marey.evaluation import Evaluation


def screen() -> Console:
    """Standard output, wide enough for whole tables where it is no terminal."""
    console = Console()
    return console if console.is_terminal else Console(width=140)


def table(*left: str, right: Sequence[str] = ()) -> Table:
    """A plain table with columns aligned left, then right."""
    shown = Table(box=None, pad_edge=False, header_style="bold")
    for heading in left:
        shown.add_column(heading)
    for heading in right:
        shown.add_column(heading, justify="right")
    return shown


def results_table(results: Mapping[str, Evaluation], *, heading: str = "on clips held out") -> Table:
    """Accuracy by part of the network."""
    shown = table(heading, right=("right", "accuracy", "95 % interval"))
    for name, found in results.items():
        low, high = found.interval
        shown.add_row(
            escape(name), f"{found.right} of {len(found.labels)}", f"{found.accuracy:.1%}", f"{low:.0%} to {high:.0%}"
        )
    return shown


def class_table(found: Evaluation) -> Table:
    """Per class: clips, right ones, and what it is taken for."""
    shown = table("class", right=("clips", "right", "else mostly"))
    for name, clips, right, wrong in found.per_class():
        share = f"{right} ({right / clips:.0%})" if clips else "-"
        shown.add_row(escape(name), str(clips), share, escape(wrong))
    return shown


def confusion_table(found: Evaluation) -> Table:
    """Rows: right class; columns: predicted class, numbered as the rows."""
    shown = table("confusion: rows are right, columns predicted", right=[str(k) for k in range(len(found.classes))])
    for index, name in enumerate(found.classes):
        counts = [("." if count == 0 else str(count)) for count in found.confusion[index].tolist()]
        shown.add_row(f"{index} {escape(name)}", *counts)
    return shown
