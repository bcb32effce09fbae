"""What is told of invariance: sentence, measures, tables, the figure, and units to look at."""

from collections.abc import Mapping

import numpy as np
import pyarrow
from numpy.typing import NDArray
from scipy.stats import false_discovery_control

from marey.findings.by_depth import ALONE, BANDWIDTH, CLASSES, GROUPS, LOST, NETWORK, PREFERRED, UNTRAINED, ByDepth
from marey.findings.chart import Chart, Series
from marey.findings.depth import Trend
from marey.findings.finding import Evidence
from marey.findings.interventions import SHUFFLED
from marey.findings.labeled_clips import LabeledClips
from marey.findings.measure import Measure
from marey.findings.replays import Floats, Replays
from marey.findings.speed_tuning import OCTAVES, SPEEDS
from marey.findings.tempo import TempoReading
from marey.network.network import Network

Found = Mapping[str, ByDepth]
Readings = Mapping[str, TempoReading]
Chances = Mapping[str, Mapping[str, float]]

RANDOM = "clips drawn at random"

TEMPO = "units that read the tempo"

_UNITS = {BANDWIDTH: "octaves", ALONE: "octaves", PREFERRED: "octaves"}
_SHOWN = (BANDWIDTH, ALONE, LOST[SHUFFLED], CLASSES, GROUPS)
"""Of these the first and the last layers are told, too."""


def measures(found: Found, chances: Chances, readings: Readings) -> tuple[tuple[Measure, ...], tuple[Measure, ...]]:
    """The numbers of the network, and those of its nulls."""
    own, copy = (_of(of, found[of], readings.get(of)) for of in (NETWORK, UNTRAINED))
    nan = float("nan")
    random = [
        Measure(what, RANDOM, value, nan, nan, len(found[NETWORK].spans[what]), "units")
        for what, value in chances[NETWORK].items()
    ]
    return tuple(own), (*copy, *random)


def _of(of: str, told: ByDepth, reading: TempoReading | None) -> list[Measure]:
    made = []
    first = _width(told.trends)  # of which the sentence speaks first, too
    for what in [first, *(one for one in told.trends if one != first)]:
        one = told.trends[what]
        layers = len(one.layers.value)
        counted = f"units of {layers} layers"
        ends = one.correlation
        numbers = (float(ends.value), float(ends.low), float(ends.high))
        made.append(Measure(f"rank correlation of depth and {what}", of, *numbers, layers, "layers"))
        for where, ends in (("first", one.first), ("last", one.last)) if what in _SHOWN else ():
            numbers = (float(ends.value), float(ends.low), float(ends.high))
            unit = "share" if what in LOST.values() else _UNITS.get(what, "")
            made.append(Measure(f"{what}, {where} third of the layers", of, *numbers, one.units, counted, unit))
    if reading is not None:
        ends = reading.agreement
        numbers = (float(ends.value), float(ends.low), float(ends.high))
        agreed = Measure("agreement of made and replayed tempo", of, *numbers, reading.units, "units")
        made += [_share(of, reading), agreed]
    return made


def _width(trends: Mapping[str, Trend]) -> str:
    """The speed bandwidth that counts: where motion alone is seen, if the network has such layers."""
    return ALONE if ALONE in trends else BANDWIDTH


def sentence(found: Found, chances: Chances, readings: Readings) -> str:
    """The answer in one sentence."""
    told, copy = found[NETWORK].trends, found[UNTRAINED].trends

    def goes(what: str, unit: str, digits: int) -> str:
        one, null = told[what], copy[what]
        rank = f"rank correlation {float(one.correlation.value):+.2f}, p {one.p:.2g}"
        untrained = f"{float(null.correlation.value):+.2f} in an untrained copy"
        first, last = (float(ends.value) for ends in (one.first, one.last))
        return f"from {first:.{digits}f} to {last:.{digits}f}{unit} ({rank}; {untrained})"

    width = _width(told)
    parts = [
        f"From the first to the last third of the layers the {width} goes {goes(width, ' octaves', 1)}",
        f"the number of classes among a unit's best clips goes {goes(CLASSES, '', 1)}, where random clips have "
        f"{chances[NETWORK][CLASSES]:.1f}",
        f"the number of people or source videos among them {goes(GROUPS, '', 1)}, where random clips have "
        f"{chances[NETWORK][GROUPS]:.1f}",
    ]
    if readings:
        reading, null = readings[NETWORK], readings[UNTRAINED]
        parts.append(
            f"{int(reading.reads.sum()):,} of {reading.units:,} units read the tempo of drums (an untrained copy: "
            f"{int(null.reads.sum()):,})"
        )
    return f"{'; '.join(parts)}."


