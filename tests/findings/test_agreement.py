"""Preferred inputs that are like clips of their class are found to be, and scrambled ones are not."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from marey.errors import MareyError
from marey.families.loading import load
from marey.findings.agreement import agreement
from marey.findings.finding import Finding
from marey.findings.nearness import likeness, nearness
from marey.findings.permutations import dealt_labels
from marey.findings.shown_back import for_verifier, scrambled
from marey.maximization.result import PreferredInput
from marey.network.network import Network
from marey.network.stream import rgb_frames
from marey.recording import Recording

CLASSES = ("down", "left", "right", "up")
PEOPLE = 8
LABELS = [label for _ in range(PEOPLE) for label in CLASSES]
GROUPS = [f"person{number}" for number in range(PEOPLE) for _ in CLASSES]
SIZE = 8
OWN = np.array([CLASSES.index(label) for label in LABELS])


class Quarters(nn.Module):
    """Units see how bright parts of the picture are; classes are the bright quarter."""

    def __init__(self) -> None:
        super().__init__()
        self.parts = nn.AvgPool2d(2)
        self.units = nn.Flatten()
        self.scores = nn.Linear(16, 4, bias=False)
        weight = torch.zeros(4, 16)
        for label in range(4):
            weight[label, 4 * label : 4 * label + 4] = 1
        self.scores.weight.data = weight - 0.25

    def forward(self, clip: Tensor) -> Tensor:
        return self.scores(self.units(self.parts(clip[:, :, 0].mean(1, keepdim=True))))  # type: ignore[no-any-return]


def network() -> Network:
    return Network(Quarters(), [rgb_frames(1, size=SIZE)], classes=CLASSES, scores="scores", name="quarters")


def picture(label: int, shown: int | None = None) -> Tensor:
    """Rows that excite a class."""
    made = torch.full((1, 3, 1, SIZE, SIZE), 0.3)
    row = label if shown is None else shown
    made[..., 2 * row : 2 * row + 2, :] = 0.9
    return made


def result(label: int, seed: int, shown: int | None = None) -> PreferredInput:
    net = network()
    return PreferredInput(
        target=f"scores:{label}",
        label=CLASSES[label],
        slowness=(0.0,),
        streams=net.streams,
        frames={"rgb": picture(label, shown)},
        scores=(1.0,),
        ordinary=0.0,
        reach=1.0,
        source="32 recorded clips",
        history=torch.zeros(1, 1),
        shares=({},),
        notes=(("no motion preference",),),
        recognized=(CLASSES[label],),
        provenance={"weights_sha256": net.weights_hash, "recipe": {"seed": seed}},
    )


@pytest.fixture
def recording(recorded: Callable[..., Recording]) -> Recording:
    random = np.random.default_rng(0)
    units = random.normal(0.3, 0.1, size=(len(LABELS), 16))
    for clip, label in enumerate(OWN):
        units[clip, 4 * label : 4 * label + 4] += 0.5
    return recorded({"units": units.astype(np.float32)}, LABELS, GROUPS)


@pytest.fixture
def true(tmp_path: Path) -> Path:
    for label in range(4):
        for seed in (0, 1):
            result(label, seed).save(tmp_path / "true" / f"seed{seed}" / CLASSES[label])
    return tmp_path / "true"


def measured(found: Finding, name: str, of: str) -> float:
    return next(one.value for one in (*found.measures, *found.nulls) if one.name == name and one.of == of)


def test_true_inputs_are_given_their_class_and_are_near_to_its_clips(recording: Recording, true: Path) -> None:
    found = agreement(recording, network(), true, permutations=99)
    assert measured(found, "given their class", "the network") == 1
    assert measured(found, "nearer to a clip of their class, units", "the network") > 0.95
    assert measured(found, "nearer to a clip of their class, units", "scrambled inputs") < 0.8
    assert measured(found, "nearer to a clip of their class, units", "real clips") > 0.95
    assert "The network gives their own class to 8 of 8 preferred inputs" in found.sentence
    assert found.tables["layers"].to_pylist()[0]["q"] == pytest.approx(0.01)


def test_seeds_agree_more_than_units_do(recording: Recording, true: Path) -> None:
    found = agreement(recording, network(), true, permutations=99)
    assert measured(found, "correlation of units, two seeds", "one unit") == pytest.approx(1)
    assert measured(found, "correlation of units, two seeds", "different units") < 0.3


def test_inputs_for_another_class_are_evidence(recording: Recording, tmp_path: Path) -> None:
    for label in range(4):
        result(label, 0, shown=(label + 1) % 4).save(tmp_path / "false" / CLASSES[label])
    found = agreement(recording, network(), tmp_path / "false", permutations=99)
    assert measured(found, "given their class", "the network") == 0
    assert measured(found, "nearer to a clip of their class, units", "the network") < 0.5
    assert found.tables["layers"].to_pylist()[0]["p"] > 0.5
    assert found.evidence[0].what == "preferred input for 'down' at slowness 0 is taken for 'left'"


def test_a_verifier_is_asked_as_well(recording: Recording, true: Path) -> None:
    found = agreement(recording, network(), true, verifier=network(), permutations=99)
    assert measured(found, "given their class", "the network, by quarters") == 1
    other = Network(Quarters(), [rgb_frames(2, size=SIZE)], classes=CLASSES, scores="scores", name="pairs")
    with pytest.raises(MareyError, match="the verifier pairs sees 2 frames of rgb"):
        agreement(recording, network(), true, verifier=other)


def test_results_of_other_weights_and_empty_folders_are_refused(
    recording: Recording, true: Path, tmp_path: Path
) -> None:
    other = network()
    other.module.scores.weight.data += 1  # type: ignore[union-attr, operator]
    with pytest.raises(MareyError, match="is of other weights than quarters; make it again"):
        agreement(recording, other, true)
    with pytest.raises(MareyError, match="holds no preferred input"):
        agreement(recording, network(), tmp_path / "nothing")


def test_nearness_is_the_share_of_pairs_in_order() -> None:
    random = np.random.default_rng(1)
    like = random.normal(size=(3, len(OWN)))
    own = np.array([0, 2, 3])
    found = nearness(like, own, OWN, GROUPS, ())
    for row, label in enumerate(own):
        pairs = [(a > b) for a in like[row, label == OWN] for b in like[row, label != OWN]]
        assert found.each[row] == pytest.approx(np.mean(pairs))


def test_p_of_inputs_that_have_no_class_is_spread_evenly() -> None:
    random = np.random.default_rng(2)
    dealt = list(dealt_labels(OWN, GROUPS, 99, seed=0))
    p = [nearness(random.normal(size=(4, len(OWN))), np.arange(4), OWN, GROUPS, dealt).p for _ in range(60)]
    assert 0.35 < np.mean(p) < 0.65
    assert np.mean(np.array(p) <= 0.1) < 0.25


def test_units_that_never_change_do_not_count_in_likeness() -> None:
    clips = np.random.default_rng(3).normal(size=(6, 5)).astype(np.float32)
    clips[:, 4] = 1
    changed = clips.copy()
    changed[:, 4] = 9
    assert np.allclose(likeness(changed, clips), likeness(clips, clips))
    assert np.allclose(np.diag(likeness(clips, clips)), 1)


def test_scrambling_keeps_the_values_of_every_frame() -> None:
    video = torch.rand(2, 3, 4, 5, 6)
    mixed = scrambled({"rgb": video}, torch.Generator().manual_seed(0))["rgb"]
    assert torch.equal(mixed.flatten(3).sort(3).values, video.flatten(3).sort(3).values)
    assert not torch.equal(mixed, video)


def test_a_verifier_is_shown_what_a_unit_of_one_tower_sees() -> None:
    verifier = load("motion-studies-verifier")
    streams = verifier.streams
    flow = {"flow": torch.zeros(1, *verifier.stream("flow").shape)}
    assert set(for_verifier(verifier, streams, flow)) == {"flow"}
    with pytest.raises(MareyError, match="the verifier quarters sees no flow"):
        for_verifier(network(), streams, flow)
