"""A whole clip under heat: where and when a unit responds, drawn over the frames."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from marey.draw.frames import cell_size, resized
from marey.errors import MareyError
from marey.network.network import Network
from marey.recording import Response, heat
from marey.video.encode import Picture, write_mp4
from marey.video.flow.methods import Method
from marey.video.read.clips import LoadedClip
from marey.video.read.windows import placed

_HOT = ((0, 0, 4), (87, 16, 110), (188, 55, 84), (249, 142, 9), (252, 255, 164))
"""Dark to bright in steps that every eye tells apart: dark violet, red, orange, pale yellow."""


HEAT_WEIGHT = 0.75
"""How much of the picture heat covers at most."""


def heat_colors(share: Tensor) -> Tensor:
    """Color shares of the largest response (...), 0 to 1, as red, green and blue 0..255 (..., 3)."""
    colors = torch.tensor(_HOT, dtype=torch.float32)
    place = share * (len(_HOT) - 1)
    below_it = place.floor().clamp(max=len(_HOT) - 2).long()
    part = (place - below_it)[..., None]
    return colors[below_it] * (1 - part) + colors[below_it + 1] * part


def heat_loop(loaded: LoadedClip, responses: Tensor, *, largest: float | None = None) -> Picture:
    """Draw a whole clip as uint8 (time height width 3) under a unit's responses (time height width).

    `marey.recording.heat` computes the responses. `largest` is the response drawn brightest, such as the unit's maximum
    on real clips; None takes the largest of this clip. Responses below 0 are not drawn. Frames are gray, and cut, or
    with bars, as the network sees them.

    Raises MareyError for a clip that was loaded without frames.
    """
    if not loaded.pictures:
        raise MareyError(f"'{loaded.clip.path}' was loaded without frames; give a network with an RGB stream.")
    frames = next(iter(loaded.pictures.values()))  # time height width channel
    height, width = responses.shape[1:]
    seen = placed(frames[: len(responses)].float().mean(-1), height, width)
    brightest = float(responses.max()) if largest is None else largest
    share = (responses / max(brightest, 1e-12)).clamp(0, 1)
    hot = heat_colors(share)
    weight = HEAT_WEIGHT * share[..., None]
    drawn = (1 - weight) * 0.8 * seen[..., None] + weight * hot
    size = cell_size(height, width, least=224)
    enlarged = resized(drawn.permute(0, 3, 1, 2), size)
    picture: Picture = enlarged.permute(0, 2, 3, 1).clamp(0, 255).round().to(torch.uint8).numpy()
    return picture


def draw_heat(
    network: Network, responses: Sequence[Response], folder: str | Path, *, flow: Method, largest: float | None = None
) -> list[Path]:
    """Write, for the clip of each response, a loop of the whole clip under the heat of its unit; return the paths."""
    paths = []
    for place, response in enumerate(responses, start=1):
        loaded, values = heat(network, response.unit, response.clip, flow=flow)
        paths.append(Path(folder) / f"heat_{place:02d}.mp4")
        write_mp4(heat_loop(loaded, values, largest=largest), paths[-1], rate=loaded.rate)
    return paths
