"""Fewer labeled clips, evenly of every class and of as many groups as can be, for questions of many passes."""

import numpy as np

from marey.findings.labeled_clips import LabeledClips


def even_choice(labeled: LabeledClips, most: int) -> LabeledClips:
    """At most `most` of the clips, at least two of every class, with a remark; the same clips each time.

    The clips of a class are taken at even steps, and each class starts one further, so that not the same groups
    count in all classes.
    """
    if len(labeled.clips) <= most:
        return labeled
    each = max(2, most // len(labeled.classes))
    chosen = np.zeros(len(labeled.clips), bool)
    for label in range(len(labeled.classes)):
        own = np.flatnonzero(labeled.labels == label)
        count = min(each, len(own))
        chosen[own[(np.arange(count) * len(own) // count + label) % len(own)]] = True
    fewer = labeled.some(chosen)
    remark = f"{len(fewer.clips)} of {len(chosen)} clips are shown, chosen evenly from every class"
    return LabeledClips(fewer.clips, fewer.rows, fewer.classes, fewer.labels, fewer.groups, (*labeled.remarks, remark))
