"""How often findings name something where there is nothing: shuffled labels, and networks that were never trained.

    python benchmarks/false_positives.py [QUESTION ...] [--seeds 20] [--out false_positives]

The clips are 48 motion studies, eight classes by six actors. With "shuffled labels" the network that ships is asked
about its recording with labels dealt to other clips of the same actor; fusion, whose clips have no labels to shuffle,
is given motions of other clips. With "untrained" the network asked has random weights of another seed than the copy
beside it: as findings make it, and as it was before training. A claim is what the sentence says to be there; a seed
with a claim is a false positive. Each answer is kept, so that the same command goes on where it was stopped.
"""

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from marey.datasets.clip_set import group_of
from marey.datasets.clips_in import clips_in
from marey.families.bundled import MOTION_STUDIES, bundled
from marey.families.bundled import untrained as before_training
from marey.findings.agreement import agreement
from marey.findings.failures import failures
from marey.findings.finding import Finding
from marey.findings.fusion import fusion
from marey.findings.idiosyncrasies import idiosyncrasies
from marey.findings.invariance import invariance
from marey.findings.needs import needs
from marey.findings.permutations import dealt_labels
from marey.findings.specificity import specificity
from marey.findings.untrained import untrained
from marey.maximization.recipe import Recipe
from marey.maximization.run import maximize
from marey.network.network import Network
from marey.recording import Recording, RecordingSettings, record
from marey.studies import write_study_clips
from marey.video.read.clips import Clip

CLASSES = ("conjunction_one", "conjunction_two", "drum_fast", "drum_slow", "jump", "kick", "walk", "wave")
LAYERS = ("rgb.relu3_3", "flow.relu3_3", "rgb.relu5_3", "flow.relu5_3", "fusion.conv5", "fc6", "fc7", "scores")
FLOW = "dis"
SHUFFLED, COPY, BEFORE = "shuffled labels", "untrained copy", "before training"
OTHERS = 1000
"""Added to the seed of a subject, for that of the copy that the finding makes beside it."""

Claims = Mapping[str, float]


@dataclass(frozen=True)
class Subject:
    """What is asked: a network and its recording, in a folder of its own."""

    network: Network
    folder: Path
    clips: Path
    labels_seed: int | None = None

    @cached_property
    def recording(self) -> Recording:
        """The recording; with a seed of labels, these are dealt to other clips of the same group."""
        shown = clips_in(self.clips)
        if self.labels_seed is not None:
            shown = dealt(shown, self.labels_seed)
        settings = RecordingSettings(windows=1, flow=FLOW)
        return record(self.network, shown, LAYERS, out=self.folder / "recording", settings=settings)

    @cached_property
    def preferred(self) -> Path:
        """Preferred inputs of the classes, after a few steps."""
        recipe = Recipe(steps=16, slowness=(1.0,))
        maximize(self.network, [f"class:{name}" for name in CLASSES], recipe=recipe, folder=self.folder / "preferred")
        return self.folder / "preferred"


def dealt(clips: Sequence[Clip], seed: int) -> list[Clip]:
    """The clips with their labels dealt within groups."""
    labels = np.array([CLASSES.index(str(clip.label)) for clip in clips])
    shuffled = next(dealt_labels(labels, [group_of(clip) for clip in clips], 1, seed=seed))
    return [replace(clip, label=CLASSES[label]) for clip, label in zip(clips, shuffled, strict=True)]


def subject(null: str, seed: int, folder: Path) -> Subject:
    """The network and the recording of one seed of a null."""
    clips = folder / "studies" / "clips"
    trained = bundled(MOTION_STUDIES)
    network = trained.network(name=MOTION_STUDIES)
    if null == SHUFFLED:
        return Subject(network, folder / f"dealt{seed}", clips, labels_seed=seed)
    if null == COPY:
        return Subject(untrained(network, seed=seed), folder / f"copy{seed}", clips)
    return Subject(before_training(seed).network(name="before training"), folder / f"before{seed}", clips)


def value(found: Finding, name: str, of: str = "the network") -> float:
    """The number of a measure or a null whose name begins so; 0 where there is none."""
    every = (*found.measures, *found.nulls)
    return next((one.value for one in every if one.name.startswith(name) and one.of == of), 0.0)


def of_specificity(one: Subject, seed: int) -> Claims:
    if one.labels_seed is None:
        return {}  # units of random weights tell classes apart, too: the sentence says so, and claims no difference
    found = specificity(one.recording, flow=FLOW, seed=seed)
    return {"units serve a class": 1 - value(found, "units that serve no class")}


