"""Question 2 of the paper: which units serve one class, which serve several, and of which can nothing be said?"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pyarrow
from numpy.typing import NDArray

from marey.errors import MareyError, NetworkError
from marey.findings.asking import ask
from marey.findings.chart import Chart, Series
from marey.findings.class_units import ClassUnits, class_units, planned_steps
from marey.findings.detection_test import PERMUTATIONS_BESIDES, detection_nulls
from marey.findings.finding import Evidence, Finding
from marey.findings.labeled_clips import LabeledClips, labeled_clips
from marey.findings.measure import Measure
from marey.findings.permutations import dealt_labels
from marey.findings.provenance import of_recording
from marey.findings.question import Question, Report
from marey.findings.ranked_units import RankedUnits
from marey.findings.served_classes import KINDS, LEVEL, Responses, ServedClasses, served_classes
from marey.findings.steps import Steps
from marey.findings.untrained import untrained
from marey.network.network import Network
from marey.recording.read.recording import Recording
from marey.video.flow.methods import Method

NAME = "specificity"
ASKS = "Which units serve one class, which serve several, and which none?"

_MEANING = {
    "specific": "units that serve one class",
    "generic": "units that serve several classes",
    "unexplained": "units that serve no class",
}
NETWORK, SHUFFLED, UNTRAINED = "the network", "shuffled labels", "an untrained copy"


def specificity(
    recording: Recording,
    layers: Iterable[str] | None = None,
    *,
    network: Network | None = None,
    flow: Method = "tvl1-fast",
    permutations: int = 499,
    seed: int = 0,
    report: Report | None = None,
) -> Finding:
    """Which units of `layers` (None: all recorded ones) tell the clips of a class from all others, and of how many.

    A unit serves a class if its largest response to a clip detects the class better than dealt labels allow: by
    average precision (AUPRC) over all clips, against the best class of each of `permutations` permutations of the
    labels within groups, at a false discovery rate of 5 % over all units. At the threshold that detects this class best
    (F1), it serves every other class too of whose clips more than half pass. A unit that serves one class is specific,
    one that serves several is generic, and one that serves none is unexplained. AUC, recall and plain selectivity call
    units specific that are not (NeuronEval, ICML 2025); they stand in the table beside. Intervals are over groups.

    network
        the recorded one, of which an untrained copy is asked the same, and whose units are held at their means; see
        `marey.findings.class_units`.
    report
        told how much is done, and of how much.

    Raises NetworkError for a layer that was not recorded, MareyError for clips of one class or of too few groups.
    """
    if permutations < 1 / LEVEL:
        raise MareyError(f"permutations is {permutations}; a level of {LEVEL} needs at least {round(1 / LEVEL)}.")
    names = list(recording.layers) if layers is None else [recording.layer(name).name for name in layers]
    labeled = labeled_clips(recording)
    units = sum(recording.layers[name].units for name in names)
    again = 0 if network is None else units + len(labeled.clips) + planned_steps(labeled)
    steps = Steps(report, units + again)
    deals = PERMUTATIONS_BESIDES + permutations
    dealt = list(dealt_labels(labeled.labels, labeled.groups, deals + 1, seed=seed))
    responses = {name: recording.matrix(name).numpy()[labeled.rows] for name in names}
    nulls = detection_nulls(RankedUnits.of_responses(responses), dealt[1:], steps)
    found = {
        NETWORK: served_classes(responses, labeled, nulls),
        SHUFFLED: served_classes(responses, replace(labeled, labels=dealt[0]), nulls),
    }
    if network is not None:
        copy = _asked_again(untrained(network, seed=seed), labeled, names, flow, steps)
        copy_nulls = detection_nulls(RankedUnits.of_responses(copy), dealt[1:], steps)
        found[UNTRAINED] = served_classes(copy, labeled, copy_nulls)
    held = _held(recording, network, labeled, found[NETWORK], names, flow=flow, seed=seed, steps=steps)
    measures = _measures(NETWORK, found[NETWORK], len(names))
    nulls_found = [one for name in list(found)[1:] for one in _measures(name, found[name], len(names))]
    return Finding(
        NAME,
        ASKS,
        " ".join(filter(None, (_sentence(measures, nulls_found), held.sentence))),
        (*measures, *held.measures),
        (*nulls_found, *held.nulls),
        {"units": found[NETWORK].table, "layers": _layer_table(found, names), **held.tables},
        _chart(found, names),
        evidence=_evidence(found[NETWORK]),
        unexplained=measures[KINDS.index("unexplained")].value,
        remarks=(*labeled.remarks, *_few_remark(labeled, dealt[1:]), *_dead_remark(found[NETWORK]), *held.remarks),
        provenance=of_recording(recording, layers=names, permutations=permutations, seed=seed, level=LEVEL),
    )


def _asked_again(
    network: Network, labeled: LabeledClips, names: Sequence[str], flow: Method, steps: Steps
) -> Responses:
    asked = ask(network, labeled.clips, names, flow=flow, report=lambda _done, _all: steps(1))
    if len(asked.rows) < len(labeled.clips):
        raise MareyError(
            f"{len(labeled.clips) - len(asked.rows)} of the recorded clips can no longer be read, such as "
            f"'{asked.skipped[0].path}'; put them back, or ask without the network."
        )
    return {name: values.numpy() for name, values in asked["as it is"].maxima.items()}


def _held(
    recording: Recording,
    network: Network | None,
    labeled: LabeledClips,
    served: ServedClasses,
    names: Sequence[str],
    *,
    flow: Method,
    seed: int,
    steps: Steps,
) -> ClassUnits:
    """What holding the units does, where there is a network and a layer in which they can be held."""
    if network is None:
        return ClassUnits()
    try:
        return class_units(recording, network, labeled, served.table, names, flow=flow, seed=seed, report=steps)
    except NetworkError as error:
        steps(planned_steps(labeled))
        return ClassUnits(remarks=(f"no units are held: {str(error).rstrip('.')}",))


def _measures(of: str, served: ServedClasses, layers: int) -> tuple[Measure, ...]:
    whole, units = served.shares[""], served.units[""]
    return tuple(
        Measure(
            _MEANING[kind],
            of,
            float(whole.value[place]),
            float(whole.low[place]),
            float(whole.high[place]),
            units,
            f"units of {layers} layers",
            "share",
        )
        for place, kind in enumerate(KINDS)
    )


def _sentence(measures: Sequence[Measure], nulls: Sequence[Measure]) -> str:
    specific, generic, unexplained = measures
    served: dict[str, float] = {}
    for one in nulls:
        if one.name != unexplained.name:
            served[one.of] = served.get(one.of, 0.0) + one.value
    beside = "; ".join(f"{of}: {100 * share:.0f} % serve any" for of, share in served.items())
    if unexplained.value == 1:
        return f"None of {specific.count:,} {specific.counted} serves a class ({beside})."
    return (
        f"Of {specific.count:,} {specific.counted} {specific} serve one class, {generic} serve several, and "
        f"{unexplained} serve none ({beside})."
    )


def _layer_table(found: Mapping[str, ServedClasses], names: Sequence[str]) -> pyarrow.Table:
    rows = []
    for of, served in found.items():
        for name in names:
            row: dict[str, object] = {"of": of, "layer": name, "units": served.units[name]}
            shares = served.shares[name]
            for place, kind in enumerate(KINDS):
                row[kind] = float(shares.value[place])
                row[f"{kind}_low"], row[f"{kind}_high"] = float(shares.low[place]), float(shares.high[place])
            rows.append(row)
    return pyarrow.Table.from_pylist(rows)


def _chart(found: Mapping[str, ServedClasses], names: Sequence[str]) -> Chart:
    def series(label: str, of: str, kind: str) -> Series:
        place = KINDS.index(kind)
        shares = [found[of].shares[name] for name in names]
        values, lows, highs = (
            tuple(float(ends[place]) for ends in every)
            for every in zip(*((one.value, one.low, one.high) for one in shares), strict=True)
        )
        return Series(label, tuple(names), values, lows, highs, null=of != NETWORK)

    lines = [series("serve one class", NETWORK, "specific"), series("serve several", NETWORK, "generic")]
    lines += [series(f"serve one class, {of}", of, "specific") for of in list(found)[1:]]
    return Chart("Units that serve classes, from the first layer to the last", "layer", "share of units", tuple(lines))


def _evidence(served: ServedClasses, most: int = 12) -> tuple[Evidence, ...]:
    """The unit that singles out each class best, the clearest first."""
    rows = [row for row in served.table.to_pylist() if row["kind"] == "specific"]
    rows.sort(key=lambda row: (-row["auprc"], -row["selectivity"]))
    best = {row["class"]: row for row in reversed(rows)}
    chosen = sorted(best.values(), key=rows.index)[:most]
    return tuple(
        Evidence(f"serves '{row['class']}', AUPRC {row['auprc']:.2f}", row["auprc"], f"{row['layer']}:{row['unit']}")
        for row in chosen
    )


def least_p(labels: NDArray[np.intp], dealt: Sequence[NDArray[np.intp]]) -> float:
    """The p of a unit that tells a class without an error, the median over classes: how often chance does as well.

    Its best clips are those of the class, so that chance does if it deals one label to all of them.
    """
    own = [labels == label for label in np.unique(labels)]
    reached = [sum(len(set(one[clips].tolist())) == 1 for one in dealt) for clips in own]
    return float((1 + np.median(reached)) / (1 + len(dealt)))


_MUCH = 0.1
"""Of the units. Where more must be without error before one counts, a reader must know."""


def _few_remark(labeled: LabeledClips, dealt: Sequence[NDArray[np.intp]]) -> tuple[str, ...]:
    p = least_p(labeled.labels, dealt)
    if p <= max(_MUCH * LEVEL, 2 / (1 + len(dealt))):  # else there are few permutations, not few clips
        return ()
    share = p / LEVEL
    many = f"unless {100 * share:.0f} % of all units do as well" if share <= 1 else "at all"
    return (
        f"so few clips and groups show little: a unit that tells a class without an error has p = {p:.2g}, and does "
        f"not count {many}; record clips of more people or source videos",
    )


def _dead_remark(served: ServedClasses) -> tuple[str, ...]:
    if not served.dead:
        return ()
    return (f"{served.dead} units respond to all clips alike, so that nothing can be asked of them; they do not count",)


SPECIFICITY = Question(NAME, ASKS, specificity)
