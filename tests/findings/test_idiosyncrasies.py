"""A logo by which a class is known is named; nothing is named where nothing was planted."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from marey.errors import MareyError
from marey.findings.asking import AS_IT_IS
from marey.findings.class_cues import ClassCues
from marey.findings.class_effects import kept_alone, lost_without
from marey.findings.cue_answers import UNKNOWN, CueAnswers
from marey.findings.cues import AROUND, Cue
from marey.findings.finding import Finding
from marey.findings.idiosyncrasies import idiosyncrasies
from marey.findings.labeled_clips import LabeledClips
from marey.findings.permutations import dealt_labels
from marey.network.network import Network
from marey.network.stream import rgb_frames
from marey.recording import Recording
from marey.video.encode import write_png

CLASSES = ("blue", "green", "logo", "red")
PEOPLE = 9
SIZE = 32
LABELS = [label for _ in range(PEOPLE) for label in CLASSES]
GROUPS = [f"person{number}" for number in range(PEOPLE) for _ in CLASSES]


class Colors(nn.Module):
    """Scores of three colors in the middle, and of white in the upper right corner, which counts most."""

    def __init__(self) -> None:
        super().__init__()
        self.scores = nn.Linear(4, 4, bias=False)
        self.scores.weight.data = torch.diag(torch.tensor([1.0, 1.0, 4.0, 1.0]))

    def forward(self, clip: Tensor) -> Tensor:
        picture = clip[:, :, 0]
        red, green, blue = picture[:, :, 10:22, 10:22].mean((2, 3)).unbind(1)
        corner = picture[:, :, 1:7, 25:31].amin(1).mean((1, 2))
        return self.scores(torch.stack([blue, green, corner, red], 1))  # type: ignore[no-any-return]


def network() -> Network:
    stream = rgb_frames(1, size=SIZE)
    return Network(Colors(), [stream], classes=CLASSES, scores="scores", name="colors")


def _frame(label: str, person: int) -> np.ndarray:
    random = np.random.default_rng(person)
    frame = np.full((SIZE, SIZE, 3), 40, np.uint8) + random.integers(20, size=3).astype(np.uint8)
    color = label if label != "logo" else CLASSES[(0, 1, 3)[person % 3]]
    frame[8:24, 8:24, ("red", "green", "blue").index(color)] = 220
    if label == "logo":
        frame[0:8, 24:32] = 250
    return frame


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory, recording_in: Callable[..., Recording]) -> Iterator[Recording]:
    folder = tmp_path_factory.mktemp("logo")
    for number, label in enumerate(LABELS):
        path = folder / "clips" / label / f"{number:04d}.mp4"
        write_png(_frame(label, number // len(CLASSES)), path / "00000.png")
    responses = np.random.default_rng(0).normal(size=(len(LABELS), 6)).astype(np.float32)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield recording_in(folder / "recording", {"scores": responses}, LABELS, GROUPS)


@pytest.fixture(scope="module")
def found(recording: Recording) -> Finding:
    return idiosyncrasies(recording, network(), permutations=999)


def test_the_logo_is_the_idiosyncrasy_of_its_class(found: Finding) -> None:
    rows = {row["class"]: row for row in found.tables["classes"].to_pylist()}
    assert rows["logo"]["idiosyncrasy"] == "upper right corner"
    assert rows["logo"]["lost"] == 1
    assert [rows[name]["idiosyncrasy"] for name in ("blue", "green", "red")] == [None] * 3
    assert (
        "1 of 4 classes hangs on something beside the action: 'logo' on the upper right corner (brighter than others'"
        in found.sentence
    )


def test_nothing_is_named_for_shuffled_labels_and_an_untrained_copy(found: Finding) -> None:
    hang = [one for one in found.nulls if one.name.startswith("classes that hang")]
    assert [(one.of, one.value) for one in hang] == [("shuffled labels", 0), ("an untrained copy", 0)]


def test_clips_of_the_class_and_what_they_are_taken_for_are_there_to_look_at(found: Finding) -> None:
    evidence = found.evidence[0]
    assert evidence.what.startswith("'logo' without its own upper right corner, brighter than others', is taken for '")
    assert len(evidence.clips) == 3 and all("/logo/" in clip for clip in evidence.clips)


def test_single_pictures_without_masks_are_not_asked_about_actors(found: Finding) -> None:
    assert (
        "single pictures without masks do not show where the actor is, so that it is not asked about" in found.remarks
    )
    assert not {"actor", "background", "motion"} & set(found.tables["cues"]["cue"].to_pylist())


def test_it_opens_again_without_network_and_clips(found: Finding, tmp_path: Path) -> None:
    found.save(tmp_path / "found")
    assert str(Finding.open(tmp_path / "found")) == str(found)


def test_a_network_without_classes_is_refused(recording: Recording) -> None:
    other = Network(Colors(), [rgb_frames(1, size=SIZE)], name="nameless")
    with pytest.raises(MareyError, match="nameless has no classes, of which the recorded clips show 0"):
        idiosyncrasies(recording, other)


def test_clips_of_which_is_not_known_where_the_actor_is_say_nothing_of_backgrounds() -> None:
    cues = (
        Cue("background", True, ("other",), "background only", of_actor=True),
        Cue("border", True, ("none",), "border only"),
    )
    right, wrong = np.array([0, 0, 1, 1]), np.array([1, 1, 0, 0])
    answers = {"as it is": right, "other": wrong, "none": wrong, "background only": right, "border only": right}
    labeled = LabeledClips((), np.arange(4), ("run", "walk"), right, ("a", "b", "a", "b"))
    found = CueAnswers(labeled, cues, answers, [], np.array([True, False, True, True]), np.full(4, np.nan))
    assert found.lost(right).tolist() == [[1, 1], [0, 1], [1, 1], [1, 1]]
    assert found.alone()[1].tolist() == [[0, 0], [UNKNOWN, 0], [1, 1], [1, 1]]
    assert found.asked("background only").tolist() == [True, False, True, True]
    assert found.asked("none").all()


def test_what_a_class_loses_more_than_others_without_a_part_of_the_action_is_named() -> None:
    labels, dealt = _dealt(199)
    cues = (Cue("motion", False, ("one frame",)), Cue("order of frames", False, ("shuffled",)))
    blind = np.where(labels == 2, 0, labels)
    answers = {"as it is": labels, "one frame": blind, "shuffled": (labels + 1) % 4}
    labeled = LabeledClips((), np.arange(len(labels)), CLASSES, labels, tuple(GROUPS))
    known = np.ones(len(labels), bool)
    found = ClassCues.of(CueAnswers(labeled, cues, answers, [], known, np.where(known, np.nan, 0)), labels, dealt)
    assert found.action() == [(2, 0)]  # the order of frames is what all classes lose
    assert found.idiosyncratic() == []


def _dealt(count: int) -> tuple[np.ndarray, list[np.ndarray]]:
    labels = np.array([CLASSES.index(label) for label in LABELS])
    return labels, list(dealt_labels(labels, GROUPS, count, seed=1))


def test_what_every_class_loses_is_no_effect_of_one() -> None:
    labels, dealt = _dealt(199)
    lost = np.ones((len(labels), 2))
    lost[labels != 2, 1] = 0
    effects = lost_without(lost, labels, GROUPS, dealt, 4)
    assert not effects.at(0.05)[:, 0].any()
    assert effects.at(0.05)[:, 1].tolist() == [False, False, True, False]
    assert effects.others[:, 1].tolist() == pytest.approx([1 / 3, 1 / 3, 0, 1 / 3])


def _cues(right: np.ndarray, moving: float) -> ClassCues:
    """Of clips that are all right as they are, and `right` (clip) without the cue; so much moves in those of `logo`."""
    labels, dealt = _dealt(999)
    labeled = LabeledClips((), np.arange(len(labels)), CLASSES, labels, tuple(GROUPS))
    answers = {AS_IT_IS.name: labels, "without": np.where(right, labels, (labels + 1) % 4)}
    share = np.where(labels == CLASSES.index("logo"), moving, 0.2)
    made = CueAnswers(labeled, (Cue(AROUND, True, ("without",)),), answers, [], np.ones(len(labels), bool), share)
    return ClassCues.of(made, labels, dealt)


def test_a_class_whose_actor_partly_stands_still_is_not_said_to_hang_on_its_background() -> None:
    labels, _ = _dealt(1)
    lost = labels != CLASSES.index("logo")
    assert _cues(lost, moving=0.15).idiosyncratic() == [(CLASSES.index("logo"), 0)]
    assert _cues(lost, moving=np.nan).idiosyncratic() == [(CLASSES.index("logo"), 0)]  # there are masks
    few = _cues(lost, moving=0.05)
    assert few.idiosyncratic() == [] and few.partly_still.tolist() == [name == "logo" for name in CLASSES]


def test_a_loss_whose_interval_holds_nothing_is_not_claimed() -> None:
    labels, _ = _dealt(1)
    found = _cues(labels != CLASSES.index("logo"), moving=0.2)
    wide = replace(found.without.size, low=found.without.size.value - 1.1)
    assert found.idiosyncratic() and not replace(found, without=replace(found.without, size=wide)).idiosyncratic()


def test_a_constant_answer_tells_no_class() -> None:
    labels, dealt = _dealt(199)
    answers = np.stack([np.full(len(labels), 2), np.where(labels == 2, 2, 0)], axis=1)
    effects = kept_alone(answers, labels, GROUPS, dealt, 4)
    assert effects.size.value[2].tolist() == [1, 1]
    assert effects.at(0.05)[2].tolist() == [False, True]


def test_p_is_that_of_slow_permutations() -> None:
    labels, dealt = _dealt(99)
    lost = np.random.default_rng(3).integers(-1, 2, size=(len(labels), 3)).astype(float)
    effects = lost_without(lost, labels, GROUPS, dealt, 4)
    for label in range(4):
        for cue in range(3):
            own = np.mean([lost[clip, cue] for clip in range(len(labels)) if labels[clip] == label])
            reached = sum(
                np.mean([lost[clip, cue] for clip in range(len(labels)) if deal[clip] == label]) >= own - 1e-9
                for deal in dealt
            )
            assert effects.p[label, cue] == pytest.approx((reached + 1) / 100)
