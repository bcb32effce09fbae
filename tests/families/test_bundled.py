"""The networks that ship with the package: they load by name, are what their card says, and answer as they must."""

from functools import cache
from pathlib import Path

import pytest
import torch

import marey
import marey.families.bundled as bundled_networks
from marey.datasets import StudySet
from marey.errors import WeightsError
from marey.families.bundled import BUNDLED, MOTION_STUDIES, RGB, UNTRAINED, bundled, untrained
from marey.families.loading import provenance
from marey.families.weights import weights_hash
from marey.network.hooks import frozen
from marey.studies import study_classes
from marey.video.read.clips import starts

CARD = Path(__file__).parents[2] / "docs" / "reference" / "bundled_networks.md"
FOLDER = Path(bundled_networks.__file__).parent
CONJUNCTIONS = ("conjunction_one", "conjunction_two")
PLANTED = ("kick", "kick_low", "lift_bar", "lift_bar_low", "brush_teeth", "shave")
EASY = tuple(name for name in study_classes() if name not in PLANTED)


@cache
def loaded(name: str) -> marey.Network:
    return marey.load(name)


@cache
def windows(studies: StudySet) -> list[tuple[str, dict[str, torch.Tensor]]]:
    """The class of every clip, and three windows of it {stream: (window channel time height width)}."""
    streams = loaded(MOTION_STUDIES).streams
    found = []
    for clip in studies.clips():
        one = studies.load(clip, streams)
        parts = [one.window(streams, start) for start in starts(one, streams, 3)]
        found.append((str(clip.label), {name: torch.stack([part[name] for part in parts]) for name in parts[0]}))
    return found


def right(network: marey.Network, studies: StudySet) -> float:
    """The share of clips whose class the mean of three windows' scores names."""
    found = []
    with torch.no_grad(), frozen(network.module):
        for label, inputs in windows(studies):
            scores = network.activations(inputs, [network.scores])[network.scores].flatten(1).mean(0)
            found.append(network.classes[int(scores.argmax())] == label)
    return sum(found) / len(found)


@pytest.mark.parametrize("name", BUNDLED)
def test_each_name_gives_a_network_of_all_classes_for_the_same_clips(name: str) -> None:
    network = loaded(name)
    assert network.name == name and not network.module.training
    assert network.classes == tuple(sorted(study_classes()))
    assert network.streams == loaded(MOTION_STUDIES).streams or name == RGB
    assert all(values.dtype in (torch.float32, torch.int64) for values in network.module.state_dict().values())


def test_all_files_together_are_small() -> None:
    sizes = {path.name: path.stat().st_size for path in FOLDER.glob("*.safetensors")}
    assert len(sizes) == len(BUNDLED) - 1 and sum(sizes.values()) < 8e6
    assert sizes["motion_studies_rgb.safetensors"] < 3e6


def test_the_card_names_every_file_by_its_hash() -> None:
    card = CARD.read_text(encoding="utf-8")
    for name in BUNDLED:
        if name != UNTRAINED:
            assert weights_hash(bundled(name).module) in card, name


def test_it_knows_how_it_was_made_and_how_far_its_units_reach_on_which_clips() -> None:
    steps = []
    made = provenance(MOTION_STUDIES)
    while made:
        assert {"data", "clips", "settings", "seconds"} <= set(made)
        steps.append(made["steps"]["fusion"])
        made = made.get("before", {})
    assert steps == [1100, 1950, 600, 3850]  # what each line of benchmarks/bundled_network.py took, the last one first
    network = loaded(MOTION_STUDIES)
    maxima = network.maxima
    assert maxima is not None and 1 < maxima.bounds["flow"] < 30
    assert maxima.source == "78 generated clips (motion studies)" and len(maxima.layers) == 59
    for layer in maxima.layers:
        units = network.layer(layer).units
        assert len(maxima.largest[layer]) == len(maxima.largest_mean[layer]) == len(maxima.ordinary[layer]) == units
        assert bool((maxima.largest_mean[layer] <= maxima.largest[layer] + 1e-5).all())
        assert float(maxima.reach(layer).min()) > 0
    assert float(maxima.ordinary["scores"].max()) < 0 and float(maxima.ordinary["fusion.relu5"].abs().max()) == 0