def _share(of: str, reading: TempoReading) -> Measure:
    ends = reading.share
    return Measure(TEMPO, of, float(ends.value), float(ends.low), float(ends.high), reading.units, "units", "share")


def trend_table(found: Found) -> pyarrow.Table:
    """A row for everything that was measured over the layers."""
    rows = [
        {
            "of": of,
            "measure": what,
            "layers": len(one.layers.value),
            "units": one.units,
            **{
                f"{name}{end}": float(value)
                for name, ends in (("first", one.first), ("last", one.last), ("correlation", one.correlation))
                for end, value in (("", ends.value), ("_low", ends.low), ("_high", ends.high))
            },
            "p": one.p,
        }
        for of, told in found.items()
        for what, one in told.trends.items()
    ]
    table = pyarrow.Table.from_pylist(rows)
    return table.append_column("q", pyarrow.array(false_discovery_control([row["p"] for row in rows])))


def layer_table(found: Found, chances: Chances) -> pyarrow.Table:
    """A row for every layer and what was measured of it: the median over units, and what chance gives."""
    rows = [
        {
            "of": of,
            "layer": layer,
            "measure": what,
            "median": float(one.layers.value[place]),
            "low": float(one.layers.low[place]),
            "high": float(one.layers.high[place]),
            "chance": chances[of].get(what),
        }
        for of, told in found.items()
        for what, one in told.trends.items()
        for place, layer in enumerate(told.layers_of(what))
    ]
    schema = pyarrow.schema(
        [(name, pyarrow.string()) for name in ("of", "layer", "measure")]
        + [(name, pyarrow.float64()) for name in ("median", "low", "high", "chance")]
    )
    return pyarrow.Table.from_pylist(rows, schema)


def unit_table(told: ByDepth) -> pyarrow.Table:
    """A row for every unit; what is said of speed and order is null in layers that see no motion."""
    sees = np.repeat([name in told.moving for name in told.sizes], list(told.sizes.values()))

    def spread(values: NDArray[np.floating]) -> pyarrow.Array:
        wide = np.full(len(sees), np.nan)
        wide[sees] = values
        return pyarrow.array(wide, pyarrow.float64(), mask=~sees)

    tuning = told.tuning
    columns = {
        "layer": pyarrow.array([name for name, size in told.sizes.items() for _ in range(size)], pyarrow.string()),
        "unit": pyarrow.array([unit for size in told.sizes.values() for unit in range(size)], pyarrow.int32()),
        "bandwidth_octaves": spread(tuning.bandwidth),
        "preferred_octaves": spread(tuning.preferred),
        **{f"at_{speed:g}": spread(tuning.curve[place]) for place, speed in enumerate(SPEEDS)},
        **{what.replace("'", "").replace(" ", "_"): spread(values) for what, values in told.lost.items()},
        "classes": told.spans[CLASSES],
        "groups": told.spans[GROUPS],
    }
    return pyarrow.table(columns)


def class_table(replays: Replays, network: Network) -> pyarrow.Table:
    """How many clips of each class the network still tells at each speed, and what it calls most of them."""
    schema = pyarrow.schema(
        [
            ("class", pyarrow.string()),
            ("speed", pyarrow.float64()),
            ("clips", pyarrow.int64()),
            ("right", pyarrow.float64()),
            ("called", pyarrow.string()),
            ("called_share", pyarrow.float64()),
        ]
    )
    rows = []
    labeled = replays.labeled
    for label, name in enumerate(labeled.classes if network.classes else ()):
        for place, speed in enumerate(SPEEDS):
            called = replays.scores[place, labeled.labels == label].argmax(1)
            counts = np.bincount(called, minlength=len(network.classes))
            most = int(counts.argmax())
            own = counts[network.classes.index(name)] if name in network.classes else 0
            shares = (
                float(own / max(1, len(called))),
                network.classes[most],
                float(counts[most] / max(1, len(called))),
            )
            rows.append(dict(zip(schema.names, (name, speed, len(called), *shares), strict=True)))
    return pyarrow.Table.from_pylist(rows, schema)


