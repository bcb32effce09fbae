"""Of a transformer's units the heat, the time, the place and the crop are those of the patch that drives them."""

from itertools import product
from types import ModuleType

import numpy as np
import pytest
import torch
from torch import nn

import marey
from marey.errors import NetworkError
from marey.network.network import Network
from marey.recording import Recording, exemplars, heat, record
from marey.recording.write.settings import RecordingSettings
from marey.video.encode import write_mp4
from marey.video.read.clips import Clip

pytestmark = pytest.mark.slow

SIZE, FRAMES, SIDE = 32, 8, 8
PLACES = list(product((0, 2), range(0, SIZE, SIDE), range(0, SIZE, SIDE)))
"""The first of four frames, and the corner, of the red square in every clip."""


@pytest.fixture(scope="module")
def red_squares(tmp_path_factory: pytest.TempPathFactory) -> list[Clip]:
    """Gray clips; a square is red for four frames."""
    folder = tmp_path_factory.mktemp("red")
    clips = []
    for number, (start, y, x) in enumerate(PLACES):
        frames = np.full((FRAMES, SIZE, SIZE, 3), 128, np.uint8)
        frames[2 * start : 2 * start + 4, y : y + SIDE, x : x + SIDE] = (255, 20, 20)
        write_mp4(frames, folder / f"{number:02d}.mp4", rate=25.0, quality=8)
        clips.append(Clip(folder / f"{number:02d}.mp4", label="red"))
    return clips


@pytest.fixture(scope="module", params=["time_first", "class_token_last", "shifted_windows", "frames_in_batch"])
def network(request: pytest.FixtureRequest, token_networks: ModuleType) -> Network:
    found: Network = token_networks.transformer(request.param, size=SIZE)
    return found


@pytest.fixture(scope="module")
def recording(network: Network, red_squares: list[Clip], tmp_path_factory: pytest.TempPathFactory) -> Recording:
    out = tmp_path_factory.mktemp("tokens") / network.name
    return record(network, red_squares, ["blocks.1"], out=out, settings=RecordingSettings(windows=3))


def test_heat_is_strongest_where_and_when_the_square_is_red(network: Network, red_squares: list[Clip]) -> None:
    hits = 0
    for (start, top, left), clip in zip(PLACES, red_squares, strict=True):
        _, responses = heat(network, "blocks.1:0", clip)
        t, y, x = (int(place) for place in torch.unravel_index(responses.argmax(), responses.shape))
        hits += 2 * start <= t < 2 * start + 4 and top <= y < top + SIDE and left <= x < left + SIDE
    assert hits >= 0.95 * len(PLACES)


def test_times_places_and_crops_of_top_clips_are_those_of_the_square(recording: Recording) -> None:
    again = Recording.open(recording.folder)
    assert again.layer("blocks.1").patch == recording.layer("blocks.1").patch
    hits = 0
    for one in exemplars(again, "blocks.1:0", len(PLACES), one_per_group=False):
        start, top, left = PLACES[int(one.response.clip.path.stem)]
        _, y, x = one.response.position
        box = one.boxes["rgb"]
        assert one.crop["rgb"].shape[2] <= 12 and one.crop["rgb"].shape[3] <= 12  # three patches of four pixels
        inside = top <= 4 * y < top + SIDE and left <= 4 * x < left + SIDE
        shown = box[1].start < top + SIDE and box[1].stop > top and box[2].start < left + SIDE and box[2].stop > left
        hits += inside and shown and 2 * start <= one.response.seconds * 25 < 2 * start + 4
    assert hits >= 0.95 * len(PLACES)


def test_neurons_of_an_mlp_heads_and_directions_have_preferred_inputs(network: Network) -> None:
    generator = torch.Generator().manual_seed(0)
    recipe = marey.Recipe(slowness=(0,), steps=12)
    along = marey.direction("blocks.0", torch.randn(16, generator=generator).tolist())
    for wanted in ("blocks.1.mlp.2:3", "blocks.1.joined:9", "blocks.1.mlp.2:3@0,5,2", along):
        result = marey.maximize(network, wanted, recipe=recipe)
        assert result.frames["rgb"].shape[1:] == (3, 4, SIZE, SIZE)
        first, last = result.history[0], result.history[-1]
        assert last > first


def test_heat_of_a_layer_whose_tokens_have_no_known_place_is_refused(red_squares: list[Clip]) -> None:
    class Quarters(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed, self.last = nn.Conv2d(3, 16, 4, stride=4), nn.Linear(4, 4)

        def forward(self, frame: torch.Tensor) -> torch.Tensor:
            last: torch.Tensor = self.last(self.embed(frame).mean((2, 3)).unflatten(1, (4, 4)))
            return last

    network = Network(Quarters(), [marey.rgb_frames(1, size=SIZE, layout="n c h w")])
    with pytest.raises(
        NetworkError, match=r"layer 'last' has 4 positions, and where in the clip they lie is not known"
    ):
        heat(network, "last:0", red_squares[0])
