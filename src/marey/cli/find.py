"""`marey find`: answers to questions about a network, with numbers, nulls and evidence."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from marey.cli.arguments import DeviceOption, FlowOption, OutOption, SeedOption, names
from marey.cli.figure import draw_figure
from marey.cli.progress import progress
from marey.cli.screen import say, screen
from marey.cli.tables import table

if TYPE_CHECKING:
    from marey.findings.finding import Finding
    from marey.findings.question import Question, Sources
    from marey.network.network import Network
    from marey.recording import Recording

_NEEDS = {"recording": "a recording", "network": "--network", "preferred": "--network, --preferred"}

_MISSING = {
    "network": "asks the network again; give it with --network NET",
    "preferred": "asks about preferred inputs; give their folder with --preferred DIR, and the network with --network",
}


def find(
    recording: Annotated[
        Path | None,
        typer.Argument(metavar="RECORDING", help="A folder that `marey record` wrote.", show_default=False),
    ] = None,
    questions: Annotated[
        list[str] | None,
        typer.Argument(metavar="QUESTION...", help="What to ask. Default: everything.", show_default=False),
    ] = None,
    *,
    out: OutOption = Path("findings"),
    net: Annotated[
        str | None,
        typer.Option("--network", metavar="NET", help="The recorded network, to ask it again.", show_default=False),
    ] = None,
    preferred: Annotated[
        Path | None,
        typer.Option(
            "--preferred", metavar="DIR", help="Results of `marey maximize`, to ask about them.", show_default=False
        ),
    ] = None,
    verifier: Annotated[
        str | None,
        typer.Option(
            "--verifier",
            metavar="NET",
            help="Another network, to which preferred inputs are shown.",
            show_default=False,
        ),
    ] = None,
    layers: Annotated[
        str | None,
        typer.Option("--layers", metavar="NAME,...", help="Only these layers. Default: all.", show_default=False),
    ] = None,
    flow: FlowOption = "tvl1-fast",
    seed: SeedOption = 0,
    listed: Annotated[bool, typer.Option("--list", help="List the questions and end.")] = False,
    device: DeviceOption = None,
) -> None:
    """Answer questions about a network: what units serve, what streams add, what the data hide.

    Stopped, the same line goes on with the questions that have no answer yet.
    """
    from marey.cli.device import placed
    from marey.cli.output import writable
    from marey.errors import MareyError
    from marey.families.loading import load, provenance
    from marey.findings.question import Sources
    from marey.findings.questions import QUESTIONS, question
    from marey.findings.trained_groups import trained_groups
    from marey.recording.read.recording import Recording

    if listed:
        _list(QUESTIONS)
        return
    if recording is None:
        raise MareyError("name a folder that `marey record` wrote, or list the questions with `marey find --list`.")
    asked = [question(name) for name in dict.fromkeys(questions)] if questions else list(QUESTIONS)
    opened = Recording.open(recording)
    network = None if net is None else _same(placed(load(net), device), opened)
    chosen = None if layers is None else tuple(opened.layer(name).name for name in names(layers))
    writable(out)
    other = None if verifier is None else placed(load(verifier), device)
    sources = Sources(opened, network, chosen, flow, seed, preferred=preferred, verifier=other)
    remarks = () if net is None else trained_groups(opened, provenance(net).get("held_out_groups", ()))
    left_out = []
    for one in asked:
        if one.needs in sources.missing:
            if questions:
                raise MareyError(f"'{one.name}' {_MISSING[one.needs]}.")
            left_out.append(one.name)
            continue
        _show(_answered(one, sources, out, remarks))
    if left_out:
        options = "--network" if network is None else "--preferred"
        say(f"not asked without {options}: {', '.join(left_out)}")


def _same(network: "Network", recording: "Recording") -> "Network":
    from marey.recording.read.same_weights import check_same_weights

    check_same_weights(recording, network)
    return network


def _answered(question: "Question", sources: "Sources", out: Path, remarks: "Sequence[str]") -> "Finding":
    """The finding in the folder of the question, where it was asked of the same before; else a new one, saved there."""
    from marey.findings.finding import Finding, removed
    from marey.findings.provenance import asked_before, asked_of

    folder = out / question.name
    kept = asked_before(folder, sources)
    if kept is not None:
        return kept
    with progress() as shown:
        shown.at(f"{question.name}: reading")
        found = question.answer(replace(sources, report=partial(shown.at, question.name)))
    removed(folder)
    remarks = (*found.remarks, *remarks)
    replace(found, remarks=remarks, provenance={**found.provenance, "asked": asked_of(sources)}).save(folder)
    draw_figure(found.chart, folder)
    return Finding.open(folder)


def _list(questions: "Sequence[Question]") -> None:
    shown = table("question", "asks", "needs")
    for one in questions:
        shown.add_row(one.name, one.asks, _NEEDS[one.needs])
    screen().print(shown)


def _show(found: "Finding") -> None:
    for line in str(found).splitlines():
        say(line)
    say("")
