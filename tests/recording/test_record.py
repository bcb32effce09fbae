"""A recording is what a slow loop over clips and windows gives, however it came about."""

import random
import shutil
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import marey
from marey.errors import DatasetError, MareyError, NetworkError, OutputError
from marey.network.network import Network
from marey.recording import Recording, merged, record
from marey.recording.chosen_layers import chosen_layers
from marey.recording.read.heat import heat
from marey.recording.responses import clip_responses
from marey.recording.write.settings import RecordingSettings
from marey.video.read.clips import Clip, load_clip, starts

pytestmark = pytest.mark.slow

record_module = sys.modules[record.__module__]
Again = Callable[..., Recording]
Hashes = Callable[[Recording | Path], dict[str, str]]
LAYERS = ["rgb.conv1_1", "flow.relu3_3", "fusion.*", "fc6", "scores"]
SETTINGS = RecordingSettings(flow="dis", windows=2, batch=4)


def test_it_is_what_a_slow_loop_gives(recording: Recording, network: Network, clips: list[Clip]) -> None:
    layers = list(recording.layers)
    assert layers == ["rgb.conv1_1", "flow.relu3_3", "fusion.conv5", "fusion.relu5", "fusion.pool5", "fc6", "scores"]
    for number in (0, 11, 23):
        clip = recording.clip(number)
        loaded = load_clip(clip, network.streams, flow="dis")
        begun = starts(loaded, network.streams, 2)
        windows = [loaded.window(network.streams, start) for start in begun]
        inputs = {name: torch.stack([window[name] for window in windows]) for name in windows[0]}
        with torch.no_grad():
            found = network.activations(inputs, layers)
        for layer in layers:
            volumes = found[layer]
            channel = volumes.shape[1] // 2
            (row,) = recording.responses(f"{layer}:{channel}").slice(number, 1).to_pylist()
            largest = volumes[:, channel].max()
            assert row["clip"] == number and row["maximum"] == pytest.approx(float(largest), rel=1e-5, abs=1e-6)
            assert row["mean"] == pytest.approx(float(volumes[:, channel].mean()), rel=1e-4, abs=1e-6)
            window = begun.index(row["start_frame"])
            at = volumes[window, channel, row["t"], row["y"], row["x"]]
            assert float(at) == pytest.approx(float(largest), rel=1e-5, abs=1e-6)
            assert 0 <= row["seconds"] <= loaded.frames / loaded.rate
        scores = found["scores"].flatten(1).mean(0)
        assert recording.clips["scores"][number].as_py() == pytest.approx(scores.tolist(), rel=1e-4, abs=1e-6)
        assert recording.clips["prediction"][number].as_py() == network.classes[int(scores.argmax())]


def test_the_second_of_the_maximum_is_the_middle_of_what_its_position_sees(
    recording: Recording, network: Network
) -> None:
    (row,) = recording.responses("rgb.conv1_1:0").slice(0, 1).to_pylist()
    frame = row["start_frame"] + network.stream("rgb").times[row["t"]]
    assert row["seconds"] == pytest.approx(frame / recording.clips["rate"][0].as_py())


def test_maxima_are_the_largest_over_clips(recording: Recording) -> None:
    for layer in recording.layers:
        assert recording.largest(layer).equal(recording.matrix(layer).amax(0))


def test_the_network_is_left_as_it_was(
    network: Network,
    clips: list[Clip],
    tmp_path: Path,
    left_as_found: Callable[[nn.Module], AbstractContextManager[None]],
) -> None:
    with left_as_found(network.module):
        record(network, clips[:2], ["fc6"], out=tmp_path / "out", settings=RecordingSettings(flow="dis"))


@settings(max_examples=4)
@given(st.randoms(use_true_random=False), st.integers(1, 12))
def test_any_order_and_any_shards_give_the_same_bytes(
    recording: Recording, clips: list[Clip], again: Again, hashes: Hashes, shuffler: random.Random, shard_clips: int
) -> None:
    shuffled = clips.copy()
    shuffler.shuffle(shuffled)
    assert hashes(again(shuffled, shard_clips=shard_clips, workers=2)) == hashes(recording)


@settings(max_examples=4)
@given(st.lists(st.integers(0, 2), min_size=24, max_size=24))
def test_any_split_merges_to_the_same_bytes(
    recording: Recording,
    clips: list[Clip],
    again: Again,
    hashes: Hashes,
    tmp_path_factory: pytest.TempPathFactory,
    part_of: list[int],
) -> None:
    parts = [again([clip for clip, mine in zip(clips, part_of, strict=True) if mine == part]) for part in {*part_of}]
    assert hashes(merged(parts, tmp_path_factory.mktemp("merged"))) == hashes(recording)


