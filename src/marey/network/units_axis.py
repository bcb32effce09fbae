"""Which axis of what a module returns holds its units: by its kind, or as in the output that it came from."""

from collections.abc import MutableMapping

from torch import Tensor, nn
from torch.utils.weak import WeakTensorKeyDictionary

_LAST = (
    nn.Linear,
    nn.Bilinear,
    nn.Embedding,
    nn.RNNBase,
    nn.RNNCellBase,
    nn.MultiheadAttention,
    nn.Transformer,
    nn.TransformerEncoder,
    nn.TransformerEncoderLayer,
    nn.TransformerDecoder,
    nn.TransformerDecoderLayer,
)
_NORMS = (nn.LayerNorm, nn.RMSNorm)
_SECOND = (nn.modules.batchnorm._NormBase, nn.GroupNorm, nn.LocalResponseNorm)
_SPATIAL = (
    "Conv",
    "ConvTranspose",
    "MaxPool",
    "AvgPool",
    "AdaptiveMaxPool",
    "AdaptiveAvgPool",
    "LPPool",
    "InstanceNorm",
)
_SPACES: dict[type[nn.Module], int] = {
    getattr(nn, f"{kind}{dims}d"): dims for kind in _SPATIAL for dims in (1, 2, 3) if hasattr(nn, f"{kind}{dims}d")
}
"""Modules over so many axes, which lie behind that of units: of a batch, or of one clip without one."""


class UnitsAxes:
    """Finds the axis of units of one output after the other, in the order of the calls of a pass."""

    def __init__(self) -> None:
        self._memory: MutableMapping[Tensor, tuple[int, int]] = (
            WeakTensorKeyDictionary()
        )  # of a tensor that owns memory: size and stride of the units in it
        self._shapes: dict[tuple[int, ...], int] = {}

    def of(self, module: nn.Module, given: Tensor | None, output: Tensor, still: list[int]) -> int:
        """The axis of units of `output`.

        By the kind of the module; else as in the output that it is, or is a view of; else as in what the module was
        `given`, where that has the same shape; else as in the latest output of this shape. Failing all, the only one of
        the axes that lie `still`, along which the same is seen; or the last of three axes and the second of others.
        """
        axis = _own(module, output)
        if axis is None:
            axis = self._known(output)
        if axis is None and given is not None and given.shape == output.shape:
            axis = self._known(given)
        if axis is None:
            axis = self._shapes.get(tuple(output.shape))
        if axis is None:
            axis = still[0] if len(still) == 1 else 2 if output.dim() == 3 else min(1, output.dim() - 1)
        self._shapes[tuple(output.shape)] = axis
        self._memory[owner(output)] = (output.shape[axis], output.stride(axis))
        return axis

    def _known(self, tensor: Tensor) -> int | None:
        """The axis of a tensor along which the units of an output in the same memory lie."""
        found = self._memory.get(owner(tensor))
        fitting = [axis for axis in range(tensor.dim()) if (tensor.shape[axis], tensor.stride(axis)) == found]
        return fitting[0] if len(fitting) == 1 else None


def owner(tensor: Tensor) -> Tensor:
    """The tensor that owns the memory of another one, which is a view of it."""
    return tensor if tensor._base is None else tensor._base


def _own(module: nn.Module, output: Tensor) -> int | None:
    """The axis that the kind of a module says, of modules that torch has; None of all others."""
    axis = None
    if isinstance(module, _NORMS):  # a kind of its own may turn its input around the norm, as ConvNeXt's does
        as_torch = any(type(module).forward is kind.forward for kind in _NORMS)
        axis = output.dim() - 1 if as_torch and len(module.normalized_shape) == 1 else None
    elif isinstance(module, _SECOND):
        axis = min(1, output.dim() - 1)
    elif isinstance(module, _LAST):
        axis = output.dim() - 1
    else:
        spaces = [dims for kind, dims in _SPACES.items() if isinstance(module, kind)]
        axis = max(0, output.dim() - spaces[0] - 1) if spaces else None
    size = getattr(module, "out_features", getattr(module, "out_channels", None))
    return None if axis is None or (isinstance(size, int) and output.shape[axis] != size) else axis
