"""Optical flow, the input of motion towers, by several methods behind one function."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Literal, get_args

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from marey.errors import VideoError, did_you_mean
from marey.threads import stop_if_told

Method = Literal["tvl1", "tvl1-fast", "dis", "farneback"]

METHODS: tuple[Method, ...] = get_args(Method)

# Settings other than the defaults of OpenCV. A method's settings are part of the key under which its flow is cached.
SETTINGS: Mapping[str, Mapping[str, float]] = MappingProxyType(
    {
        "tvl1": {},
        "tvl1-fast": {"scaleStep": 0.5, "epsilon": 0.03},
        "dis": {"preset": cv2.DISOPTICAL_FLOW_PRESET_MEDIUM},
        "farneback": {"pyr_scale": 0.5, "levels": 5, "winsize": 13, "iterations": 10, "poly_n": 5, "poly_sigma": 1.1},
    }
)


def optical_flow(frames: Tensor, *, method: Method = "tvl1", bound: float | None = 20.0) -> Tensor:
    """Compute the flow from each frame to the next: float32 (time - 1, 2, height, width), u right, v down, px/frame.

    `frames` is uint8 (time height width channel), RGB. Values are clipped to +-`bound` (None: not at all).

    - "tvl1": Zach, Pock and Bischof 2007, in OpenCV's settings, as two-stream networks are trained on.
    - "tvl1-fast": the same with a pyramid of halves and an earlier stop, 5.4 times as fast; on average 0.05 px from
      "tvl1" where flow is 0.23 px, and it explains the next frame as well.
    - "dis": Kroeger et al. 2016, medium preset; 104 times as fast, restless where nothing has texture (0.12 px).
    - "farneback": Farneback 2003; 33 times as fast, blurs the borders of moving things (0.21 px).

    The figures are for 40 pairs of frames of three data sets at 112 px: `python benchmarks/flow.py FOLDER`.
    Raises VideoError for other frames, an unknown method, or frames too small for it.
    """
    if frames.dtype != torch.uint8 or frames.ndim != 4 or frames.shape[-1] != 3 or len(frames) < 1:
        raise VideoError(
            f"flow needs uint8 frames of axes (time, height, width, 3), got {tuple(frames.shape)} of {frames.dtype}."
        )
    field_of = _field(method)
    gray = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames.numpy(force=True)]
    height, width = gray[0].shape
    fields = np.zeros((len(gray) - 1, 2, height, width), np.float32)
    try:
        for k in range(len(gray) - 1):
            stop_if_told()
            fields[k] = field_of(gray[k], gray[k + 1]).transpose(2, 0, 1)
    except cv2.error as error:
        raise VideoError(f"'{method}' has no flow for frames of {height} x {width} px: {_reason(error)}.") from None
    np.nan_to_num(fields, copy=False)
    if bound is not None:
        fields.clip(-bound, bound, out=fields)
    return torch.from_numpy(fields)


def check_method(method: str) -> None:
    """Raise VideoError for an unknown method."""
    if method not in METHODS:
        raise VideoError(f"no flow method '{method}'.{did_you_mean(method, METHODS)} There are {', '.join(METHODS)}.")


def _field(method: Method) -> Callable[[NDArray[np.uint8], NDArray[np.uint8]], NDArray[np.float32]]:
    check_method(method)
    settings = dict(SETTINGS[method])
    if method == "farneback":
        return lambda before, after: cv2.calcOpticalFlowFarneback(  # type: ignore[call-overload]
            before, after, None, flags=0, **settings
        )
    if method == "dis":
        algorithm = cv2.DISOpticalFlow_create(settings["preset"])  # type: ignore[attr-defined]
    else:
        algorithm = cv2.optflow.DualTVL1OpticalFlow_create(**settings)  # type: ignore[attr-defined]
    return lambda before, after: algorithm.calc(before, after, None)


def _reason(error: cv2.error) -> str:
    return str(error).strip().splitlines()[0].split("error: ")[-1]