def of_fusion(one: Subject, seed: int) -> Claims:
    found = fusion(one.recording, one.network, flow=FLOW, seed=seed)
    joint, apart = "units that respond more where", "score by which both together"
    if one.labels_seed is not None:
        null = next(m for m in found.nulls if m.name.startswith(apart) and m.of == "motions of other clips")
        share = value(found, joint, "motions of other clips")
        return {"units join other clips' motion": share, "other clips' motion sets classes apart": float(null.low > 0)}
    rows = [row for row in found.tables["classes"].to_pylist() if row["of"] == "the network"]
    return {
        "more units join both than in all nulls": float(" more than in " in found.sentence),
        "both together set class scores apart": float("nothing that needs both" not in found.sentence),
        "classes that both together set apart": sum(row["q"] <= 0.05 and row["both"] > 0 for row in rows),
    }


def of_invariance(one: Subject, seed: int) -> Claims:
    found = invariance(one.recording, one.network, flow=FLOW, seed=seed)
    return {"units read the tempo": value(found, "units that read the tempo")}


def of_failures(one: Subject, seed: int) -> Claims:
    found = failures(one.recording, one.network, flow=FLOW, seed=seed)
    return {"classes are confused": float("it takes" in found.sentence)}


def of_idiosyncrasies(one: Subject, seed: int) -> Claims:
    found = idiosyncrasies(one.recording, one.network, flow=FLOW, seed=seed)
    return {"classes hang on something beside the action": value(found, "classes that hang")}


def of_needs(one: Subject, seed: int) -> Claims:
    if one.labels_seed is not None:
        return {}  # which clips are a unit's best does not depend on labels
    found = needs(one.recording, one.network, flow=FLOW, seed=seed)
    shares = [
        (one, value(found, one.name, "an untrained copy")) for one in found.measures if "units that need" in one.name
    ]
    return {"more units need something than in an untrained copy": sum(own.low > null for own, null in shares)}


def of_agreement(one: Subject, seed: int) -> Claims:
    found = agreement(one.recording, one.network, one.preferred, seed=seed)
    rows = found.tables["layers"].to_pylist()
    above = [row for row in rows if row["q"] is not None and row["q"] <= 0.05 and row["near"] > 0.5]
    return {"layers in which inputs are near their class": len(above)}


QUESTIONS: Mapping[str, Callable[[Subject, int], Claims]] = {
    "specificity": of_specificity,
    "fusion": of_fusion,
    "invariance": of_invariance,
    "failures": of_failures,
    "idiosyncrasies": of_idiosyncrasies,
    "needs": of_needs,
    "agreement": of_agreement,
}


def trial(question: str, null: str, seed: int, folder: Path) -> Claims:
    """The claims of one seed, made or read again."""
    kept = folder / "claims" / f"{question}-{null.replace(' ', '_')}-{seed}.json"
    if not kept.is_file():
        claims = QUESTIONS[question](subject(null, seed, folder), OTHERS + seed)
        kept.parent.mkdir(exist_ok=True)
        kept.write_text(json.dumps({name: float(number) for name, number in claims.items()}))
    return json.loads(kept.read_text())  # type: ignore[no-any-return]


def rows(question: str, null: str, every: Sequence[Claims]) -> list[str]:
    """Lines of the table: in how many seeds each claim is made, and its largest number."""
    lines = []
    for claim in every[0]:
        numbers = [one[claim] for one in every]
        wrong = sum(number > 0 for number in numbers)
        lines.append(f"| {question} | {null} | {claim} | {wrong} of {len(numbers)} | {max(numbers):.3g} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("questions", nargs="*", choices=[*QUESTIONS, []])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--nulls", nargs="+", default=[SHUFFLED, COPY, BEFORE])
    parser.add_argument("--out", type=Path, default=Path("false_positives"))
    given = parser.parse_args()
    if not (given.out / "studies").is_dir():
        write_study_clips(given.out / "studies", 6, 77, classes=CLASSES, frames=16)
    print("| question | subject | claim | seeds | largest |\n|---|---|---|---|---|", flush=True)
    for question in given.questions or QUESTIONS:
        for null in given.nulls:
            every = [trial(question, null, seed, given.out) for seed in range(given.seeds)]
            print("\n".join(rows(question, null, every)), flush=True)


if __name__ == "__main__":
    main()
