"""Is the preferred input true to the unit? Shown back, to another network, and layer by layer beside real clips."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow
import torch

from marey.findings.chart import Chart, Series
from marey.findings.finding import Evidence, Finding
from marey.findings.intervals import group_intervals
from marey.findings.labeled_clips import LabeledClips, labeled_clips
from marey.findings.layer_nearness import CLIPS, LayerNearness, layer_nearness
from marey.findings.measure import Measure
from marey.findings.provenance import of_recording
from marey.findings.question import Question, Report
from marey.findings.recognition import SCRAMBLED, SHOWN, Recognized, recognized, verified
from marey.findings.seed_agreement import SeedAgreement, seed_agreement
from marey.findings.shown_back import OpenedInputs, Responses, opened_inputs, responses_to, scrambled
from marey.findings.steps import Steps
from marey.network.network import Network
from marey.recording.read.recording import Recording

NAME = "agreement"
ASKS = "Are the preferred inputs true to their units?"

LEVEL = 0.05
_MOST_CLIPS = 520
_NOT = float("nan")


def agreement(
    recording: Recording,
    network: Network,
    preferred: str | Path,
    layers: Iterable[str] | None = None,
    *,
    verifier: Network | None = None,
    permutations: int = 499,
    seed: int = 0,
    report: Report | None = None,
) -> Finding:
    """Whether the results of `marey maximize` in the folder `preferred` show what their units respond to in real clips.

    Each that fills the input is shown to the network again, and to `verifier`: which class is it given, and by which
    margin? In each of `layers` (None: all recorded ones) it is compared with real clips by the rank correlation of what
    units respond, relative to their mean over clips: how often is it nearer to a clip of its class than to one of
    another? Natural and made inputs can take different ways through a network (Geirhos et al., ICML 2024), which shows
    there. Beside are real clips, to which other groups are compared, and the same inputs with pixels in random places.

    Raises MareyError where the folder holds no result of this network that fills its input and has a class, and for a
    verifier that sees other streams.
    """
    names = list(recording.layers) if layers is None else [recording.layer(name).name for name in layers]
    labeled = labeled_clips(recording, most=_MOST_CLIPS)
    opened = opened_inputs(preferred, network, recording, labeled)
    steps = Steps(report, 2 * len(opened.inputs) + len(names))
    inputs = [dict(one.result.frames) for one in opened.inputs]
    random = torch.Generator().manual_seed(seed)
    mixed = [scrambled(one, random) for one in inputs]
    shown = {SHOWN: responses_to(network, inputs, names), SCRAMBLED: responses_to(network, mixed, names)}
    steps(len(inputs))
    other = None if verifier is None else verified(verifier, opened, mixed)
    steps(len(inputs))
    given = recognized(network, opened, shown)
    if verifier is not None and other is not None:
        given |= {f"{of}, by {verifier.name}": one for of, one in recognized(verifier, opened, other).items()}
    near = layer_nearness(recording, names, labeled, opened, shown, permutations=permutations, seed=seed, steps=steps)
    deep = [name for name in names if name != network.scores][-1:] or names[-1:]
    agreed = seed_agreement(
        opened.inputs, shown[SHOWN].maxima[deep[0]], recording.matrix(deep[0]).numpy()[labeled.rows]
    )
    measures = [*_shares(given, SCRAMBLED, False), *_near_measures(near, deep[0], SHOWN)]
    return Finding(
        NAME,
        ASKS,
        _sentence(given, near, deep[0], opened, len(labeled.classes)),
        (*measures, *_seed_measures(agreed)),
        (*_shares(given, SCRAMBLED, True), *_near_measures(near, deep[0], SCRAMBLED)),
        {"inputs": _input_table(network, opened, shown, given, near), "layers": _layer_table(near)},
        _chart(near, names),
        evidence=_evidence(opened, shown, network),
        remarks=_remarks(opened, labeled, agreed, recording),
        provenance=of_recording(
            recording,
            preferred=str(preferred),
            layers=names,
            permutations=permutations,
            seed=seed,
            verifier=None if verifier is None else verifier.name,
        ),
    )


def _shares(recognized: Mapping[str, Recognized], null: str, wanted: bool) -> list[Measure]:
    made = []
    for of, found in recognized.items():
        if of.startswith(null) == wanted:
            first = found.rank == 1
            ends = (_NOT, _NOT)
            if len(set(found.groups)) > 1:
                size = group_intervals(lambda some, first=first: first[some].mean(), found.groups, least=0, most=1)  # type: ignore[misc]
                ends = float(size.low), float(size.high)
            made.append(Measure("given their class", of, float(first.mean()), *ends, len(first), "inputs", "share"))
            made.append(Measure("median margin", of, float(np.median(found.margin)), _NOT, _NOT, len(first), "inputs"))
    return made


def _near_measures(near: Sequence[LayerNearness], deep: str, of: str) -> list[Measure]:
    made = []
    for name in dict.fromkeys((near[0].layer, deep)):
        found = next(one for one in near if one.layer == name)
        for every in (of, CLIPS) if of == SHOWN else (of,):
            one = found.of[every]
            label = f"nearer to a clip of their class, {name}"
            made.append(Measure(label, every, one.value, one.low, one.high, len(one.each), "inputs", "share"))
    return made


def _seed_measures(agreed: SeedAgreement | None) -> list[Measure]:
    if agreed is None:
        return []
    numbers = (agreed.value, agreed.low, agreed.high)
    return [
        Measure("correlation of units, two seeds", "one unit", *numbers, agreed.pairs, "pairs"),
        Measure("correlation of units, two seeds", "different units", agreed.others, _NOT, _NOT, agreed.pairs, "pairs"),
    ]


def _sentence(
    recognized: Mapping[str, Recognized], near: Sequence[LayerNearness], deep: str, opened: OpenedInputs, classes: int
) -> str:
    def right(found: Recognized) -> str:
        return f"{int((found.rank == 1).sum())} of {len(found.rank)}"

    by = "".join(
        f", {of.removeprefix(f'{SHOWN}, by ')} gives it to {right(one)}"
        for of, one in recognized.items()
        if of.startswith(f"{SHOWN}, ")
    )
    layers = []
    for name in dict.fromkeys((near[0].layer, deep)):
        of = next(one.of for one in near if one.layer == name)
        here = of[SHOWN]
        layers.append(
            f"in {name} {100 * here.value:.0f} % [{100 * here.low:.0f}, {100 * here.high:.0f}] "
            f"(real clips {100 * of[CLIPS].value:.0f} %, scrambled {100 * of[SCRAMBLED].value:.0f} %)"
        )
    far = max(near, key=_lack)
    ends = tuple(f"{100 * far.of[of].value:.0f} %" for of in (SHOWN, CLIPS, SCRAMBLED))
    significant = sum(one.q <= LEVEL and one.of[SHOWN].value > 0.5 for one in near)
    return (
        f"The network gives their own class to {right(recognized[SHOWN])} preferred inputs of {len(opened.inputs)} "
        f"units{by} (scrambled {right(recognized[SCRAMBLED])}; chance {100 / classes:.0f} %). They are nearer to a "
        f"clip of their class than to another {', '.join(layers)}, chance 50 %; above chance in {significant} of "
        f"{len(near)} layers. "
        f"Farthest from real clips: {far.layer}, {ends[0]} (real clips {ends[1]}, scrambled {ends[2]})."
    )


def _lack(near: LayerNearness) -> float:
    return near.of[CLIPS].value - near.of[SHOWN].value


def _input_table(
    network: Network,
    opened: OpenedInputs,
    shown: Mapping[str, Responses],
    recognized: Mapping[str, Recognized],
    near: Sequence[LayerNearness],
) -> pyarrow.Table:
    rows, place = [], 0
    for one in opened.inputs:
        for at, slowness in enumerate(one.result.slowness):
            row: dict[str, object] = {"unit": str(one.unit), "class": one.label, "of_class": one.is_class}
            row |= {"seed": one.seed, "slowness": slowness, "score": one.result.scores[at]}
            row["given"] = network.classes[int(shown[SHOWN].scores[place].argmax())]
            for of, found in recognized.items():
                row[f"rank, {of}"], row[f"margin, {of}"] = int(found.rank[place]), float(found.margin[place])
            row |= {f"near, {layer.layer}": float(layer.of[SHOWN].each[place]) for layer in near[-1:]}
            row["notes"] = list(one.result.notes[at])
            rows.append(row)
            place += 1
    return pyarrow.Table.from_pylist(rows)


def _layer_table(near: Sequence[LayerNearness]) -> pyarrow.Table:
    return pyarrow.Table.from_pylist(
        [
            {"layer": one.layer, "of": of, "near": found.value, "low": found.low, "high": found.high}
            | {"p": found.p if of != CLIPS else None, "q": one.q if of == SHOWN else None}
            for one in near
            for of, found in one.of.items()
        ]
    )


def _chart(near: Sequence[LayerNearness], names: Sequence[str]) -> Chart:
    def series(label: str, of: str) -> Series:
        found = [one.of[of] for one in near]
        y, low, high = (tuple(getattr(one, part) for one in found) for part in ("value", "low", "high"))
        return Series(label, tuple(names), y, low, high, null=of == SCRAMBLED)

    lines = (series("preferred inputs", SHOWN), series(CLIPS, CLIPS), series(SCRAMBLED, SCRAMBLED))
    return Chart("How often nearer to a clip of the same class than to another", "layer", "share of pairs", lines)


def _evidence(opened: OpenedInputs, shown: Mapping[str, Responses], network: Network) -> tuple[Evidence, ...]:
    """The inputs that the network gives another class, first."""
    made, place = [], 0
    for one in opened.inputs:
        for at, slowness in enumerate(one.result.slowness):
            given = network.classes[int(shown[SHOWN].scores[place].argmax())]
            if given != one.label:
                what = f"preferred input for '{one.label}' at slowness {slowness:g} is taken for '{given}'"
                made.append(Evidence(what, one.result.scores[at], str(one.unit)))
            place += 1
    return tuple(made[:12])


def _remarks(
    opened: OpenedInputs, labeled: LabeledClips, agreed: SeedAgreement | None, recording: Recording
) -> tuple[str, ...]:
    remarks = list(labeled.remarks)
    if opened.left_out:
        remarks.append(
            f"{opened.left_out} results do not count: they show a part of the input, a sum of units, or no known class"
        )
    remarks += [
        f"noted of {count} of {len(opened.inputs) + opened.left_out} results: {note}"
        for note, count in opened.notes.items()
    ]
    if agreed is None:
        remarks.append("no unit has results from two seeds, so that their agreement cannot be asked")
    dead = sum(int((np.ptp(recording.matrix(name).numpy(), axis=0) == 0).sum()) for name in recording.layers)
    remarks.append(f"{dead} units of {len(recording.layers)} layers respond to all clips alike, and do not count")
    return tuple(remarks)


AGREEMENT = Question(NAME, ASKS, agreement)
