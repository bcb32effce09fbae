"""Motion that the eye can see: a gray texture carried along by a clip of flow fields."""

import torch
from torch import Tensor
from torch.nn import functional

from marey.video.encode import Picture

_GRAIN = 2.5  # pixels, standard deviation of the kernel that smooths the noise
_GRAY, _CONTRAST = 0.66, 0.15  # mean and standard deviation of the texture
_LIFE = 5.0  # fields that a texture is carried along before it starts anew


def moving_texture(fields: Tensor, *, steps: int = 3, seed: int = 0) -> Picture:
    """Draw a loop (time * steps, height, width, 3) of a texture moved by flow (2, time, height, width) in px/frame.

    Every field lasts `steps` pictures, and each picture moves the texture by flow / steps. Two copies are carried in
    turn and cross-faded, each from rest while it cannot be seen. So the texture neither tears nor leaves, and the loop
    has no seam (Vlachos, "Water Flow in Portal 2", SIGGRAPH 2010 courses). Where nothing moves both copies are the same
    texture, so that it stands still. Where much moves they differ: a texture that fades into itself seems to move back.
    """
    fields = torch.nan_to_num(fields.detach().to("cpu", torch.float32))
    length, height, width = fields.shape[1:]
    pictures = length * steps
    lives = max(1, round(length / _LIFE))
    textures = [_texture(height, width, 2 * seed + k) for k in range(2)]
    path = fields.square().sum(0).sqrt().mean(0) * length / lives  # pixels that the texture is carried in a life
    unlike = (path / (2 * _GRAIN)).clamp(0, 1)
    rest = _grid(height, width)
    places = [rest, rest]  # for both copies the place (2, height, width) in the texture that every pixel shows
    shown = []
    for now in range(2 * pictures):  # the first round only brings both copies to where the loop finds them
        ages = [(2 * now * lives + late) % (2 * pictures) for late in (0, pictures)]  # a life lasts 2 * pictures
        moved = rest - fields[:, now // steps % length] / steps
        places = [rest if age < 2 * lives else _carried(old, moved) for age, old in zip(ages, places, strict=True)]
        if now >= pictures:
            shown.append(_faded(textures, places, unlike, [1 - abs(age / pictures - 1) for age in ages]))
    gray = ((_GRAY + _CONTRAST * torch.stack(shown)).clamp(0, 1) * 255).round().to(torch.uint8)
    picture: Picture = gray.unsqueeze(-1).expand(-1, -1, -1, 3).contiguous().numpy()
    return picture


def _texture(height: int, width: int, seed: int) -> Tensor:
    """Make smooth noise (1, height, width) of mean 0 and standard deviation 1."""
    reach = round(3 * _GRAIN)
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(1, 1, height + 2 * reach, width + 2 * reach, generator=generator)
    line = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / _GRAIN) ** 2)
    smooth = functional.conv2d(functional.conv2d(noise, line.view(1, 1, -1, 1)), line.view(1, 1, 1, -1))[0]
    return smooth / line.square().sum()


def _grid(height: int, width: int) -> Tensor:
    """List the place x, y of every pixel's center: (2, height, width)."""
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    return torch.stack([x, y])


def _at(values: Tensor, place: Tensor, beyond: str) -> Tensor:
    """Look up values (channel, height, width) at places (2, height, width) in pixels; `beyond` as in grid_sample."""
    size = torch.tensor([values.shape[-1], values.shape[-2]], dtype=torch.float32).view(2, 1, 1)
    grid = (place / size * 2 - 1).movedim(0, -1).unsqueeze(0)
    return functional.grid_sample(values.unsqueeze(0), grid, padding_mode=beyond, align_corners=False)[0]


def _carried(places: Tensor, moved: Tensor) -> Tensor:
    """Look up the places shown at `moved`; beyond the edge the displacement there goes on, so that texture flows in."""
    return _at(places - _grid(*places.shape[-2:]), moved, "border") + moved


def _faded(textures: list[Tensor], places: list[Tensor], unlike: Tensor, weights: list[float]) -> Tensor:
    """Weight both copies at constant contrast; the second shows the first texture or, where `unlike`, the other one."""
    one = _at(textures[0], places[0], "reflection")[0]
    same, different = (_at(texture, places[1], "reflection")[0] for texture in textures)
    norm = (unlike.square() + (1 - unlike).square()).sqrt()
    two = ((1 - unlike) * same + unlike * different) / norm
    distance = (places[0] - places[1]).square().sum(0)
    alike = torch.exp(-distance / (4 * _GRAIN**2)) * (1 - unlike) / norm  # correlation of the copies
    first, second = weights
    return (first * one + second * two) / (first**2 + second**2 + 2 * first * second * alike).sqrt()
