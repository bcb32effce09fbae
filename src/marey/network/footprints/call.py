"""One tensor operation as the rules see it: arguments by name, outputs, footprints of the inputs."""

from collections.abc import Callable, Iterable
from typing import Any

from torch import Tensor

from marey.network.footprints.footprint import Footprint

Result = Footprint | list[Footprint] | None
"""Of all outputs, of each output, or None where the operation cannot be followed."""

Rule = Callable[["Call"], Result]


class Call:
    """One operation: its name, arguments by name, outputs, and the footprints of its inputs."""

    def __init__(
        self, name: str, arguments: dict[str, Any], outputs: list[Tensor], of: Callable[[Tensor], Footprint]
    ) -> None:
        self.name = name
        self.arguments = arguments
        self.outputs = outputs
        self.of = of

    def __getitem__(self, argument: str) -> Any:
        return self.arguments[argument]

    def get(self, argument: str) -> Any:
        """The argument, or None where the operation has none of this name."""
        return self.arguments.get(argument)

    @property
    def subject(self) -> Footprint:
        """The footprint of the first argument."""
        return self.of(next(iter(self.arguments.values())))

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the first output."""
        return tuple(self.outputs[0].shape)

    @property
    def tensors(self) -> list[Tensor]:
        """All tensors among the arguments."""
        return tensors_in(self.arguments.values())

    def tracked(self, *arguments: str) -> bool:
        """Whether any of these arguments depends on an input."""
        return any(self.of(tensor).spans for tensor in tensors_in(self.get(argument) for argument in arguments))

    def each(self, argument: str, count: int, default: Any = None) -> list[int]:
        """A size per dimension, given as one number, a list, or an empty list for the `default`."""
        value = self.get(argument)
        if value is None or value == []:
            value = default
        values = [value] if isinstance(value, int) else list(value)
        return values * count if len(values) == 1 else values


def tensors_in(values: Iterable[Any]) -> list[Tensor]:
    """The tensors among `values` and in lists among them."""
    found: list[Tensor] = []
    for value in values:
        if isinstance(value, Tensor):
            found.append(value)
        elif isinstance(value, (list, tuple)):
            found.extend(tensors_in(value))
    return found
