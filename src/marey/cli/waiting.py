"""How long the threads of torch wait awake for each other."""

import os
from collections.abc import MutableMapping

SPINS = 10_000
"""Turns of a waiting thread before it sleeps: some tenths of a millisecond."""


def wait_briefly(environment: MutableMapping[str, str] = os.environ) -> bool:
    """Let threads of torch that wait for each other sleep soon; returns whether the environment was changed.

    The OpenMP of GNU, which torch uses on Linux, lets a waiting thread turn 300,000 times, some 15 ms. Where another
    process occupies a core, that time is lost at every small operation. This is for processes of the command line only,
    and before torch is loaded, because OpenMP reads its environment once. An environment that already says what to do
    is left as it is.
    """
    if any(name in environment for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")):
        return False
    environment["GOMP_SPINCOUNT"] = str(SPINS)
    return True
