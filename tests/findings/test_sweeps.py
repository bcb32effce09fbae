import numpy as np
import pytest
import torch

from marey.errors import MareyError
from marey.findings.sweeps import sweep_remarks, sweep_table, variation_ratio
from marey.maximization.result import PreferredInput
from marey.network.stream import rgb_frames

STREAM = rgb_frames(4, size=6)


def preferred(target: str, scores: tuple[float, ...], frames: torch.Tensor) -> PreferredInput:
    empty = tuple({} for _ in scores)
    nothing = tuple(() for _ in scores)
    return PreferredInput(
        target,
        target,
        tuple(map(float, range(len(scores)))),
        (STREAM,),
        {"rgb": frames},
        scores,
        0.0,
        1.0,
        "8 clips",
        torch.zeros(1, len(scores)),
        empty,
        nothing,
        tuple(None for _ in scores),
    )


def test_a_sweep_is_flat_where_slow_motion_drives_the_unit_as_fast_motion():
    frames = torch.rand(3, 3, 4, 6, 6, generator=torch.Generator().manual_seed(0))
    made = [preferred("a:0", (1.0, 0.5, 0.25), frames), preferred("b:1", (0.8, 0.8, 0.8), frames)]
    table = sweep_table([*made, preferred("c:0", (1.0,), frames)], ["a", "b"])
    assert table["flatness"].to_pylist() == pytest.approx([0.25, 1.0])
    assert "flatness of the slowness sweep of 2 preferred inputs: 0.25 in 'a', 1.00 in 'b'" in sweep_remarks(
        table, ["a", "b"]
    )
    with pytest.raises(MareyError, match="none of the preferred inputs is of a unit of the layers"):
        sweep_table(made, ["c"])


def test_variation_over_time_and_space_is_that_of_a_slow_count():
    frames = torch.rand(2, 3, 4, 5, generator=torch.Generator().manual_seed(1))
    x = frames.numpy()
    temporal = np.mean([(x[:, t + 1] - x[:, t]) ** 2 for t in range(2)])
    rows = np.mean([(x[:, :, y + 1] - x[:, :, y]) ** 2 for y in range(3)])
    columns = np.mean([(x[..., k + 1] - x[..., k]) ** 2 for k in range(4)])
    assert variation_ratio(frames) == pytest.approx(temporal / (rows + columns), rel=1e-5)
    assert variation_ratio(frames[:, :1]) is None
