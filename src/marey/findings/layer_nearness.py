"""Layer by layer: how near preferred inputs are to real clips of their class, beside scrambled ones and real clips."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import false_discovery_control

from marey.findings.labeled_clips import LabeledClips
from marey.findings.nearness import Nearness, likeness, nearness
from marey.findings.permutations import dealt_labels
from marey.findings.recognition import SHOWN
from marey.findings.shown_back import OpenedInputs, Responses
from marey.recording.read.recording import Recording

CLIPS = "real clips"

_COMPARED = 52
"""Real clips that take the place of preferred inputs, which says how near a true one can be."""


@dataclass(frozen=True, eq=False)
class LayerNearness:
    """The nearness in one layer of the inputs, the scrambled ones, and real clips; q over layers."""

    layer: str
    of: Mapping[str, Nearness]
    q: float = float("nan")


def layer_nearness(
    recording: Recording,
    names: Sequence[str],
    labeled: LabeledClips,
    opened: OpenedInputs,
    shown: Mapping[str, Responses],
    *,
    permutations: int,
    seed: int,
    steps: Callable[[int], None],
) -> list[LayerNearness]:
    """The nearness of the inputs in every layer of `names`."""
    own = np.array([labeled.classes.index(one.label) for one in opened.inputs for _ in one.result.slowness], np.intp)
    dealt = list(dealt_labels(labeled.labels, labeled.groups, permutations, seed=seed))
    compared = _compared(labeled, own)
    same_group = np.array(labeled.groups)[compared, None] == np.array(labeled.groups)[None]
    made = []
    for name in names:
        clips = recording.matrix(name).numpy()[labeled.rows]
        found = {
            of: nearness(likeness(one.maxima[name], clips), own, labeled.labels, labeled.groups, dealt)
            for of, one in shown.items()
        }
        found[CLIPS] = nearness(
            likeness(clips[compared], clips),
            labeled.labels[compared],
            labeled.labels,
            labeled.groups,
            (),
            excluded=same_group,
        )
        made.append(LayerNearness(name, found))
        steps(1)
    q = false_discovery_control([one.of[SHOWN].p for one in made])
    return [LayerNearness(one.layer, one.of, float(value)) for one, value in zip(made, q, strict=True)]


def _compared(labeled: LabeledClips, own: NDArray[np.intp]) -> NDArray[np.intp]:
    """Some clips of the classes of the inputs."""
    classes = sorted(set(own.tolist()))
    each = max(1, _COMPARED // len(classes))
    return np.concatenate([np.flatnonzero(labeled.labels == label)[:each] for label in classes])
