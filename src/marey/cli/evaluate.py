"""`marey evaluate`: how often a network is right, and which classes it confuses."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from marey.cli.arguments import DataArgument, DeviceOption, FlowOption, GroupOption, GroupsOption, NetArgument
from marey.cli.chosen_clips import chosen_clips
from marey.cli.output import writable
from marey.cli.progress import Report, progress
from marey.cli.screen import screen
from marey.cli.tables import class_table, confusion_table, fits, mistakes_table, remarks, results_table
from marey.evaluation.accuracy import Evaluation

if TYPE_CHECKING:
    from marey.video.read.clips import Clip

_MISTAKES = 10
"""Pairs of classes that are listed where the confusion matrix is wider than the screen."""


def evaluate(
    net: NetArgument,
    data: DataArgument,
    *,
    groups: GroupsOption = "held-out",
    group: GroupOption = None,
    windows: Annotated[int, typer.Option("--windows", help="Windows of a clip whose scores are averaged.")] = 5,
    confusion: Annotated[
        bool,
        typer.Option("--confusion/--no-confusion", help="Show the confusion matrix, or what it confuses most."),
    ] = True,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE", help="Write figures and predictions as JSON.", show_default=False),
    ] = None,
    flow: FlowOption = "tvl1-fast",
    device: DeviceOption = None,
) -> None:
    """Evaluate a network on clips: accuracy with interval, per-class table, confusion."""
    from marey.cli.device import placed
    from marey.datasets.clip_set import group_of
    from marey.datasets.data_set import TRAIN_SPLITS, data_set
    from marey.errors import OutputError
    from marey.evaluation.classify import evaluated
    from marey.families.loading import load
    from marey.files import replacing

    if out is not None:
        if out.is_dir():
            raise OutputError(f"'{out}' is a folder; name a file for the figures, as in {out / 'figures.json'}.")
        writable(out.parent)
    network = placed(load(net), device)
    parts = data_set(data, group=group)
    test = [clip for name, part in parts.items() if name not in TRAIN_SPLITS[1:] or len(parts) == 1 for clip in part]
    chosen = chosen_clips(test, groups, net=net, data=data)
    with progress() as report:
        found = evaluated(network, _told(chosen, report), windows=windows, flow=flow)
    shown = screen()
    tested = sorted({group_of(clip) for clip in chosen})
    words = "all" if len(chosen) == len(test) else ", ".join(tested[:12]) + (", ..." if len(tested) > 12 else "")
    people = "1 person or source video" if len(tested) == 1 else f"{len(tested)} people or source videos"
    shown.print(f"groups: {words} ({people})", highlight=False, markup=False)
    count = f"{len(found.labels)}" + (f" of {found.total}" if found.skipped else "")
    shown.print(results_table({network.name: found}, heading=f"on {count} clips"))
    shown.print(class_table(found))
    if confusion:
        matrix = confusion_table(found)
        if fits(shown, matrix):
            shown.print(matrix)
        else:
            shown.print(mistakes_table(found, _MISTAKES))
            where = "--out FILE keeps it" if out is None else f"it is in {out}"
            shown.print(f"the whole confusion matrix is wider than the screen; {where}", highlight=False, markup=False)
    notes = dict.fromkeys(note for part in parts.values() for note in part.notes)
    for line in (*notes, *remarks(found.skipped, found.damaged, found.padded)):
        shown.print(line, highlight=False, markup=False)
    if out is not None:
        with replacing(out) as temporary:
            temporary.write_text(json.dumps(_figures(found), indent=1) + "\n", encoding="utf-8")


def _told(clips: "Sequence[Clip]", report: Report) -> "Iterator[Clip]":
    for done, clip in enumerate(clips):
        report.at("evaluating clips", done, len(clips))
        yield clip


def _figures(found: Evaluation) -> dict[str, Any]:
    """The evaluation with the predictions of every clip, as plain values for JSON."""
    return {
        **found.to_json(),
        "classes": list(found.classes),
        "clips": list(found.clips),
        "labels": found.labels.tolist(),
        "predictions": found.predictions.tolist(),
        "confusion": found.confusion.tolist(),
        "skipped": [one.to_json() for one in found.skipped],
        "padded": list(found.padded),
        "damaged": [list(pair) for pair in found.damaged],
    }
