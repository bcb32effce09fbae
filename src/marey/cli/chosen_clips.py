"""Which clips a command is to take: those of all groups, of groups that are named, or those that training held out."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from marey.video.read.clips import Clip


def chosen_clips(clips: "Sequence[Clip]", groups: str, *, net: str, data: Path) -> "tuple[Clip, ...]":
    """The clips of the groups that --groups names; DatasetError for a group that no clip belongs to."""
    from marey.datasets.clip_set import group_of
    from marey.errors import DatasetError, did_you_mean
    from marey.families.loading import provenance

    known = sorted({group_of(clip) for clip in clips})
    wanted = provenance(net).get("held_out_groups", []) if groups == "held-out" else groups.split(",")
    if groups == "all" or (groups == "held-out" and not set(wanted) & set(known)):
        wanted = known
    strange = [name for name in wanted if name not in known]
    if strange and groups != "held-out":
        near = did_you_mean(strange[0], known)
        raise DatasetError(f"no group '{strange[0]}' in '{data}'.{near} It has {', '.join(known[:12])}.")
    return tuple(clip for clip in clips if group_of(clip) in set(wanted))
