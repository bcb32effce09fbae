"""`marey evaluate`: how often a network is right, and which classes it confuses."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from marey.cli.arguments import DataArgument, DeviceOption, FlowOption, GroupOption, NetArgument
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
    groups: Annotated[
        str,
        typer.Option(
            "--groups",
            metavar="WHAT",
            help="held-out (those that training held out; all where there are none), all, or names (ira,denis).",
        ),
    ] = "held-out",
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
    from marey.families.loading import load, provenance
    from marey.files import replacing

    if out is not None:
        if out.is_dir():
            raise OutputError(f"'{out}' is a folder; name a file for the figures, as in {out / 'figures.json'}.")
        writable(out.parent)
    network = placed(load(net), device)
    parts = data_set(data, group=group)
    test = [clip for name, part in parts.items() if name not in TRAIN_SPLITS[1:] or len(parts) == 1 for clip in part]
    chosen = _chosen(test, groups, data, held_out=provenance(net).get("held_out_groups", []))
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


def _told(clips: "list[Clip]", report: Report) -> "Iterator[Clip]":
    for done, clip in enumerate(clips):
        report.at("evaluating clips", done, len(clips))
        yield clip


def _chosen(clips: "list[Clip]", groups: str, data: Path, *, held_out: list[str]) -> "list[Clip]":
    """The clips of the groups that --groups names; DatasetError for a group that no clip belongs to."""
    from marey.datasets.clip_set import group_of
    from marey.errors import DatasetError, did_you_mean

    known = sorted({group_of(clip) for clip in clips})
    wanted = held_out if groups == "held-out" else groups.split(",")
    if groups == "all" or (groups == "held-out" and not set(wanted) & set(known)):
        wanted = known
    strange = [name for name in wanted if name not in known]
    if strange and groups != "held-out":
        near = did_you_mean(strange[0], known)
        raise DatasetError(f"no group '{strange[0]}' in '{data}'.{near} It has {', '.join(known[:12])}.")
    return [clip for clip in clips if group_of(clip) in set(wanted)]


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
