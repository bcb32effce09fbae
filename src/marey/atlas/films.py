"""The media of an atlas: films, whose file names say what they show, so that one that is there is never made again."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from marey.draw.film import SIDE, film, film_size
from marey.draw.wheel_legend import wheel_disc
from marey.video.encode import write_webp

FOLDER = "media"
WHEEL = f"{FOLDER}/wheel.webp"
"""The color wheel, which all legends show."""

_QUALITY = {3: 75, 2: 60}
"""Of WebP, by the channels of the clip: fields of flow are many, and their colors noisy."""


@dataclass(frozen=True)
class Film:
    """Frames beside each other in one WebP file, in the folder of the media.

    digest
        of all that the picture depends on.
    shows
        what is seen, for those who do not see it.
    """

    digest: str
    shows: str
    frames: int
    height: int
    width: int

    @classmethod
    def of(cls, shows: str, size: tuple[int, int, int], made_from: Any) -> "Film":
        """The film of a clip of this size (time, height, width); `made_from` are the plain values it depends on."""
        text = json.dumps([_QUALITY, SIDE, size, made_from], sort_keys=True)
        return cls(hashlib.sha256(text.encode()).hexdigest()[:24], shows, *film_size(*size))

    @property
    def path(self) -> str:
        """Below the folder of the atlas; a subfolder for every first two letters, because there can be many."""
        return f"{FOLDER}/{self.digest[:2]}/{self.digest}.webp"

    def there(self, folder: Path) -> bool:
        """Whether it has been made."""
        return (folder / self.path).is_file()

    def write(self, folder: Path, clip: Tensor, *, max_px: float = 1.0) -> None:
        """Draw the film of a clip (channel, time, height, width), and write it whole or not at all."""
        write_webp(film(clip, max_px=max_px), folder / self.path, quality=_QUALITY[len(clip)])


def write_wheel(folder: Path) -> None:
    """Draw the color wheel, unless it is there."""
    if not (folder / WHEEL).is_file():
        write_webp(np.asarray(wheel_disc(144)), folder / WHEEL, quality=90)
