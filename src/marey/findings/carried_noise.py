"""White noise that moves as a clip does: motion that no single frame shows (Ilic et al., ECCV 2022)."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from marey.video.flow.methods import optical_flow


def carried_noise(inputs: Tensor, random: torch.Generator) -> Tensor:
    """Noise in 0..1 of the shape of RGB `inputs` (window 3 time height width), carried by their flow.

    Each pixel follows its way back to the first frame and has the noise that it finds there. Where two pixels would
    find the same (what is uncovered, or grows), all but one have new noise, so that every frame alone is white noise.
    """
    return torch.stack([_window(one, random) for one in inputs])


def _window(frames: Tensor, random: torch.Generator) -> Tensor:
    channels, count, height, width = frames.shape
    texture = torch.rand(channels, 2 * height, 2 * width, generator=random)
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    grid = torch.stack([x, y]).float()
    places, made = grid, [texture[:, :height, :width]]
    if count > 1:
        pictures = (frames.permute(1, 2, 3, 0) * 255).round().to(torch.uint8).cpu()
        backward = optical_flow(pictures.flip(0), method="dis", bound=None).flip(0)  # from each frame to the one before
        for field in backward:
            places = _looked_up(places, grid + field)
            made.append(_noise_at(places, texture, random))
    return torch.stack(made, 1).to(frames)


def _looked_up(places: Tensor, at: Tensor) -> Tensor:
    """`places` (2 height width), which vary smoothly, at other places; beyond the border they go on."""
    height, width = places.shape[1:]
    most = torch.tensor([width - 1, height - 1]).view(2, 1, 1).float()
    inside = at.clamp_min(0).minimum(most)
    scaled = (2 * inside / most.clamp_min(1) - 1).permute(1, 2, 0)
    found = functional.grid_sample(places[None], scaled[None], align_corners=True)[0]
    return found + at - inside


def _noise_at(places: Tensor, texture: Tensor, random: torch.Generator) -> Tensor:
    rows, columns = texture.shape[1:]
    x, y = places.round().long()
    cells = (y % rows) * columns + x % columns
    made = texture.flatten(1)[:, cells]
    _, first = np.unique(cells.numpy(), return_index=True)
    again = np.ones(cells.numel(), bool)
    again[first] = False
    twice = torch.from_numpy(again).view_as(cells)
    made[:, twice] = torch.rand(len(texture), int(twice.sum()), generator=random)
    return made
