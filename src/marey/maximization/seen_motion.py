"""The motion that a moved clip shows as a whole: the one velocity that tells most of how its frames change."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from marey.network.stream import Stream

_CALM = 0.005
"""What pulls the velocity to 0, relative to the sum of all squared slopes: motion along stripes, which nobody sees,
stays 0, and other motion is found about 1 % too slow (our choice)."""


def seen_motion(frames: Mapping[str, Tensor], velocities: Tensor, streams: Sequence[Stream]) -> Tensor:
    """One velocity (clip 2) for each clip, u and v in px per video frame.

    `frames` are {stream: (clip channel time height width)}, `velocities` (clip 2 time-1 height width) hold between the
    times that any of the streams shows. The plain mean of velocities would count what nobody sees: motion of what is
    blank, and along edges. So the one velocity w is the nearest to the velocities v by the slopes of the frames: it
    minimizes the sum over all places of (slope . (w - v))^2, as in Lucas and Kanade (1981), where v is unknown.
    """
    longest = max(streams, key=lambda stream: stream.frames)
    times = sorted({time for stream in streams for time in stream.times})
    nearest = [min(range(longest.frames), key=lambda k: abs(longest.times[k] - time)) for time in times]
    shown = frames[longest.name][:, :, nearest]
    gaps = torch.tensor(times).diff().view(-1, 1, 1)
    slopes = torch.stack(torch.gradient((shown[:, :, 1:] + shown[:, :, :-1]) / 2, dim=(4, 3)))
    products = gaps * torch.einsum("incthw,jncthw->nijthw", slopes, slopes)
    pulls = torch.einsum("nijthw,njthw->ni", products, _at_pixels(velocities, streams, longest))
    total = products.sum((3, 4, 5))
    calm = _CALM * total.diagonal(dim1=1, dim2=2).sum(1).clamp_min(1e-12)
    found: Tensor = torch.linalg.solve(total + calm.view(-1, 1, 1) * torch.eye(2), pulls)
    return found


def _at_pixels(velocities: Tensor, streams: Sequence[Stream], seen: Stream) -> Tensor:
    """Velocities at every pixel of a stream, whose middle is that of the largest one."""
    size = max(stream.height for stream in streams), max(stream.width for stream in streams)
    fine = interpolate(velocities.flatten(1, 2), size=size, mode="bilinear", align_corners=True)
    down, right = (size[0] - seen.height) // 2, (size[1] - seen.width) // 2
    fine = fine[..., down : down + seen.height, right : right + seen.width]
    return fine.reshape(*velocities.shape[:3], seen.height, seen.width)