def test_no_response_to_a_clip_that_was_measured_is_above_the_maxima() -> None:
    network = loaded(MOTION_STUDIES)
    maxima = network.maxima
    assert maxima is not None
    measured = StudySet(1, seed=1, frames=14, setting="biased", classes=("walk", "kick"))
    with torch.no_grad(), frozen(network.module):
        for _, inputs in windows(measured):
            for layer, values in network.activations(inputs, maxima.layers).items():
                assert bool((values.amax((0, 2, 3, 4)) <= maxima.largest[layer] + 1e-3).all()), layer
                assert bool((values.mean((0, 2, 3, 4)) <= maxima.largest_mean[layer] + 1e-3).all()), layer


def test_the_one_that_sees_rgb_alone_tells_fair_clips_of_a_seed_not_trained_on() -> None:
    network = loaded(RGB)
    assert [stream.kind for stream in network.streams] == ["rgb"] and network.streams[0].frames > 1
    studies = StudySet(1, seed=5000, classes=EASY, frames=24)
    found = []
    with torch.no_grad(), frozen(network.module):
        for clip in studies.clips():
            window = studies.load(clip, network.streams).window(network.streams, 0)
            scores = network.activations({"rgb": window["rgb"][None]}, ["scores"])["scores"].flatten()
            found.append(network.classes[int(scores.argmax())] == clip.label)
    assert sum(found) / len(found) >= 0.8


@pytest.mark.parametrize("name", [MOTION_STUDIES, f"{MOTION_STUDIES}-verifier"])
def test_it_tells_fair_clips_of_a_seed_not_trained_on(name: str) -> None:
    assert right(loaded(name), StudySet(1, seed=5000, classes=EASY)) >= 0.8


def test_the_fusion_joins_color_and_axis() -> None:
    assert right(loaded(MOTION_STUDIES), StudySet(10, seed=5000, classes=CONJUNCTIONS)) >= 0.85


def test_the_late_fusion_adds_what_each_stream_says_and_so_cannot_join_them() -> None:
    late = loaded(f"{MOTION_STUDIES}-late")
    torch.manual_seed(0)
    one, other = ({stream.name: torch.rand(1, *stream.shape) for stream in late.streams} for _ in range(2))

    def scores(rgb: dict[str, torch.Tensor], flow: dict[str, torch.Tensor]) -> torch.Tensor:
        with torch.no_grad():
            return late.activations({"rgb": rgb["rgb"], "flow": flow["flow"]}, [late.scores])[late.scores]

    crossed = scores(one, other) + scores(other, one)
    assert torch.allclose(scores(one, one) + scores(other, other), crossed, atol=1e-4)


def test_the_untrained_copy_comes_from_its_seed_and_leaves_random_numbers_alone() -> None:
    torch.manual_seed(3)
    wanted = torch.rand(1)
    torch.manual_seed(3)
    first, again, other = untrained(), untrained(), untrained(1)
    assert torch.rand(1).equal(wanted)
    hashes = [weights_hash(file.module) for file in (first, again, other, bundled(MOTION_STUDIES))]
    assert hashes[0] == hashes[1] and len(set(hashes)) == 3
    assert first.maxima is not None and not first.maxima.layers and first.maxima.bounds["flow"] > 0
    assert dict(first.provenance) == {"seed": 0}


def test_a_folder_of_that_name_is_not_in_the_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / MOTION_STUDIES).mkdir()
    assert marey.load(MOTION_STUDIES).name == MOTION_STUDIES
    with pytest.raises(WeightsError, match=r"there is no network 'motion-study'.*motion-studies"):
        marey.load("motion-study")
