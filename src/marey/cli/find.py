"""`marey find`: answers to questions about a network, with numbers, nulls and evidence."""

from collections.abc import Sequence
from dataclasses import replace
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

_OPTIONS = ("network", "late", "verifier", "preferred")
"""Sources that are options of their own name, and are not there unless they are given."""


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
    late: Annotated[
        str | None,
        typer.Option(
            "--late",
            metavar="NET",
            help="A network that joins the same streams in its scores only: a null of fusion.",
            show_default=False,
        ),
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
            help="Another network, to which preferred inputs are shown: for agreement.",
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
    from marey.errors import MareyError, OutputError
    from marey.families.loading import load, provenance
    from marey.findings.question import Sources
    from marey.findings.questions import QUESTIONS, question
    from marey.findings.trained_groups import trained_groups
    from marey.recording.read.recording import Recording
    from marey.recording.read.same_weights import check_same_weights

    if listed:
        _list(QUESTIONS)
        return
    if recording is None:
        raise MareyError("name a folder that `marey record` wrote, or list the questions with `marey find --list`.")
    asked = [question(name) for name in dict.fromkeys(questions)] if questions else list(QUESTIONS)
    opened = Recording.open(recording)
    chosen = None if layers is None else tuple(dict.fromkeys(opened.layer(name).name for name in names(layers)))
    network, nulled, other = (None if one is None else placed(load(one), device) for one in (net, late, verifier))
    if network is not None:
        check_same_weights(opened, network)
    sources = Sources(opened, network, nulled, other, preferred, chosen, flow, seed)
    if questions:
        _check(asked, sources)
    writable(out)
    remarks = () if net is None else trained_groups(opened, provenance(net).get("held_out_groups", ()))
    refused: dict[str, list[str]] = {}
    for one in asked:
        if lacks := _options(one.missing(sources)):
            refused.setdefault(f"without {lacks}", []).append(one.name)
            continue
        try:
            found = _answered(one, sources, out, remarks)
        except MareyError as error:
            if questions or isinstance(error, OutputError):
                raise
            refused.setdefault(f"as {error}", []).append(one.name)
        else:
            for line in (*str(found).splitlines(), ""):
                say(line)
    for reason, left_out in refused.items():
        say(f"not answered: {', '.join(left_out)}, {reason}")


def _check(asked: "Sequence[Question]", sources: "Sources") -> None:
    """MareyError for a question without what it needs, and for an option that counts in none of the questions."""
    from marey.errors import MareyError
    from marey.findings.questions import QUESTIONS

    for one in asked:
        if lacks := _options(one.missing(sources)):
            raise MareyError(f"'{one.name}' cannot be answered without {lacks}.")
    for option in _OPTIONS:
        if getattr(sources, option) is not None and not any(option in one.takes for one in asked):
            takers = ", ".join(one.name for one in QUESTIONS if option in one.takes)
            raise MareyError(f"--{option} does not count in what is asked; leave it out, or ask {takers}.")


def _options(names: "Sequence[str]") -> str:
    return ", ".join(f"--{name}" for name in names if name in _OPTIONS)


def _answered(question: "Question", sources: "Sources", out: Path, remarks: "Sequence[str]") -> "Finding":
    """The finding in the folder of the question, where it was asked of the same before; else a new one, saved there."""
    from marey.findings.provenance import answered, asked_before, asked_of

    folder, asked = out / question.name, asked_of(question, sources)
    kept = asked_before(folder, asked)
    if kept is not None:
        return kept
    with progress() as shown:
        shown.at(f"{question.name}: reading")

        def told(done: int, total: int) -> None:
            if done < total:
                shown.at(question.name, done, total)
            else:
                shown.at(f"{question.name}: numbers and intervals")

        found = answered(question, replace(sources, report=told), folder, asked=asked, remarks=remarks)
    draw_figure(found.chart, folder)
    return found


def _list(questions: "Sequence[Question]") -> None:
    shown = table("question", "asks", "needs", "takes, too")
    for one in questions:
        more = [name for name in one.takes if name in _OPTIONS and name not in one.needs]
        shown.add_row(one.name, one.asks, _options(one.needs), _options(more))
    screen().print(shown)
