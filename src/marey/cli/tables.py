"""Tables of accuracies for the terminal."""

from collections.abc import Mapping

from rich.table import Table

from marey.evaluation import Evaluation


def results_table(results: Mapping[str, Evaluation]) -> Table:
    """Accuracy on the clips left out, by part of the network."""
    shown = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("on clips held out", "right", "accuracy", "95 % interval"):
        shown.add_column(heading, justify="left" if heading.startswith("on") else "right")
    for name, found in results.items():
        low, high = found.interval
        shown.add_row(name, f"{found.right} of {len(found.labels)}", f"{found.accuracy:.1%}", f"{low:.0%} to {high:.0%}")
    return shown


def class_table(found: Evaluation) -> Table:
    """Per class: clips, right ones, and what it is taken for."""
    shown = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("class", "clips", "right", "else mostly"):
        shown.add_column(heading, justify="left" if heading in ("class", "else mostly") else "right")
    for name, clips, right, wrong in found.per_class():
        share = f"{right} ({right / clips:.0%})" if clips else "-"
        shown.add_row(name, str(clips), share, wrong)
    return shown


def confusion_table(found: Evaluation) -> Table:
    """Rows: right class; columns: predicted class, numbered as the rows."""
    shown = Table(box=None, pad_edge=False, header_style="bold", title="confusion: rows are right, columns predicted", title_justify="left")
    shown.add_column("")
    for index in range(len(found.classes)):
        shown.add_column(str(index), justify="right")
    for index, name in enumerate(found.classes):
        counts = [("." if count == 0 else str(count)) for count in found.confusion[index].tolist()]
        shown.add_row(f"{index} {name}", *counts)
    return shown
