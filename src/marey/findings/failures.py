"""Question 4 of the paper: which classes does the network confuse, and which units carry the error?"""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import false_discovery_control

from marey.errors import MareyError
from marey.findings.ablation import mean_responses
from marey.findings.carrying_units import Judged, Traced, traced
from marey.findings.class_closeness import Closeness, closeness_of_clips, closeness_of_preferred
from marey.findings.confused_pairs import accuracy_by_chance, class_accuracy, confused_pairs, counts_of, told_apart
from marey.findings.deep_passes import DeepPasses, deep_layers, most_clips, run_to
from marey.findings.failure_report import finding_of
from marey.findings.failures_found import LEVEL, Failures
from marey.findings.finding import Finding
from marey.findings.labeled_clips import LabeledClips, labeled_clips
from marey.findings.provenance import of_recording
from marey.findings.question import Question, Report
from marey.findings.steps import Steps
from marey.network.network import Network
from marey.recording.read.recording import Recording
from marey.recording.read.same_weights import check_same_weights
from marey.video.flow.methods import Method

NAME = "failures"
ASKS = "Which classes does the network confuse, and which units carry the error?"

_MOST_PAIRS = 8

_LEAST_CONFUSED = 3
"""Pairs of classes; with fewer, a rank correlation of nearness and confusions is that of one or two pairs."""


def failures(
    recording: Recording,
    network: Network,
    layers: Iterable[str] | None = None,
    *,
    units: int = 8,
    preferred: str | Path | None = None,
    flow: Method = "tvl1-fast",
    permutations: int = 1999,
    draws: int = 99,
    seed: int = 0,
    report: Report | None = None,
) -> Finding:
    """Which classes are taken for which, and which `units` of a layer carry that error.

    A class that is taken for another at least twice is a pair. It counts if it stands out more than any pair does where
    the errors of each group are spread evenly, and if the network is right more often than with dealt labels. The units
    that carry it add most to the wrong class over the right one on failing clips, beyond what they add on clips of the
    class that are right. Held at their means, they are tested on clips of groups on which they were not chosen, beside
    as many random units (`draws`): the share of failing clips put right, the lead of the wrong class that is left, and
    what it costs among the clips that were right.

    layers
        None: the three deepest before the class scores that see all streams; of each stream where they meet there.
    preferred
        a folder of preferred inputs of classes; nearness of classes is then that of these, else of mean responses.
    report
        told how much is done, and of how much.

    Raises NetworkError for another network than the recorded one, MareyError for clips of one class or group.
    """
    check_same_weights(recording, network)
    names = (
        deep_layers(network, recording.layers) if layers is None else tuple(recording.layer(one).name for one in layers)
    )
    asked = [recording.layers[name] for name in names]
    windows = int(recording.summary["settings"].get("windows", 1))
    every = labeled_clips(recording)
    known = _known(every, network)
    labeled = known.at_most(most_clips(asked, windows=windows))
    remarks = list(labeled.remarks)
    if len(known.clips) < len(every.clips):
        remarks.append(f"{len(known.clips)} of {len(every.clips)} labeled clips count, those of the network's classes")
    labels = np.array([network.classes.index(labeled.classes[label]) for label in labeled.labels], np.intp)
    steps = Steps(report, len(labeled.clips) + sum(layer.units for layer in asked) + draws * len(asked))
    passes = run_to(network, labeled.clips, names, windows=windows, flow=flow, report=steps)
    found = _found(
        recording, network, passes, labels, labeled,
        units=units, preferred=preferred, permutations=permutations, draws=draws, seed=seed, steps=steps,
    )  # fmt: skip
    settings = {"layers": names, "units": units, "permutations": permutations, "draws": draws, "seed": seed}
    settings["preferred"] = None if preferred is None else str(preferred)
    return finding_of(NAME, ASKS, found, remarks, of_recording(recording, **settings, level=LEVEL))


