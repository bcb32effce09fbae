import numpy as np
import pytest
import torch

from marey.errors import VideoError
from marey.video.flow.methods import METHODS, optical_flow


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("u", "v"), [(2.0, 0.0), (-1.5, 0.75), (0.0, 3.0)])
def test_the_flow_of_a_picture_that_slides_is_how_far_it_slides(slide, method, u, v):
    flow = optical_flow(slide(u, v), method=method)
    assert flow.shape == (1, 2, 64, 80)
    assert flow.dtype == torch.float32
    interior = flow[0, :, 12:-12, 12:-12]
    error = (interior - torch.tensor([u, v]).view(2, 1, 1)).norm(dim=0)
    assert error.mean() < 0.2
    assert interior.mean(dim=(1, 2)).tolist() == pytest.approx([u, v], abs=0.1)


@pytest.mark.parametrize("method", METHODS)
def test_nothing_moves_where_frames_are_equal(slide, method):
    assert optical_flow(slide(0, 0, frames=3), method=method).abs().mean() < 0.02


@pytest.mark.parametrize("method", METHODS)
def test_flow_warps_a_frame_onto_the_next(slide, method):
    frames = slide(2.0, 1.0).float()[..., 0]
    flow = optical_flow(slide(2.0, 1.0), method=method)[0]
    rows, columns = torch.meshgrid(torch.arange(64.0), torch.arange(80.0), indexing="ij")
    place = torch.stack([(columns + flow[0]) / 79 * 2 - 1, (rows + flow[1]) / 63 * 2 - 1], dim=-1)
    warped = torch.nn.functional.grid_sample(frames[1][None, None], place[None], align_corners=True)[0, 0]
    inside = (slice(10, -10), slice(10, -10))
    still = (frames[1] - frames[0])[inside].abs().mean()
    assert (warped - frames[0])[inside].abs().mean() < 0.2 * still


def test_flow_is_clipped_to_its_bound(slide):
    frames = slide(4.0, -4.0)
    clipped = optical_flow(frames, method="farneback", bound=1.5)
    free = optical_flow(frames, method="farneback", bound=None)
    assert clipped.abs().max() == 1.5
    assert torch.equal(clipped, free.clamp(-1.5, 1.5))


def test_a_single_frame_has_no_flow():
    assert optical_flow(torch.zeros(1, 20, 30, 3, dtype=torch.uint8)).shape == (0, 2, 20, 30)


def test_the_fast_preset_agrees_with_the_default_where_there_is_texture(slide):
    frames = slide(1.0, 2.0)
    difference = optical_flow(frames, method="tvl1-fast") - optical_flow(frames, method="tvl1")
    assert difference.norm(dim=1)[:, 10:-10, 10:-10].mean() < 0.1


def test_an_unknown_method_names_the_near_one():
    with pytest.raises(
        VideoError, match=r"no flow method 'tvl'\. Did you mean 'tvl1'.* There are tvl1, tvl1-fast, dis"
    ):
        optical_flow(torch.zeros(2, 20, 20, 3, dtype=torch.uint8), method="tvl")


@pytest.mark.parametrize(
    "frames",
    [
        torch.zeros(2, 20, 20, 3),
        torch.zeros(2, 3, 20, 20, dtype=torch.uint8),
        torch.zeros(0, 20, 20, 3, dtype=torch.uint8),
    ],
)
def test_frames_of_another_kind_are_refused(frames):
    with pytest.raises(VideoError, match=r"flow needs uint8 frames of axes \(time, height, width, 3\), got"):
        optical_flow(frames)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("side", [1, 2, 5, 11, 17])
def test_tiny_frames_have_flow_or_a_reason(method, side):
    frames = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (2, side, side, 3), dtype=np.uint8))
    try:
        flow = optical_flow(frames, method=method)
    except VideoError as error:
        assert f"no flow for frames of {side} x {side} px" in str(error)  # noqa: PT017
        assert "\n" not in str(error)  # noqa: PT017
    else:
        assert flow.shape == (1, 2, side, side)
        assert flow.isfinite().all()
