"""Units called static, dynamic, joint or residual by what they keep in pairs of clips (Kowal et al., CVPR 2022)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

KINDS = ("static", "dynamic", "joint", "residual")
THRESHOLD = 0.5


@dataclass(frozen=True, eq=False)
class PairKinds:
    """Correlations (unit) over pairs of clips, and the place of each unit's kind in KINDS.

    static
        over a clip and the same clip with its frames in another order: what stays is appearance.
    dynamic
        over a clip and its motion with the appearance of another clip: what stays is motion.
    """

    static: NDArray[np.float64]
    dynamic: NDArray[np.float64]
    kind: NDArray[np.intp]

    @classmethod
    def of(
        cls, responses: NDArray[np.float32], shuffled: NDArray[np.float32], dealt: Sequence[NDArray[np.intp]]
    ) -> "PairKinds":
        """Of responses (appearance, motion, unit), those to shuffled clips (clip, unit), and dealt partners."""
        clips = np.arange(len(responses))
        own = responses[clips, clips]
        static = _correlation(own, shuffled)
        dynamic = np.mean([_correlation(own, responses[partners, clips]) for partners in dealt], axis=0)
        both = np.select(
            [(static > THRESHOLD) & (dynamic > THRESHOLD), static > THRESHOLD, dynamic > THRESHOLD], [2, 0, 1], 3
        )
        return cls(static, dynamic, both)


def _correlation(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float64]:
    """The correlation (unit) of responses (clip, unit) to both clips of many pairs; 0 where all are the same."""
    one, other = first - first.mean(0, dtype=np.float64), second - second.mean(0, dtype=np.float64)
    spread = np.sqrt((one**2).mean(0) * (other**2).mean(0))
    return np.asarray((one * other).mean(0) / np.where(spread > 0, spread, np.inf))
