"""Where loops cannot be compiled, a recording takes longer and is the same up to rounding."""

from collections.abc import Callable

import pytest
import torch

from marey.accelerate.compiled import numba_version
from marey.errors import OutputError
from marey.recording import Recording, plan, quick_peaks
from marey.video.read.clips import Clip


@pytest.mark.skipif(numba_version() is None, reason="needs numba")
def test_it_is_the_same_up_to_rounding_but_not_taken_for_the_same(
    recording: Recording, clips: list[Clip], again: Callable[..., Recording], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quick_peaks, "kernels", lambda: None)
    monkeypatch.setattr(plan, "numba_version", lambda: None)
    plain = again(clips, shard_clips=24)
    for layer in recording.layers:
        torch.testing.assert_close(plain.matrix(layer), recording.matrix(layer), rtol=1e-5, atol=1e-6)
        means, theirs = (one.matrix(layer, field="mean") for one in (recording, plain))
        torch.testing.assert_close(means, theirs, rtol=1e-4, atol=1e-6)
        for field in ("start_frame", "t", "y", "x"):
            assert plain.matrix(layer, field=field).equal(recording.matrix(layer, field=field))
    with pytest.raises(OutputError, match=r"versions.numba was '.*', is nothing"):
        again(clips, shard_clips=24, out=recording.folder)