def test_another_batch_size_differs_by_rounding_only(recording: Recording, clips: list[Clip], again: Again) -> None:
    for batch in (1, 3, 16):
        other = again(clips, settings=replace(SETTINGS, batch=batch))
        for layer in other.layers:
            expected, found = recording.matrix(layer), other.matrix(layer)
            assert float((expected - found).abs().max() / expected.abs().max()) < 1e-5


def test_what_is_whole_is_opened_not_recorded_again(
    recording: Recording, network: Network, clips: list[Clip], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record_module, "shards_of", None)
    found = record(network, clips, LAYERS, out=recording.folder, settings=SETTINGS)
    assert found.recorded == 24 and found.folder == recording.folder


@pytest.fixture
def begun(clips: list[Clip], again: Again, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A recording that was stopped half way."""

    def stop(done: int, count: int) -> None:
        if done >= 12:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        again(clips, out=tmp_path / "begun", shard_clips=4, report=stop)
    return tmp_path / "begun"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"settings": replace(SETTINGS, windows=3)}, r"settings.windows was 2, is 3"),
        ({"settings": replace(SETTINGS, flow="farneback")}, r"settings.flow was 'dis', is 'farneback'"),
        ({"shard_clips": 5}, r"shard_clips was 4, is 5"),
    ],
)
def test_other_settings_under_a_half_done_recording_are_refused(
    begun: Path, clips: list[Clip], again: Again, change: dict[str, Any], said: str
) -> None:
    with pytest.raises(OutputError, match=rf"holds the beginning of a recording of something else: {said}\. Use the"):
        again(clips, out=begun, **{"shard_clips": 4, **change})


def test_other_layers_networks_and_clips_under_a_recording_are_refused(
    begun: Path, recording: Recording, network: Network, clips: list[Clip], again: Again, small: Callable[..., Network]
) -> None:
    with pytest.raises(OutputError, match=r"layers.fc6 was .*, is nothing"):
        record(network, clips, ["scores"], out=begun, settings=SETTINGS, shard_clips=4)
    with pytest.raises(OutputError, match=r"holds a recording of something else: network.weights was '.*, is '"):
        record(small(seed=1), clips, LAYERS, out=recording.folder, settings=SETTINGS)
    with pytest.raises(OutputError, match=r"1 clips fewer, such as '.*person0_0.mp4'\. Use"):
        again(clips[1:], out=begun, shard_clips=4)
    with pytest.raises(OutputError, match=r"1 clips more, such as 'new.mp4'; 1 clips fewer, such as"):
        again([*clips[1:], Clip(Path("new.mp4"))], out=begun, shard_clips=4)
    with pytest.raises(OutputError, match=r"label of '.*' was 'disc_down', is 'other'"):
        again([replace(clips[0], label="other"), *clips[1:]], out=recording.folder)


def test_a_clip_that_changed_under_a_half_done_recording_is_noticed(
    shapes: Path, again: Again, clips: list[Clip], tmp_path: Path
) -> None:
    own = [replace(clip, path=tmp_path / f"{index}.mp4") for index, clip in enumerate(clips[:3])]
    for clip, copy in zip(clips, own, strict=False):
        shutil.copy(clip.path, copy.path)
    again(own, out=tmp_path / "out")
    own[1].path.write_bytes(own[1].path.read_bytes() + b"more")
    with pytest.raises(OutputError, match=r"bytes of '.*1.mp4' was \d+, is \d+"):
        again(own, out=tmp_path / "out")


def test_a_folder_with_other_things_is_left_alone(again: Again, clips: list[Clip], tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(OutputError, match="holds something that is no recording"):
        again(clips, out=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_clips_that_cannot_be_used_are_listed_with_their_reasons_and_counted(
    again: Again, clips: list[Clip], tmp_path: Path
) -> None:
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("no video")
    bad = [Clip(tmp_path / name, label="disc_left") for name in ("empty.mp4", "text.mp4", "gone.mp4")]
    found = again([*bad, *clips[:5]], shard_clips=3)
    assert (found.recorded, len(found.skipped)) == (5, 3)
    assert {Path(one.path).name for one in found.skipped} == {"empty.mp4", "text.mp4", "gone.mp4"}
    assert all(Path(one.path).name in one.reason and one.label == "disc_left" for one in found.skipped)
    assert found.summary["clips"]["failures"] == [{"path": one.path, "reason": one.reason} for one in found.skipped]
    assert found.clips.num_rows == 8 and found.responses("fc6:0").num_rows == 5
    good = again(clips[:5])
    assert found.matrix("fc6").equal(good.matrix("fc6"))


def test_a_recording_of_nothing_but_bad_clips_says_so_and_opens(again: Again, tmp_path: Path) -> None:
    found = again([Clip(tmp_path / "gone.mp4"), Clip(tmp_path / "lost.mp4")])
    assert (found.recorded, len(found.skipped)) == (0, 2)
    assert found.largest("fc6").isnan().all() and found.top("fc6:0") == []


def test_values_that_are_no_numbers_make_a_clip_a_failure(clips: list[Clip], tmp_path: Path) -> None:
    class Breaks(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Conv3d(3, 2, 1)
            self.second = nn.ReLU()

        def forward(self, rgb: torch.Tensor) -> torch.Tensor:
            values = self.first(rgb)
            values[values.amax((1, 2, 3, 4)) > values.amax() - 1e-6] = float("nan")
            return self.second(values)

    network = Network(Breaks(), [marey.rgb_frames(2, size=16)])
    found = record(network, clips[:3], out=tmp_path / "out", settings=RecordingSettings(windows=1, batch=3))
    assert len(found.skipped) == 1
    assert found.skipped[0].reason == "layer 'second' responds with values that are not numbers"


def test_units_along_the_last_axis_are_recorded_as_any_other(clips: list[Clip], tmp_path: Path) -> None:
    class UnitsLast(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv3d(3, 5, 3)
            self.norm = nn.LayerNorm(5)
            self.back = nn.Identity()

        def forward(self, rgb: torch.Tensor) -> torch.Tensor:
            normed: torch.Tensor = self.norm(self.conv(rgb).movedim(1, -1))
            moved: torch.Tensor = self.back(normed.movedim(-1, 1))
            return moved

    network = Network(UnitsLast(), [marey.rgb_frames(4, size=16)])
    found = record(
        network, clips[:3], ["norm", "back"], out=tmp_path / "out", settings=RecordingSettings(windows=2, batch=4)
    )
    for unit in range(5):
        norm, back = (found.top(f"{layer}:{unit}", 1)[0] for layer in ("norm", "back"))
        assert (norm.value, norm.position, norm.clip) == (back.value, back.position, back.clip)
    responses = clip_responses(network, clips[0], ["norm", "back"], windows=2)
    assert responses["norm"].equal(responses["back"])
    assert heat(network, "norm:1", clips[0])[1].equal(heat(network, "back:1", clips[0])[1])


def test_layers_that_only_pass_on_what_they_are_given_are_not_recorded_unasked(network: Network) -> None:
    names = [layer.name for layer in chosen_layers(network, None)]
    assert "fusion.conv5" in names and "fusion.relu5" in names and "relu6" in names
    assert not {"rgb", "flow", "fusion", "dropout6", "flatten"} & {*names}
    assert [layer.name for layer in chosen_layers(network, ["drop*"])] == ["dropout6", "dropout7"]


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"layers": ["fusion.conv6"]}, NetworkError, r"no layer 'fusion.conv6' in small. Did you mean 'fusion.conv5'"),
        ({"layers": "fc6"}, NetworkError, r"layers are a list of names or patterns, as in \['fc6'\]"),
        ({"layers": []}, NetworkError, r"no layer to record"),
        ({"clips": []}, DatasetError, r"there is no clip"),
        ({"clips": [Clip(Path("a.mp4")), Clip(Path("a.mp4"))]}, DatasetError, r"'a.mp4' from 0 s is given twice"),
        ({"shard_clips": 0}, MareyError, r"shard_clips is 0"),
    ],
)
def test_what_cannot_be_recorded_is_said_before_anything_is_written(
    network: Network, clips: list[Clip], tmp_path: Path, options: dict[str, Any], error: type[MareyError], said: str
) -> None:
    given = {"clips": clips, "layers": LAYERS, **options}
    with pytest.raises(error, match=said):
        record(network, given.pop("clips"), given.pop("layers"), out=tmp_path / "out", **given)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("name", "value"), [("windows", 0), ("batch", 0), ("windows", 256), ("flow", "guess")])
def test_settings_check_themselves(name: str, value: Any) -> None:
    with pytest.raises(MareyError, match=str(value)):
        RecordingSettings(**{name: value})


def test_recordings_that_do_not_go_together_are_not_merged(
    recording: Recording, again: Again, clips: list[Clip], tmp_path: Path
) -> None:
    with pytest.raises(DatasetError, match=r"the clip '.*' is in '.*' and in '.*'; merge recordings of different"):
        merged([recording, recording], tmp_path / "out")
    other = again(clips[:2], settings=replace(SETTINGS, windows=1))
    with pytest.raises(MareyError, match=r"do not go together: settings.windows was 2, is 1"):
        merged([recording, other], tmp_path / "out")
    with pytest.raises(OutputError, match="is not empty"):
        merged([recording], recording.folder)
    with pytest.raises(MareyError, match="no recording to merge"):
        merged([], tmp_path / "out")
