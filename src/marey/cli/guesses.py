"""`marey guesses`: what people and networks answered on the guess page of an atlas."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from marey.cli.screen import screen
from marey.cli.tables import table

if TYPE_CHECKING:
    from rich.table import Table

    from marey.findings.guess_sums import Guessers, GuessSums, Share

_KINDS = {"preferred": "preferred inputs", "clip": "clips"}


def guesses(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE...", help="Answers that the guess page of an atlas saved.", show_default=False),
    ],
    *,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE", help="Write the figures as JSON.", show_default=False),
    ] = None,
) -> None:
    """Sum up answers to "which action is this?": people and networks against chance, per class, what is confused."""
    from marey.cli.output import writable
    from marey.errors import OutputError
    from marey.files import replacing
    from marey.findings.guess_sums import sum_guesses

    if out is not None:
        if out.is_dir():
            raise OutputError(f"'{out}' is a folder; name a file for the figures, as in {out / 'figures.json'}.")
        writable(out.parent)
    found = sum_guesses(files)
    shown = screen()
    shown.print(_shares(found))
    if any(not one.independent for one in found.guessers):
        shown.print("* the network whose units are shown: no independent judge", highlight=False, markup=False)
    if found.guessers:
        shown.print(_classes(found))
    for one in found.guessers:
        if one.confused:
            shown.print(_confused(one))
    for remark in found.remarks:
        shown.print(remark, highlight=False, markup=False, soft_wrap=True)
    if out is not None:
        with replacing(out) as draft:
            draft.write_text(json.dumps(found.to_json(), indent=1) + "\n", encoding="utf-8")


def _name(one: "Guessers") -> str:
    if one.by == "person":
        return "1 person" if one.people == 1 else f"{one.people} people"
    return one.name if one.independent else f"{one.name} *"


def _shares(found: "GuessSums") -> "Table":
    """Right answers of everybody, with intervals and chance."""
    shown = table(f"units of {found.network}", "asked about", right=("right", "share", "95 % interval", "chance"))
    shown.add_column("interval over")
    for one in found.guessers:
        rows: list[tuple[str, Share | None]] = [("preferred inputs", one.preferred), ("clips", one.clips)]
        if one.clips != one.clips_by_unit:
            rows.append(("clips, by class of their unit", one.clips_by_unit))
        name = _name(one)
        for what, share in rows:
            if share is None:
                continue
            ends = f"{share.low:.0%} to {share.high:.0%}"
            right = f"{share.right} of {share.asked}"
            shown.add_row(name, what, right, f"{share.value:.0%}", ends, f"{share.chance:.0%}", share.of)
            name = ""
    return shown


def _classes(found: "GuessSums") -> "Table":
    """Right answers per class: a column for each kind of question of everybody."""
    shown = table("class")
    counts: dict[str, list[str]] = {}
    columns = []
    for one in found.guessers:
        for kind, field in (("preferred", "preferred"), ("clip", "clips")):
            own = {row.name: getattr(row, field) for row in one.classes}
            if any(asked for _, asked in own.values()):
                columns.append({name: f"{right} of {asked}" for name, (right, asked) in own.items() if asked})
                shown.add_column(f"{_name(one)}: {_KINDS[kind]}", justify="right")
    for column in columns:
        for name in column:
            counts.setdefault(name, [])
    for name in sorted(counts):
        shown.add_row(name, *(column.get(name, "-") for column in columns))
    return shown


def _confused(one: "Guessers") -> "Table":
    """What was taken for what, the most frequent first."""
    shown = table(f"{_name(one)}: confused most", "taken for", "in", right=("answers",))
    for pair in one.confused:
        shown.add_row(pair.right, pair.answer, _KINDS[pair.kind], f"{pair.count} of {pair.asked}")
    return shown
