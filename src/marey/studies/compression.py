"""The traces that video compression leaves in frames."""

import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from marey.video.encode import write_mp4
from marey.video.read.decode import frames_between


def compressed(frames: NDArray[np.uint8], factor: int) -> NDArray[np.uint8]:
    """Encode frames (time height width 3) by H.264 with a constant rate `factor`, 0 (best) to 51, and decode them."""
    height, width = frames.shape[1:3]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        write_mp4(frames, path, quality=factor)
        return np.stack([picture()[:height, :width] for _, picture in frames_between(path, 0.0, None)])
