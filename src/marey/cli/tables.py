"""Tables for the terminal."""

from collections.abc import Iterable, Mapping, Sequence, Sized

from rich.measure import Measurement
from rich.table import Table

from marey.cli.screen import Screen, TextTable
from marey.datasets.skipped_clip import SkippedClip
from marey.evaluation.accuracy import Evaluation


def table(*left: str, right: Sequence[str] = ()) -> Table:
    """A plain table with columns aligned left, then right."""
    shown = TextTable(box=None, pad_edge=False, header_style="bold")
    for heading in left:
        shown.add_column(heading)
    for heading in right:
        shown.add_column(heading, justify="right")
    return shown


def results_table(results: Mapping[str, Evaluation], *, heading: str = "on clips held out") -> Table:
    """Accuracy by part of the network; where clips were skipped, also with these counted as wrong."""
    lost = any(found.skipped for found in results.values())
    further = ("skipped", "accuracy with these wrong") if lost else ()
    shown = table(heading, right=("right", "accuracy", "95 % interval", *further))
    for name, found in results.items():
        low, high = found.interval
        row = [f"{found.right} of {len(found.labels)}", f"{found.accuracy:.1%}", f"{low:.0%} to {high:.0%}"]
        if lost:
            row += [f"{len(found.skipped)} of {found.total}", f"{found.accuracy_of_all:.1%}"]
        shown.add_row(name, *row)
    return shown


def class_table(found: Evaluation) -> Table:
    """Per class that has clips: these, right ones, skipped ones if there are any, and what it is taken for."""
    further = ("skipped",) if found.skipped else ()
    shown = table("class", right=("clips", "right", *further, "else mostly"))
    without = 0
    for name, clips, right, wrong in found.per_class():
        if not clips and not found.skipped_of(name):
            without += 1
            continue
        share = f"{right} ({right / clips:.0%})" if clips else "-"
        lost = [str(found.skipped_of(name))] if found.skipped else []
        shown.add_row(name, str(clips), share, *lost, wrong)
    if without:
        shown.add_row(f"({without} {'class' if without == 1 else 'classes'} without a clip)", "0")
    return shown


def confusion_table(found: Evaluation) -> Table:
    """Rows: right class; columns: predicted class, numbered as the rows."""
    shown = table("confusion: rows are right, columns predicted", right=[str(k) for k in range(len(found.classes))])
    for index, name in enumerate(found.classes):
        counts = [("." if count == 0 else str(count)) for count in found.confusion[index].tolist()]
        shown.add_row(f"{index} {name}", *counts)
    return shown


def mistakes_table(found: Evaluation, count: int) -> Table:
    """The pairs of classes that are confused most, at most so many."""
    pairs = found.mistakes()
    heading = f"most confused of {len(pairs)} pairs" if len(pairs) > count else "confused pairs"
    shown = table(heading, "taken for", right=("clips", "of"))
    clips = {name: str(number) for name, number, _, _ in found.per_class()}
    for right, taken, wrong in pairs[:count]:
        shown.add_row(right, taken, str(wrong), clips[right])
    return shown


def fits(console: Screen, shown: Table) -> bool:
    """Whether a table is no wider than the console."""
    widest = Measurement.get(console, console.options.update(max_width=10**6), shown).maximum
    return int(widest) <= console.width


def remarks(skipped: Iterable[SkippedClip], damaged: Iterable[tuple[str, str]], padded: Sized) -> list[str]:
    """A line for every clip that was skipped or is damaged, and one for those that are too short."""
    lines = [str(one) for one in skipped]
    lacking = [f"damaged: {path}: {what}; used as far as it can be read" for path, what in damaged]
    lines += lacking + ([f"{len(lacking)} clips are damaged or lack frames"] if len(lacking) > 1 else [])
    if padded:
        count = "1 clip is" if len(padded) == 1 else f"{len(padded)} clips are"
        lines.append(f"{count} shorter than the network's window: padded")
    return lines