def tempo_table(reading: TempoReading, sizes: Mapping[str, int]) -> pyarrow.Table:
    """A row for every unit."""
    return pyarrow.table(
        {
            "layer": pyarrow.array([name for name, size in sizes.items() for _ in range(size)], pyarrow.string()),
            "unit": pyarrow.array([unit for size in sizes.values() for unit in range(size)], pyarrow.int32()),
            "made": reading.made,
            "replayed": reading.replayed,
            "p": reading.p,
            "q": reading.q,
            "reads": reading.reads,
        }
    )


def chart(found: Found) -> Chart:
    """Bandwidth over the layers that see motion, of the network and of an untrained copy."""
    lines = []
    for of, told in found.items():
        ends = told.trends[BANDWIDTH].layers
        value, low, high = (tuple(map(float, one)) for one in (ends.value, ends.low, ends.high))
        lines.append(Series(of, told.moving, value, low, high, null=of != NETWORK))
    return Chart(
        "Bandwidth of speed, from the first layer to the last", "layer", f"octaves of {OCTAVES:g}", tuple(lines)
    )


def replayed_classes(replays: Replays, network: Network, *, most: int = 4) -> tuple[Evidence, ...]:
    """Classes of which most clips become another one when they are replayed at half or twice their speed."""
    rows = class_table(replays, network).to_pylist()
    known = {row["class"] for row in rows if row["speed"] == 1 and row["called"] == row["class"]}
    turned = [
        row
        for row in rows
        if row["speed"] in (0.5, 2.0)
        and row["class"] in known
        and row["called"] != row["class"]
        and row["called_share"] > 0.5
    ]
    turned.sort(key=lambda row: -row["called_share"])
    labeled = replays.labeled
    return tuple(
        Evidence(
            f"at {row['speed']:g} times its speed '{row['class']}' is called '{row['called']}' in "
            f"{100 * row['called_share']:.0f} % of {row['clips']} clips",
            row["called_share"],
            clips=tuple(str(clip.path) for clip in labeled.clips if clip.label == row["class"])[:3],
        )
        for row in turned[:most]
    )


def evidence(
    told: ByDepth, reading: TempoReading | None, responses: Mapping[str, Floats], labeled: LabeledClips
) -> tuple[Evidence, ...]:
    """Units that read the tempo; of the last third of the layers one of sharp tuning, and one of one class and all."""
    layers = [name for name, size in told.sizes.items() for _ in range(size)]
    channels = [unit for size in told.sizes.values() for unit in range(size)]
    names = list(told.sizes)
    late = np.isin(layers, names[-max(1, len(names) // 3) :])
    sees = np.isin(layers, told.moving)

    def one(what: str, value: float, unit: int, clips: int = 3) -> Evidence:
        layer, channel = layers[unit], channels[unit]
        best = np.argsort(-responses[layer][:, channel], kind="stable")[:clips]
        return Evidence(what, value, f"{layer}:{channel}", tuple(str(labeled.clips[clip].path) for clip in best))

    made = []
    if reading is not None:
        strength = np.where(reading.reads, np.minimum(abs(reading.made), abs(reading.replayed)), 0)
        for unit in np.argsort(-strength, kind="stable")[:3]:
            if strength[unit] > 0:
                likes = "fast" if reading.made[unit] > 0 else "slow"
                deviations = (
                    f"{abs(reading.made[unit]):.1f} and, replayed, {abs(reading.replayed[unit]):.1f} deviations"
                )
                made.append(
                    one(f"reads the tempo: likes {likes} drums, {deviations}", float(strength[unit]), int(unit))
                )
    widths = np.full(len(layers), np.inf)
    widths[sees] = np.where(told.tuning.alive, told.tuning.bandwidth, np.inf)
    widths[~np.concatenate([np.ptp(responses[name], axis=0) > 0 for name in names])] = np.inf  # no clip to look at
    sharp = int(np.where(late, widths, np.inf).argmin())
    if np.isfinite(widths[sharp]) and late[sharp]:
        made.append(one(f"is tuned to speed, {widths[sharp]:.1f} octaves wide", float(widths[sharp]), sharp))
    abstract = int(np.where(late, told.spans[GROUPS] - told.spans[CLASSES], -np.inf).argmax())
    spans = f"{told.spans[CLASSES][abstract]:.1f} classes and {told.spans[GROUPS][abstract]:.1f} groups"
    made.append(one(f"is abstract: its best clips span {spans}", float(told.spans[CLASSES][abstract]), abstract))
    return tuple(made)
