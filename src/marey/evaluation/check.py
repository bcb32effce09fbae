"""Whether a network is declared as it was trained: what is likely wrong, how that shows, and what cannot be noticed."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import ceil, log2

from marey.datasets.skipped_clip import SkippedClip
from marey.datasets.study_set import StudySet
from marey.evaluation.module_faults import NOT_RUNNING, Fault, module_faults
from marey.evaluation.norm_statistics import first_norms
from marey.evaluation.search import CHANCE, Found, Row, family, searched
from marey.network.network import Network
from marey.video.flow.cache import FlowCache
from marey.video.flow.methods import Method
from marey.video.read.clips import Clip

_STUDIES = ("walk", "wave", "jump", "arm_circles", "bounce_red_ball", "kick")
"""Motion studies that stand for clips where none are given."""

_SAME = 0.95
"""Share of clips from which on two declarations with the same answers cannot be told apart."""


@dataclass(frozen=True, eq=False)
class Checked:
    """What a check found.

    network
        the network, or without its class names where these do not fit.
    faults
        what is likely wrong, with advice; empty where nothing is.
    rows
        every declaration that was tried on the clips, the given one first; empty without clips.
    clips, labeled
        how many clips were shown, and whether their classes are known.
    unnoticed
        in words, what this check could not have noticed.
    """

    network: Network
    faults: tuple[Fault, ...]
    rows: tuple[Row, ...] = ()
    clips: int = 0
    labeled: bool = False
    skipped: tuple[SkippedClip, ...] = ()
    unnoticed: tuple[str, ...] = ()


def check(
    network: Network,
    clips: Sequence[Clip] | None = None,
    *,
    most: int = 60,
    flow: Method = "tvl1-fast",
    cache: FlowCache | None = None,
    report: Callable[[int, int], None] | None = None,
) -> Checked:
    """Check how a network is declared, without clips, or on at most `most` of some, balanced by class.

    With labels the network is shown the clips as declared and under every other declaration. Another one is advised
    where it is right more often by a sign test at 5 %, corrected for the number of declarations; the search then goes
    on from there. The ranges of streams are also compared with the running statistics of the first batch norm, without
    clips on motion studies. Raises NetworkError for a network that runs under no declaration that is known, VideoError
    when no clip can be used.
    """
    faults = module_faults(network)
    if any(fault.shows.startswith(NOT_RUNNING) for fault in faults):
        return Checked(network, tuple(faults), unnoticed=("all else, before the network runs",))
    if any(fault.about in ("classes", "scores") for fault in faults):
        network = Network(network.module, network.streams, call=network.call, name=network.name)
    cache = FlowCache() if cache is None else cache
    labels = None
    if clips is None:
        chosen = list(StudySet(2, classes=_STUDIES).clips())
    else:
        chosen = _balanced(clips, most)
        fault, labels = _labels(network, chosen)
        faults += [] if fault is None else [fault]
    found = None
    if clips is not None or first_norms(network):
        found = searched(network, chosen, labels, ranges_alone=clips is None, flow=flow, cache=cache, report=report)
        faults += found.faults
    unnoticed = tuple(_unnoticed(network, found, labeled=labels is not None))
    if clips is None or found is None:
        return Checked(network, tuple(faults), unnoticed=unnoticed)
    return Checked(network, tuple(faults), found.rows, found.clips, labels is not None, found.skipped, unnoticed)


def _balanced(clips: Sequence[Clip], most: int) -> list[Clip]:
    """At most so many clips, of every class as many as can be, taken at even steps."""
    by_class: dict[str | None, list[Clip]] = {}
    for clip in clips:
        by_class.setdefault(clip.label, []).append(clip)
    each = max(1, most // max(1, len(by_class)))
    chosen = []
    for place, own in enumerate(by_class.values()):
        count = min(each, len(own))
        chosen += [own[(k * len(own) // count + place) % len(own)] for k in range(count)]
    return chosen[:: max(1, ceil(len(chosen) / most))]


def _labels(network: Network, clips: Sequence[Clip]) -> tuple[Fault | None, list[str] | None]:
    """The classes of clips as the network names them, if it does; a fault where names differ."""
    given = {clip.label for clip in clips if clip.label is not None}
    if not given or not network.classes:
        return None, None
    plain = {_plain(name): name for name in network.classes}
    named = {label: label if label in network.classes else plain.get(_plain(label)) for label in given}
    foreign = sorted(label for label, name in named.items() if name is None)
    if foreign:
        shows = f"{len(foreign)} of {len(given)} classes of the clips are none of the network's, such as '{foreign[0]}'"
        known = ", ".join(network.classes[:4])
        return Fault("classes", shows, f"name them as the clips do; the network has {known}, ..."), None
    spelled = sorted(label for label, name in named.items() if name != label)
    fault = None
    if spelled:
        shows = f"{len(spelled)} of {len(given)} are spelled otherwise by the clips: '{named[spelled[0]]}' is "
        fault = Fault("classes", f"{shows}'{spelled[0]}'", "write class names as the clips do")
    return fault, [str(named[str(clip.label)]) for clip in clips]


def _plain(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def _unnoticed(network: Network, found: Found | None, *, labeled: bool) -> Iterator[str]:
    """What this check could not have noticed, in words."""
    norms = first_norms(network)
    without = [stream.name for stream in network.streams if stream.name not in norms]
    if not labeled:
        yield "without labeled clips: order of channels and classes, axes, flow's sign, frames, crop, short clips"
        if without:
            names = ", ".join(f"'{name}'" for name in without)
            yield f"without labeled clips: range, mean and std of {names}, which no batch norm sees alone"
        if norms:
            yield "without labeled clips: a range of less than about twice or half the right one"
        return
    assert found is not None
    rows, clips = found.rows, found.clips
    for row in rows[1:]:
        name = f"'{row.declaration.stream}': {row.declaration.name}" if row.declaration.stream else row.declaration.name
        if row.same_inputs:
            yield f"{name}: these clips look the same so"
        elif row.same_answers >= _SAME * clips and row.declaration.about != "classes":
            yield f"{name}: the same answer on {row.same_answers} of {clips} clips"
    least = ceil(log2(max(1, family(rows)) / CHANCE))
    yield f"what changes fewer than {least} of {clips} clips for the better, which may be chance"
    yield "faults that help only when several are mended at once, and what no declaration of this list says"