def _known(labeled: LabeledClips, network: Network) -> LabeledClips:
    """The clips of classes that the network has."""
    known = np.array([labeled.classes[label] in network.classes for label in labeled.labels])
    if not known.any():
        raise MareyError(
            f"none of the {len(known)} labeled clips is of a class of {network.name}, such as '{network.classes[0]}'; "
            "the names of folders and of classes must be the same."
        )
    return labeled.some(known)


def _found(
    recording: Recording,
    network: Network,
    passes: dict[str, DeepPasses],
    labels: NDArray[np.intp],
    labeled: LabeledClips,
    *,
    units: int,
    preferred: str | Path | None,
    permutations: int,
    draws: int,
    seed: int,
    steps: Steps,
) -> Failures:
    names, classes = tuple(passes), len(network.classes)
    scores = passes[names[0]].scores()
    predicted = scores.argmax(1)
    counts = counts_of(labels, predicted, classes)
    groups = labeled.groups
    pairs = confused_pairs(labels, predicted, groups, classes, permutations=permutations, seed=seed)
    by_chance = accuracy_by_chance(labels, predicted, groups, permutations=permutations, seed=seed)
    accuracy = class_accuracy(labels, predicted, labeled.groups, classes)
    paths = tuple(str(clip.path) for clip in labeled.clips)
    if not pairs:
        return Failures(network.classes, paths, counts, accuracy, by_chance, layers=names)
    apart = tuple(
        told_apart(
            scores[:, pair.taken_for] - scores[:, pair.right],
            labels,
            labeled.groups,
            right=pair.right,
            taken_for=pair.taken_for,
        )
        for pair in pairs
    )
    untraced = Failures(network.classes, paths, counts, accuracy, by_chance, pairs, apart, layers=names)
    if not untraced.knows_classes:
        return untraced
    judged = Judged(labels, labeled.groups)
    every: list[Traced] = []
    for name in names:
        means = mean_responses(recording, name)
        count = min(units, max(1, passes[name].units // 2))
        with passes[name].ready():
            every += traced(
                passes[name], means, pairs[:_MOST_PAIRS], judged, count=count, draws=draws, seed=seed, steps=steps
            )
    return Failures(
        network.classes,
        paths,
        counts,
        accuracy,
        by_chance,
        pairs,
        apart,
        names,
        units,
        draws,
        every,
        _q(every),
        _closeness(
            recording, network, names[0], labeled, labels=labels, predicted=predicted, preferred=preferred, seed=seed
        )
        if np.triu(counts + counts.T, 1).astype(bool).sum() >= _LEAST_CONFUSED
        else None,
    )


def _q(found: Sequence[Traced]) -> list[float]:
    """By Benjamini and Hochberg over layers and the pairs that count; 1 for other pairs."""
    q = np.ones(len(found))
    counting = np.array([one.pair.p <= LEVEL for one in found], bool)
    if counting.any():
        q[counting] = false_discovery_control([one.p for one in found if one.pair.p <= LEVEL])
    return [float(one) for one in q]


def _closeness(
    recording: Recording,
    network: Network,
    layer: str,
    labeled: LabeledClips,
    *,
    labels: NDArray[np.intp],
    predicted: NDArray[np.intp],
    preferred: str | Path | None,
    seed: int,
) -> Closeness:
    classes = len(network.classes)

    def confusions(chosen: NDArray[np.bool_]) -> NDArray[np.intp]:
        counts = counts_of(labels[chosen], predicted[chosen], classes)
        return np.asarray(counts - np.diag(np.diag(counts)), np.intp)

    if preferred is not None:
        return closeness_of_preferred(network, preferred, layer, labeled.groups, confusions, seed=seed)
    responses = recording.matrix(layer).numpy()[labeled.rows]
    return closeness_of_clips(responses, labels, labeled.groups, confusions, classes=classes, layer=layer, seed=seed)


FAILURES = Question(NAME, ASKS, failures)
