"""The maxima in a recording are those that are measured on the same windows of the same clips."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from marey.errors import MareyError, NetworkError
from marey.network.maxima import Maxima
from marey.network.measured_maxima import measured_maxima
from marey.network.network import Network
from marey.recording import Recording, check_same_weights, measure_maxima
from marey.recording.read import recording as recording_module
from marey.video.read.clips import Clip, load_clip, starts

pytestmark = pytest.mark.slow


def assert_same(found: Maxima, expected: Maxima) -> None:
    for one, other in (
        (found.largest, expected.largest),
        (found.largest_mean, expected.largest_mean),
        (found.ordinary, expected.ordinary),
    ):
        assert one.keys() == other.keys()
        for layer, values in one.items():
            torch.testing.assert_close(values, other[layer], atol=1e-5, rtol=1e-4)


def test_recording_then_reading_is_measuring(recording: Recording, network: Network, clips: list[Clip]) -> None:
    def shown() -> Iterator[dict[str, torch.Tensor]]:
        for clip in clips:
            loaded = load_clip(clip, network.streams, flow="dis")
            windows = [loaded.window(network.streams, start) for start in starts(loaded, network.streams, 2)]
            yield {name: torch.stack([window[name] for window in windows]) for name in windows[0]}

    found = recording.maxima()
    assert_same(found, measured_maxima(network, shown(), recording.layers, source="by hand"))
    assert found.source == "24 recorded clips" and found.layers == tuple(recording.layers)
    assert not found.ordinary["fusion.relu5"].any() and found.ordinary["fc6"].any()


def test_flow_is_bounded_as_measuring_the_same_clips_bounds_it(
    recording: Recording, network: Network, clips: list[Clip], tmp_path: Path
) -> None:
    for clip in clips:
        (tmp_path / f"{clip.label}").mkdir(exist_ok=True)
        (tmp_path / f"{clip.label}" / clip.path.name).symlink_to(clip.path)
    found, measured = recording.maxima(["fc6"]), measure_maxima(network, tmp_path, ["fc6"], flow="dis", windows=2)
    assert_same(found, measured)
    assert found.bounds == {"flow": pytest.approx(measured.bounds["flow"], rel=1e-3)}
    assert 0 < found.bounds["flow"] < network.stream("flow").bound


def test_they_are_the_same_however_few_units_are_read_at_once(
    recording: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = recording.maxima()
    monkeypatch.setattr(recording_module, "ROWS_AT_ONCE", 3 * recording.recorded)
    assert all(
        torch.equal(one, other)
        for one, other in zip(recording.maxima().tensors().values(), whole.tensors().values(), strict=True)
    )


def test_layers_that_were_not_recorded_and_recordings_of_nothing_have_none(
    recording: Recording, again: Callable[..., Recording], tmp_path: Path
) -> None:
    with pytest.raises(NetworkError, match=r"layer 'fc7' is not in the recording .* Did you mean 'fc6'\?"):
        recording.maxima(["fc7"])
    with pytest.raises(MareyError, match=r"holds no clip, so it has no maxima; record other clips"):
        again([Clip(tmp_path / "gone.mp4")]).maxima()


def test_a_recording_of_other_weights_is_told(recording: Recording, small: Callable[..., Network]) -> None:
    check_same_weights(recording, small())
    with pytest.raises(NetworkError, match=r"is of other weights than small; record this network"):
        check_same_weights(recording, small(seed=1))
