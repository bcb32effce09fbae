"""Blocks of text and pictures that are set beside and below each other, so that nothing on a page can overlap."""

import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from marey.video.encode import Picture

Block = Image.Image
Align = Literal["start", "center", "end"]

PAPER = (255, 255, 255)
INK = (28, 28, 30)
QUIET = (108, 108, 114)
HAIRLINE = (206, 206, 210)

GAP = 10
"""Pixels between pictures that stand side by side."""
MARGIN = 28
"""Pixels of paper around a page."""

# What the font that ships with Pillow (Aileron) lacks and marey is likely to print.
_SPELLED = {
    "χ": "chi",
    "κ": "kappa",
    "×": "x",
    "→": "to",
    "←": "from",
    "–": "-",
    "—": "-",
    "−": "-",
    "≥": ">=",
    "≤": "<=",
}
_SMOOTH = 4  # lines and discs are drawn this many times larger and shrunk


@lru_cache(maxsize=16)
def _font(size: int) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(size)
    if not isinstance(font, ImageFont.FreeTypeFont):  # pragma: no cover - a Pillow built without FreeType
        raise RuntimeError("this Pillow was built without FreeType and cannot set text.")
    # whether Pillow finds a library for complex layout depends on the machine, and pictures shall not
    return font.font_variant(layout_engine=ImageFont.Layout.BASIC)


@lru_cache(maxsize=1024)
def _drawable(letter: str) -> str:
    """The letter itself, or the nearest that the font has."""
    if letter in _SPELLED:
        return _SPELLED[letter]
    if letter.isascii():
        return letter if letter.isprintable() else " "
    font = _font(16)
    if bytes(font.getmask(letter)) != bytes(font.getmask("\uffff")):
        return letter
    plain = unicodedata.normalize("NFKD", letter).encode("ascii", "ignore").decode()
    return plain if plain else "?"


def spelled(text: str) -> str:
    """The text in letters that the font has.

    >>> spelled("χ = 5, 1.2×")
    'chi = 5, 1.2x'
    """
    return "".join(_drawable(letter) for letter in text)


def text_width(text: str, size: int) -> int:
    """Width of one line of text in pixels."""
    return -int(-_font(size).getlength(spelled(text)) // 1)


def _shortened(text: str, size: int, width: int) -> str:
    if text_width(text, size) <= width:
        return text
    while text and text_width(text + "...", size) > width:
        text = text[:-1]
    return text.rstrip() + "..."


def _lines(text: str, size: int, width: int | None, most: int) -> list[str]:
    if width is None:
        return text.split("\n")
    lines: list[str] = []
    for paragraph in text.split("\n"):
        line = ""
        for word in paragraph.split(" "):
            longer = f"{line} {word}" if line else word
            if line and text_width(longer, size) > width:
                lines.append(line)
                line = word
            else:
                line = longer
        lines.append(line)
    if len(lines) > most:
        lines = [*lines[: most - 1], " ".join(lines[most - 1 :])]
    return [_shortened(line, size, width) for line in lines]


def text_block(
    text: str,
    *,
    size: int = 14,
    color: tuple[int, int, int] = INK,
    width: int | None = None,
    align: Align = "start",
    most_lines: int = 3,
) -> Block:
    """The text as a block; within a `width`, broken at spaces into `most_lines` and then cut with an ellipsis."""
    lines = _lines("\n".join(spelled(line) for line in text.splitlines()), size, width, most_lines)
    ascent, descent = _font(size).getmetrics()
    step = ascent + descent
    span = width if width is not None else max(1, *(text_width(line, size) for line in lines))
    block = Image.new("RGB", (span, step * len(lines)), PAPER)
    draw = ImageDraw.Draw(block)
    for row, line in enumerate(lines):
        draw.text((_offset(span, text_width(line, size), align), row * step), line, font=_font(size), fill=color)
    return block


def _offset(space: int, taken: int, align: Align) -> int:
    return {"start": 0, "center": (space - taken) // 2, "end": space - taken}[align]


def space(width: int, height: int = 1) -> Block:
    """An empty block."""
    return Image.new("RGB", (max(1, width), max(1, height)), PAPER)


def placed(block: Block, *, width: int, height: int, across: Align = "center", down: Align = "center") -> Block:
    """The block within an empty one of at least this size."""
    width, height = max(width, block.width), max(height, block.height)
    page = space(width, height)
    page.paste(block, (_offset(width, block.width, across), _offset(height, block.height, down)))
    return page


def beside(blocks: Sequence[Block], *, gap: int = 0, align: Align = "start") -> Block:
    """The blocks from left to right."""
    height = max(block.height for block in blocks)
    page = space(sum(block.width for block in blocks) + gap * (len(blocks) - 1), height)
    x = 0
    for block in blocks:
        page.paste(block, (x, _offset(height, block.height, align)))
        x += block.width + gap
    return page


def spread(blocks: Sequence[Block], *, width: int) -> Block:
    """The blocks from left to right, evenly from the left edge to the right."""
    page = space(width, max(block.height for block in blocks))
    room = width - sum(block.width for block in blocks)
    x = 0
    for place, block in enumerate(blocks):
        page.paste(block, (x + round(room * place / max(1, len(blocks) - 1)), 0))
        x += block.width
    return page


def below(blocks: Sequence[Block], *, gap: int = 0, align: Align = "start") -> Block:
    """The blocks from top to bottom."""
    width = max(block.width for block in blocks)
    page = space(width, sum(block.height for block in blocks) + gap * (len(blocks) - 1))
    y = 0
    for block in blocks:
        page.paste(block, (_offset(width, block.width, align), y))
        y += block.height + gap
    return page


def framed(block: Block) -> Block:
    """The block in a hairline, one pixel larger on each side: white pictures need an edge on white paper."""
    page = Image.new("RGB", (block.width + 2, block.height + 2), HAIRLINE)
    page.paste(block, (1, 1))
    return page


def margined(block: Block, margin: int) -> Block:
    """The block with paper around it."""
    return placed(block, width=block.width + 2 * margin, height=block.height + 2 * margin)


def page(block: Block) -> Picture:
    """Finish a sheet: the block with its margin, as uint8 (height, width, 3)."""
    return np.asarray(margined(block, MARGIN))


def rule(width: int) -> Block:
    """A horizontal hairline."""
    return Image.new("RGB", (width, 1), HAIRLINE)


def arrow(length: int, *, height: int = 12, color: tuple[int, int, int] = QUIET) -> Block:
    """A thin arrow to the right."""
    s = _SMOOTH
    mask = Image.new("L", (length * s, height * s), 0)
    draw = ImageDraw.Draw(mask)
    middle, tip, head = height * s / 2, length * s - 1, min(8, length) * s
    draw.rectangle((0, middle - s * 0.6, tip - head / 2, middle + s * 0.6 - 1), fill=255)
    draw.polygon(((tip, middle), (tip - head, middle - 3.2 * s), (tip - head, middle + 3.2 * s)), fill=255)
    mask = mask.resize((length, height), Image.Resampling.LANCZOS)
    page = space(length, height)
    page.paste(Image.new("RGB", page.size, color), (0, 0), mask)
    return page


def from_to(start: str, end: str, *, width: int, size: int = 13) -> Block:
    """The words `start` and `end` with an arrow between them over the whole width; without room, the words alone."""
    left, right = (text_block(text, size=size, color=QUIET) for text in (start, end))
    room = width - left.width - right.width - 16
    if room < 16:
        return text_block(f"{start} to {end}", size=size, color=QUIET, width=width)
    return beside([left, space(8), arrow(room), space(8), right], align="center")
