"""What the page of a class shows: how often the network is right on it, and which units serve it."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pyarrow import compute

from marey.findings.finding import Finding
from marey.network.unit import Unit
from marey.recording import Recording

_MOST_UNITS = 24
_MOST_CLIPS = 12


@dataclass(frozen=True)
class Serving:
    """A unit that serves a class, and how well it tells it: the average precision, 0 to 1."""

    unit: Unit
    precision: float


@dataclass(frozen=True, eq=False)
class ClassData:
    """A class of the network or of the clips.

    unit
        of its score; None where the network does not know the class, or the scores are not in the atlas.
    taken_for, taken_from
        {class: clips}: what clips of this class are taken for (itself, too), and other classes taken for this one.
    told
        sentences of findings.
    right_clips, wrong_clips, unsaid_clips, others_clips
        numbers of its clips that are classified right, of those that are not, of those of which the network says no
        class, and of other classes' clips taken for it: of each the first few of which the network is most sure.
    """

    name: str
    unit: Unit | None
    clips: int
    taken_for: tuple[tuple[str, int], ...]
    taken_from: tuple[tuple[str, int], ...]
    serving: tuple[Serving, ...]
    told: tuple[tuple[str, str], ...]
    right_clips: tuple[int, ...]
    wrong_clips: tuple[int, ...]
    unsaid_clips: tuple[int, ...]
    others_clips: tuple[int, ...]

    @property
    def right(self) -> int:
        """How many of its clips are classified right."""
        return dict(self.taken_for).get(self.name, 0)

    @property
    def all_clips(self) -> tuple[int, ...]:
        """The numbers of all clips that its page shows."""
        return (*self.right_clips, *self.wrong_clips, *self.unsaid_clips, *self.others_clips)

    @property
    def clip(self) -> int | None:
        """The number of a clip that shows the class."""
        return next(iter((*self.right_clips, *self.wrong_clips, *self.unsaid_clips)), None)


def class_names(recording: Recording) -> list[str]:
    """The classes of the network, and those that only clips have, by name."""
    labels = recording.recorded_clips["label"].to_pylist()
    return sorted({*recording.classes, *(label for label in labels if label is not None)})


def class_data(recording: Recording, layers: Sequence[str], findings: Sequence[Finding]) -> list[ClassData]:
    """What is known of all of `class_names`."""
    rows = recording.recorded_clips
    pairs = Counter(zip(rows["label"].to_pylist(), rows["prediction"].to_pylist(), strict=True))
    labels = Counter(label for label in rows["label"].to_pylist() if label is not None)
    scores = recording.summary["network"]["scores"]
    said = _by_class(recording)
    found = []
    for name in class_names(recording):
        known = scores in layers and name in recording.classes
        found.append(
            ClassData(
                name,
                Unit(scores, recording.classes.index(name)) if known else None,
                labels[name],
                _counted((said, count) for (label, said), count in pairs.items() if label == name and said is not None),
                _counted(
                    (label, count)
                    for (label, said), count in pairs.items()
                    if said == name and label not in (name, None)
                ),
                _serving(name, layers, findings),
                tuple(_told(name, findings)),
                *(tuple(said.get((name, kind), ())[:_MOST_CLIPS]) for kind in ("right", "wrong", "unsaid", "others")),
            )
        )
    return found


def _by_class(recording: Recording) -> dict[tuple[str, str], list[int]]:
    """{(class, "right", "wrong", "unsaid" or "others"): numbers of clips}, the surest first."""
    found: dict[tuple[str, str], list[tuple[float, int]]] = {}
    columns = ["clip", "label", "prediction", "scores"]
    for row in recording.recorded_clips.select(columns).to_pylist():
        label, prediction = row["label"], row["prediction"]
        if prediction is None:
            if label is not None:
                found.setdefault((label, "unsaid"), []).append((0.0, row["clip"]))
            continue
        scores = np.array(row["scores"])
        sure = -float(1 / np.exp(scores - scores.max()).sum())
        if label is not None:
            found.setdefault((label, "right" if label == prediction else "wrong"), []).append((sure, row["clip"]))
        if label != prediction:
            found.setdefault((prediction, "others"), []).append((sure, row["clip"]))
    return {key: [number for _, number in sorted(rows)] for key, rows in found.items()}


def _counted(pairs: Iterable[tuple[str, int]]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted(pairs, key=lambda pair: (-pair[1], pair[0])))


def _serving(name: str, layers: Sequence[str], findings: Sequence[Finding]) -> tuple[Serving, ...]:
    """The units that serve the class, best first."""
    found = []
    for finding in findings:
        table = finding.tables.get("units")
        if finding.question != "specificity" or table is None:
            continue
        rows = table.filter(compute.equal(table["class"], name)).select(["layer", "unit", "kind", "auprc"]).to_pylist()
        found += [
            Serving(Unit(row["layer"], row["unit"]), row["auprc"])
            for row in rows
            if row["kind"] in ("specific", "generic") and row["layer"] in layers
        ]
    return tuple(sorted(found, key=lambda one: -one.precision)[:_MOST_UNITS])


def _told(name: str, findings: Sequence[Finding]) -> Iterator[tuple[str, str]]:
    """(question, sentence) of the findings that have a table of classes or of confused pairs."""
    for finding in findings:
        for row in _rows(finding, "pairs", name):
            yield (
                finding.question,
                f"{row['clips']} of {row['of']} clips are taken for {row['taken_for']}, more often than evenly spread "
                f"errors would be (p = {row['p']:.2g}).",
            )
        if finding.question == "idiosyncrasies":
            for row in _rows(finding, "classes", name):
                if row["idiosyncrasy"] is not None:
                    yield finding.question, f"It hangs on something beside the action: {row['idiosyncrasy']}."
                if row["needs_most"] is not None and row["lost_most"] is not None:
                    yield (
                        finding.question,
                        f"Without '{row['needs_most']}' it loses {100 * row['lost_most']:.0f} % of its right clips.",
                    )


def _rows(finding: Finding, table: str, name: str) -> list[dict[str, Any]]:
    found = finding.tables.get(table)
    if found is None or "class" not in found.schema.names:
        return []
    rows: list[dict[str, Any]] = found.filter(compute.equal(found["class"], name)).to_pylist()
    return rows
