"""How clips are shown to a network that is recorded."""

from dataclasses import dataclass

from marey.errors import MareyError
from marey.video.flow.methods import Method, check_method


@dataclass(frozen=True)
class RecordingSettings:
    """How clips are shown to the network.

    windows
        of every clip, spread from its start to its end; of a short one as many as differ.
    flow
        the method of optical flow, as training used it.
    batch
        windows in every forward pass. Responses depend on it by rounding: they differ by 1e-6 of the layer's largest
        between sizes, and are the same bits for one size.

    Raises MareyError for a number below 1, more than 255 windows, or an unknown method of flow.
    """

    windows: int = 3
    flow: Method = "tvl1-fast"
    batch: int = 16

    def __post_init__(self) -> None:
        check_method(self.flow)
        for name in ("windows", "batch"):
            if getattr(self, name) < 1:
                raise MareyError(f"{name} is {getattr(self, name)}; expected at least 1.")
        if self.windows > 255:
            raise MareyError(f"windows is {self.windows}; expected at most 255.")
