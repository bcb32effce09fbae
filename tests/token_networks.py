"""Small video transformers that keep their tokens in different orders; one of their units answers to red."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from marey.network.network import Network
from marey.network.stream import rgb_frames

WIDTH, GRID, PATCH = 16, (2, 4, 4), (2, 4, 4)

Order = Callable[[Tensor], Tensor]
"""Makes tokens (clip token channel) of maps (clip channel time height width)."""


def _extra(maps: Tensor, count: int) -> Tensor:
    return torch.full((len(maps), count, maps.shape[1]), 0.1)


def time_first(maps: Tensor) -> Tensor:
    return maps.flatten(2).transpose(1, 2)


def space_first(maps: Tensor) -> Tensor:
    return maps.permute(0, 3, 4, 2, 1).flatten(1, 3)


def backwards(maps: Tensor) -> Tensor:
    return time_first(maps).flip(1)


def class_token_first(maps: Tensor) -> Tensor:
    return torch.cat([_extra(maps, 1), time_first(maps)], 1)


def class_token_last(maps: Tensor) -> Tensor:
    return torch.cat([space_first(maps), _extra(maps, 1)], 1)


def registers(maps: Tensor) -> Tensor:
    tokens = maps.new_zeros(len(maps), 3 + maps[0, 0].numel(), maps.shape[1])
    tokens[:, 2:-1] = time_first(maps)
    return tokens


def shifted_windows(maps: Tensor) -> Tensor:
    """(clip window) token channel, of windows of 2 x 2 positions."""
    clips, channels, time, height, width = maps.shape
    rolled = maps.roll((-1, -1), (3, 4)).view(clips, channels, time, height // 2, 2, width // 2, 2)
    return rolled.permute(0, 3, 5, 2, 4, 6, 1).reshape(-1, 4 * time, channels)


def frames_in_batch(maps: Tensor) -> Tensor:
    """(clip time) token channel, each frame with a class token of its own."""
    frames = maps.transpose(1, 2).flatten(0, 1).flatten(2).transpose(1, 2)
    return torch.cat([_extra(frames.mT, 1), frames], 1)


ORDERS: dict[str, tuple[Order, int]] = {
    order.__name__: (order, unplaced)
    for order, unplaced in (
        (time_first, 0),
        (space_first, 0),
        (backwards, 0),
        (class_token_first, 1),
        (class_token_last, 1),
        (registers, 3),
        (shifted_windows, 0),
        (frames_in_batch, 2),
    )
}
"""{order: the function, and the tokens of one clip that stand for no patch}."""


class Block(nn.Module):
    """Attention and an MLP, both added to what they are given; `kept` gives the heads apart, `joined` side by side."""

    def __init__(self, heads: int = 2) -> None:
        super().__init__()
        self.heads = heads
        self.norm, self.qkv = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 3 * WIDTH)
        self.kept, self.joined, self.project = nn.Identity(), nn.Identity(), nn.Linear(WIDTH, WIDTH)
        self.mlp = nn.Sequential(nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 24), nn.GELU(), nn.Linear(24, WIDTH))

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(self.norm(x)).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        mixed = self.kept((q @ k.mT / q.shape[-1] ** 0.5).softmax(-1) @ v)
        x = x + self.project(self.joined(mixed.transpose(1, 2).flatten(2)))
        out: Tensor = x + self.mlp(x)
        return out


class Transformer(nn.Module):
    """Tubelets of 2 frames and 4 x 4 px, two blocks, scores from the mean; channel 0 of all tokens counts red."""

    def __init__(self, order: Order) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.order = order
        self.embed = nn.Conv3d(3, WIDTH, PATCH, stride=PATCH)
        red = torch.tensor([12.0, -6.0, -6.0]).view(3, 1, 1, 1) / 32
        self.embed.weight.data[0] = red.expand_as(self.embed.weight[0])
        self.blocks = nn.Sequential(Block(), Block())
        self.head = nn.Linear(WIDTH, 3)

    def forward(self, clip: Tensor) -> Tensor:
        tokens = self.blocks(self.order(self.embed(clip)))
        scores: Tensor = self.head(tokens.reshape(len(clip), -1, WIDTH).mean(1))
        return scores


def transformer(order: str = "class_token_first", *, size: int = 16) -> Network:
    """A network whose tokens have one of the ORDERS."""
    module = Transformer(ORDERS[order][0]).eval()
    return Network(module, [rgb_frames(4, size=size)], classes=("red", "green", "blue"), name=order)
