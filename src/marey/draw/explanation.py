"""The sheet of one clip: the units that made the difference, each over the frame to which it responds most."""

import torch
from PIL import Image

from marey.draw.frames import cell_size, resized
from marey.draw.heat_loop import heat_loop
from marey.draw.typeset import GAP, QUIET, Block, below, beside, framed, page, text_block
from marey.findings.explanation import Explanation, UnitSeen
from marey.video.encode import Picture

_WIDTH = 320


def explanation_sheet(explained: Explanation) -> Picture:
    """Draw a row for every unit: the frame where it responds most, the same under heat, and what it adds."""
    finding = explained.finding
    rows: list[Block] = [_row(one) for one in explained.seen]
    width = max(row.width for row in rows)
    head = [
        text_block(finding.asks, size=18, width=width, most_lines=4),
        text_block(finding.sentence, size=14, color=QUIET, width=width, most_lines=8),
    ]
    return page(below([*head, *rows], gap=20))


def _row(one: UnitSeen) -> Block:
    drawn = heat_loop(one.loaded, one.heat)[one.frame]
    plain = _frame(one, (drawn.shape[0], drawn.shape[1]))
    lines = [f"adds {one.effect:.2f} to the lead", f"most at {one.seconds:.2f} s"]
    lines += ["", "top clips:", *(f"{label or '-'}" for _, label in one.top)] if one.top else []
    words = below(
        [
            text_block(one.unit, size=16, width=_WIDTH, most_lines=2),
            text_block("\n".join(lines), size=13, color=QUIET, width=_WIDTH, most_lines=9),
        ],
        gap=6,
    )
    return beside([framed(plain), framed(Image.fromarray(drawn)), words], gap=GAP)


def _frame(one: UnitSeen, size: tuple[int, int]) -> Block:
    """The frame as the network sees it, in color."""
    frames = next(iter(one.loaded.pictures.values()))
    height, width = one.heat.shape[1:]
    top, left = (frames.shape[1] - height) // 2, (frames.shape[2] - width) // 2
    seen = frames[one.frame, top : top + height, left : left + width].float().permute(2, 0, 1)[None]
    enlarged = resized(seen, size if size != seen.shape[-2:] else cell_size(height, width))
    return Image.fromarray(enlarged[0].permute(1, 2, 0).clamp(0, 255).round().to(torch.uint8).numpy())
