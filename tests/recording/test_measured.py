"""The real maximum of a unit is its largest activation over all windows of the clips."""

import shutil
from pathlib import Path

import pytest
import torch

import marey
from marey.datasets import class_folders
from marey.errors import NetworkError, VideoError
from marey.families.loading import keep_maxima
from marey.families.weights import open_network
from marey.maximization.recipe import Recipe
from marey.recording.measured import measure_maxima
from marey.studies import study_clip
from marey.training.fit import Trained
from marey.video.encode import write_mp4
from marey.video.read.clips import Clip, load_clip, starts

LAYERS = {"rgb.conv2_2", "fusion.conv5", "scores"}


@pytest.fixture
def few(shapes: Path, tmp_path: Path) -> Path:
    """Three clips, one of them no video."""
    place = tmp_path / "few"
    place.mkdir()
    for clip in class_folders(shapes)[::30]:
        shutil.copy(clip.path, place / f"{clip.label}.mp4")
    (place / "text.avi").write_text("no video")
    return place


def test_it_is_the_maximum_over_all_windows_computed_by_hand(trained: tuple[Path, Trained], few: Path) -> None:
    network = marey.load(trained[0])
    assert measure_maxima(network, few, LAYERS, flow="dis") == 2
    expected: dict[str, torch.Tensor] = {}
    speeds = []
    for path in sorted(few.glob("*.mp4")):
        loaded = load_clip(Clip(path), network.streams, flow="dis")
        flows = []
        for start in starts(loaded, network.streams, 3):
            window = loaded.window(network.streams, start)
            flows.append(window["flow"])
            with torch.no_grad():
                found = network.activations({name: values[None] for name, values in window.items()}, LAYERS)
            for layer, values in found.items():
                peak = values.amax((0, 2, 3, 4))
                expected[layer] = torch.maximum(expected[layer], peak) if layer in expected else peak
        speeds.append(float(torch.stack(flows).norm(dim=1).square().mean().sqrt()))
    assert set(network.maxima) == LAYERS
    assert all(torch.allclose(network.maxima[layer], expected[layer], atol=1e-3) for layer in LAYERS)
    assert network.bounds == {"flow": pytest.approx(5 * sum(speeds) / 2, rel=0.001)}


def test_short_clips_are_held_bad_ones_told_and_none_left_is_an_error(trained: tuple[Path, Trained], few: Path) -> None:
    network = marey.load(trained[0])
    short = study_clip("wave", 0, size=32, frames=3).frames
    write_mp4(short, few / "short.mp4")
    told: list[str] = []
    assert measure_maxima(network, few, {"scores"}, flow="dis", failed=lambda clip, _: told.append(clip.path.name)) == 3
    assert told == ["text.avi"]
    for path in few.glob("*.mp4"):
        path.unlink()
    with pytest.raises(
        VideoError, match=r"none of the 1 clips of .* can be used; the first error: .* cannot be opened"
    ):
        measure_maxima(network, few, {"scores"}, flow="dis")


def test_of_many_clips_an_even_choice_is_shown(trained: tuple[Path, Trained], shapes: Path) -> None:
    assert measure_maxima(marey.load(trained[0]), shapes, {"scores"}, flow="dis", most_clips=2, windows=1) == 2


def test_a_layer_that_is_not_there_is_found_before_the_clips_are_read(trained: tuple[Path, Trained], few: Path) -> None:
    with pytest.raises(NetworkError, match=r"no layer 'fusion.conv6' in tiny. Did you mean 'fusion.conv5'"):
        measure_maxima(marey.load(trained[0]), few, {"fusion.conv6"})


def test_kept_maxima_leave_the_weights_and_serve_the_next_maximization(
    trained: tuple[Path, Trained], few: Path, tmp_path: Path
) -> None:
    path = tmp_path / "net.safetensors"
    shutil.copy(trained[0], path)
    network = marey.load(path)
    before = open_network(path)
    (untold,) = marey.maximize(network, "scores:0", recipe=Recipe(steps=2, slowness=(0.0,)))
    assert untold.maximum_source == "generated clips"
    measure_maxima(network, few, LAYERS, flow="dis")
    keep_maxima(network, path)
    after = marey.load(path)
    assert after.weights_hash == network.weights_hash == marey.load(trained[0]).weights_hash
    assert after.bounds == network.bounds
    assert all(after.maxima[layer].equal(network.maxima[layer]) for layer in LAYERS)
    kept = open_network(path)
    assert (kept.streams, kept.classes) == (before.streams, before.classes)
    assert {**kept.provenance, "bounds": None} == {**before.provenance, "bounds": None}
    (told,) = marey.maximize(after, "scores:0", recipe=Recipe(steps=2, slowness=(0.0,)))
    assert told.maximum_source == "real clips" and told.maximum == pytest.approx(float(after.maxima["scores"][0]))
