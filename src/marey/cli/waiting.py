"""How long the threads of torch wait awake for each other."""

import os
from collections.abc import MutableMapping

SPINS = 10_000
"""Turns of a waiting thread before it sleeps: some tenths of a millisecond."""


def wait_briefly(environment: MutableMapping[str, str] = os.environ) -> bool:
    """Let threads of torch that wait for each other sleep soon; whether that was asked for.

    GNU's OpenMP, which torch is built with on Linux, lets them turn 300,000 times, some 15 ms. Where another process
    takes a core, all of it is lost at every small operation: a step takes 50 times as long. Only for processes of our
    own, and only before torch is loaded, as OpenMP reads its environment once. Nothing is changed where that already
    says what to do.
    """
    if any(name in environment for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")):
        return False
    environment["GOMP_SPINCOUNT"] = str(SPINS)
    return True
