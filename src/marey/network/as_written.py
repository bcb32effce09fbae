"""The code of a network run as it is written: neither compiled, nor run a second time for its gradient."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
import torch.utils.checkpoint as checkpoints

_APPLY = "apply"
_GENERATOR = "_checkpoint_without_reentrant_generator"
_NOT_REENTRANT = getattr(checkpoints, _GENERATOR, None)


@contextmanager
def as_written() -> Iterator[None]:
    """While inside, compiled code runs uncompiled, and gradient checkpoints just call what they are given.

    A checkpoint computes its part without a gradient first, and anew in the backward pass, when no hook is there any
    more. What changes lies inside `torch.utils.checkpoint`: it does not matter how a network came by its functions.
    """
    # compiling imports dynamo, which takes seconds
    eager = torch.compiler.set_stance("force_eager") if "torch._dynamo" in sys.modules else nullcontext()
    with eager:
        setattr(checkpoints.CheckpointFunction, _APPLY, staticmethod(_call))
        setattr(checkpoints, _GENERATOR, _nothing_kept)
        try:
            yield
        finally:
            if _APPLY in vars(checkpoints.CheckpointFunction):  # not where a pass in another thread was done before
                delattr(checkpoints.CheckpointFunction, _APPLY)
            setattr(checkpoints, _GENERATOR, _NOT_REENTRANT)


def _call(function: Callable[..., object], _preserve_random_state: bool, *arguments: Any) -> object:
    return function(*arguments)


def _nothing_kept(*_arguments: object, **_settings: object) -> Iterator[None]:
    """In place of what surrounds the first run of a checkpoint that is not reentrant."""
    yield
