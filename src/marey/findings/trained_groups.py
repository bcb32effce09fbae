"""How many of the recorded clips show groups that the network was trained on, which a reader of an answer must know."""

from collections.abc import Collection

from marey.datasets.clip_set import group_of
from marey.recording.read.recording import Recording


def trained_groups(recording: Recording, held_out: Collection[str]) -> tuple[str, ...]:
    """Remarks on the groups that are not among those `held_out` of the training; none where no group was held out.

    A recording without any of these groups is of other clips, of which nothing is known.
    """
    groups = [group_of(recording.clip(number)) for number in recording.recorded_clips["clip"].to_pylist()]
    trained = sorted(set(groups) - set(held_out))
    if not trained or len(trained) == len(set(groups)):
        return ()
    count = sum(group not in held_out for group in groups)
    names = ", ".join(trained[:6]) + (", ..." if len(trained) > 6 else "")
    return (
        f"{count} of {len(groups)} recorded clips show people or source videos that the network was trained on "
        f"({names}), where it is right more often; ask about the others with a recording of "
        "`marey record --groups held-out`",
    )
