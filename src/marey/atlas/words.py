"""Words of pages: counted nouns, and names that a line may break in."""

import re


def many(count: int, what: str) -> str:
    """A counted noun.

    >>> many(1, "class"), many(1200, "class"), many(0, "clip")
    ('1 class', '1,200 classes', '0 clips')
    """
    plural = f"{what}es" if what.endswith("s") else f"{what}s"
    return f"{count:,} {what if count == 1 else plural}"


def name_parts(name: str) -> list[str]:
    """The parts of a name between which a line may break.

    >>> name_parts("lift_bar"), name_parts("ApplyEyeMakeup"), name_parts("net.0.pool"), name_parts("95 %: 4.9")
    (['lift_', 'bar'], ['Apply', 'Eye', 'Makeup'], ['net.0.', 'pool'], ['95 %: 4.9'])
    """
    return re.split(r"(?<=[_/])(?=.)|(?<=\.)(?=[^\d])|(?<=[a-z0-9])(?=[A-Z])", name)
