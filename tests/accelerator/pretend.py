"""An accelerator that is none, so that code for accelerators can be tested where there is no GPU.

`install()` adds the device "pretend" to torch. Its tensors are real ones, with memory, strides and views, that only the
device's own kernel may touch; it lends their memory to the processor's operators. Like CUDA it refuses tensors of
several devices, generators of the processor, and operators that processors alone have. `watched()` tells where the host
waits for the device, what is copied, how many kernels run, and how much memory they take; it can limit that memory.

Unlike CUDA: nothing is asynchronous, values are those of the processor, `Module.to` makes new parameters instead of
moving the old ones, and a backward pass on "pretend:1" needs `torch.autograd.set_multithreading_enabled(False)`.
Written for torch 2.13, of which it uses private parts: `_setup_privateuseone_for_python_backend`, `_op_dk`, DLPack.
"""

import ctypes
import sys
import threading
import weakref
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, partial, partialmethod
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils import backend_registration

NAME = "pretend"

_CPU, _OTHER = 1, 12
"""DLPack's numbers for the processor, and for a device of somebody's own."""

_LOOKS = {"as_strided", "view", "_reshape_alias", "alias", "unfold", "view_as_real", "view_as_complex", "set_"}
"""Other views of the same memory: the processor's kernels for them work on any device."""

_ASKS = {"_local_scalar_dense", "nonzero", "masked_select", "_unique2", "bincount", "equal", "repeat_interleave"}
"""What gives numbers, or tensors of a size, that only the device knows."""

_OF_OTHERS = {
    "convolution_overrideable": "convolution",
    "convolution_backward_overrideable": "convolution_backward",
}
_BELOW_MODES = ("empty.memory_format", "empty_strided", "_copy_from", "as_strided", "view", "_local_scalar_dense")
"""What torch calls by itself below a TorchDispatchMode, where it does not find a kernel for all operators."""

_libraries: list[torch.library.Library] = []  # what they register holds as long as they do
_lock = threading.RLock()
_held = 0


class WrongDevice(RuntimeError):
    """What an accelerator cannot do either; noted, since the code under test may catch it."""

    def __init__(self, name: str, why: object) -> None:
        super().__init__(f"'{name}' at {_asked_by()}: {why}")
        _watched[-1].refused.append(str(self))


@dataclass
class Watched:
    """What happened on the device.

    waits
        how often the host waited, by what for, operator, and line of code.
    kernels, moved
        by operator: how many ran, bytes that they read and wrote.
    copied
        bytes by direction.
    peak, limit
        bytes held at most; beyond a limit torch.OutOfMemoryError is raised, as CUDA does.
    doubles
        whether there is float64, as there is not on MPS.
    """

    waits: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    kernels: Counter[str] = field(default_factory=Counter)
    moved: Counter[str] = field(default_factory=Counter)
    copied: Counter[str] = field(default_factory=Counter)
    refused: list[str] = field(default_factory=list)
    peak: int = 0
    limit: int | None = None
    doubles: bool = True

    def told(self) -> str:
        """In words, what was waited for most first."""
        lines = [f"{count:6} {what:15} {name:22} {place}" for (what, name, place), count in self.waits.most_common()]
        lines.append(f"{sum(self.kernels.values())} kernels, {sum(self.moved.values()) / 1e9:.2f} GB moved by them")
        return "\n".join([*lines, f"peak {self.peak / 1e6:.1f} MB, copied {dict(self.copied)}", *self.refused])

    def _wait(self, what: str, name: str) -> None:
        self.waits[what, name, _asked_by()] += 1


_watched = [Watched()]


@contextmanager
def watched(*, limit: int | None = None, doubles: bool = True) -> Iterator[Watched]:
    """While inside, what happens on the device is noted."""
    _watched.append(Watched(limit=limit, doubles=doubles))
    try:
        yield _watched[-1]
    finally:
        _watched.pop()


def held() -> int:
    """Bytes of all tensors on the device."""
    return _held


def install() -> str:
    """Make the device known to torch, once in a process; gives its name."""
    if _libraries:
        return NAME
    backend_registration._setup_privateuseone_for_python_backend(NAME, _Module())
    every, some = torch.library.Library("_", "IMPL"), torch.library.Library("aten", "IMPL")
    _libraries.extend((every, some))
    every.fallback(_kernel, "PrivateUse1")
    every.fallback(torch.library.fallthrough_kernel, "AutocastPrivateUse1")
    for name in (*_OF_OTHERS, *_BELOW_MODES):
        packet, _, overload = name.partition(".")
        op = getattr(getattr(torch.ops.aten, packet), overload or "default")
        some.impl(name, partial(_kernel, op), "PrivateUse1")
    for name in ("conv1d", "conv2d", "conv3d", "linear", "matmul"):
        some.impl(name, partial(_autocast, getattr(torch.ops.aten, name).default), "AutocastPrivateUse1")
    torch.UntypedStorage.clone = partialmethod(_cloned, torch.UntypedStorage.clone)  # for copy.deepcopy
    torch.Tensor.new_tensor = partialmethod(_new_tensor, torch.Tensor.new_tensor)  # which forgets the index
    return NAME


class _Module(backend_registration._DummyBackendModule):
    """torch.pretend"""

    def get_amp_supported_dtype(self) -> list[torch.dtype]:
        return [torch.bfloat16, torch.float16]

    def get_rng_state(self, device: Any = None) -> Tensor:
        return torch.get_rng_state()

    def set_rng_state(self, state: Tensor, device: Any = None) -> None:
        torch.set_rng_state(state)

    def synchronize(self, device: Any = None) -> None:
        _watched[-1]._wait("synchronize", "-")

    def mem_get_info(self, device: Any = None) -> tuple[int, int]:
        limit = _watched[-1].limit
        most = 2**40 if limit is None else limit
        return most - _held, most


class _Place(ctypes.Structure):
    _fields_ = (("kind", ctypes.c_int32), ("index", ctypes.c_int32))


class _Described(ctypes.Structure):
    _fields_ = (("memory", ctypes.c_void_p), ("place", _Place))  # as DLTensor begins


_pointer = ctypes.pythonapi.PyCapsule_GetPointer
_pointer.restype, _pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]


def _said_to_be(tensor: Tensor, kind: int, index: int = 0) -> Tensor:
    """The same memory as a tensor on another device."""
    capsule = torch._C._to_dlpack(tensor.detach())
    place = _Described.from_address(_pointer(capsule, b"dltensor")).place
    place.kind, place.index = kind, index
    return torch._C._from_dlpack(capsule)


def _lent(tensor: Tensor) -> Tensor:
    """What the processor is given of a tensor; of an empty one, which it may fill, one that can grow."""
    if tensor.device.type != NAME:
        return tensor
    return _said_to_be(tensor, _CPU) if tensor.numel() else torch.empty(tensor.shape, dtype=tensor.dtype)


def _made(size: Sequence[int], stride: Sequence[int], dtype: torch.dtype, index: int) -> Tensor:
    """A tensor on the device, as yet without values."""
    global _held  # noqa: PLW0603
    now = _watched[-1]
    if dtype == torch.float64 and not now.doubles:
        raise TypeError(f"float64 at {_asked_by()}: this device has none, as MPS")
    length = 0 if 0 in size else 1 + sum((count - 1) * step for count, step in zip(size, stride, strict=True))
    count = -(-max(1, length * dtype.itemsize) // 16) * 16
    with _lock:
        if now.limit is not None and _held + count > now.limit:
            raise torch.OutOfMemoryError(f"CUDA out of memory. Tried to allocate {count} bytes (pretended).")
        _held += count
        now.peak = max(now.peak, _held)
    memory = np.empty(count, np.uint8)
    weakref.finalize(memory, _freed, count)
    return _said_to_be(torch.from_numpy(memory).view(dtype).as_strided(size, stride), _OTHER, index)


def _freed(count: int) -> None:
    global _held  # noqa: PLW0603
    with _lock:
        _held -= count


def _sent(values: Tensor, index: int) -> Tensor:
    """What the processor made, on the device."""
    dense = values if values.stride() == torch.empty_like(values).stride() else values.contiguous()
    sent = _made(dense.shape, dense.stride(), dense.dtype, index)
    _lent(sent).copy_(dense)
    return sent


@dataclass(frozen=True)
class _Operation:
    """tensors: which arguments are tensors; same: for every result the argument that it is, if any."""

    name: str
    run: Any
    tensors: tuple[int, ...]
    same: tuple[tuple[int, str] | None, ...]


@cache
def _operation(op: Any) -> _Operation:
    namespace, name = op._schema.name.split("::")
    arguments = op._schema.arguments
    same = []
    for one in op._schema.returns:
        written = one.alias_info.before_set if one.alias_info is not None and one.alias_info.is_write else None
        places = ((k, a.name) for k, a in enumerate(arguments) if a.alias_info and a.alias_info.before_set == written)
        same.append(None if written is None else next(places))
    run = getattr(torch.ops.aten, _OF_OTHERS[name]).default if name in _OF_OTHERS else op
    tensors = tuple(k for k, one in enumerate(arguments) if str(one.type) == "Tensor")
    return _Operation(name if namespace == "aten" else f"{namespace}::{name}", run, tensors, tuple(same))


def _kernel(op: Any, *args: Any, **kwargs: Any) -> Any:
    """Every operation on the device."""
    known, now = _operation(op), _watched[-1]
    name = known.name
    if name in _LOOKS:
        return op._op_dk(torch._C.DispatchKey.CPU, *args, **kwargs)
    if name in ("empty", "empty_strided"):
        return _empty(*args, **kwargs)
    if name == "resize_":
        return _resized(*args, **kwargs)
    if name in ("_copy_from", "_copy_from_and_resize"):
        return _copied(*args, **kwargs)
    # torch gives a plain number for a tensor that stands for one
    args = tuple(
        torch.tensor(a) if k in known.tensors and isinstance(a, int | float) else a for k, a in enumerate(args)
    )
    tensors = [one for one in _flat((args, *kwargs.values())) if isinstance(one, Tensor)]
    _refuse(name, args, kwargs, tensors)
    if name in _ASKS or (name == "_index_put_impl_" and _by_mask(args)):
        now._wait("device to host", name)
    if name == "convolution_backward_overrideable":
        args = (*args[:3], [args[0].shape[1]], *args[3:])
    lent = {id(one): _lent(one) for one in tensors}
    results = known.run(*_with(args, lent), **{key: _with(value, lent) for key, value in kwargs.items()})
    now.kernels[op.name()] += 1
    now.moved[op.name()] += sum(one.nbytes for one in _flat((*lent.values(), results)) if isinstance(one, Tensor))
    for one in tensors:
        if lent[id(one)].shape != one.shape:  # it was given to be filled
            one.set_(_sent(lent[id(one)], one.device.index))
    index = next((one.device.index for one in tensors if one.device.type == NAME), 0)

    def result(values: Any, same: tuple[int, str] | None = None) -> Any:
        if same is not None:
            return args[same[0]] if same[0] < len(args) else kwargs[same[1]]
        return _sent(values, index) if isinstance(values, Tensor) else values

    if not isinstance(results, tuple | list):
        return result(results, *known.same)
    if len(known.same) != len(results):  # a list of tensors
        return [result(one) for one in results]
    return tuple(map(result, results, known.same))


def _with(value: Any, lent: dict[int, Tensor]) -> Any:
    """Arguments with what is lent in place of tensors."""
    if isinstance(value, tuple | list):
        return type(value)(_with(one, lent) for one in value)
    return lent[id(value)] if isinstance(value, Tensor) else value


def _refuse(name: str, args: Sequence[Any], kwargs: dict[str, Any], tensors: Sequence[Tensor]) -> None:
    """What CUDA refuses; it takes single numbers, and places of an index, from the processor."""
    if "::" in name or "mkldnn" in name:
        raise WrongDevice(name, "an operator that processors alone have")
    places = {id(one) for one in _flat(args[1])} if name in ("index", "_index_put_impl_") else set()
    for one in tensors:
        if id(one) in places and one.device.type == "cpu":
            if name != "index":  # which has copied them before
                _watched[-1]._wait("host to device", name)
        elif one.device.type != NAME and (one.device.type != "cpu" or one.dim() > 0):
            raise WrongDevice(name, [(str(other.device), tuple(other.shape)) for other in tensors])
    if len({one.device for one in tensors if one.device.type == NAME}) > 1:
        raise WrongDevice(name, [str(one.device) for one in tensors])
    if any(isinstance(one, torch.Generator) and one.device.type == "cpu" for one in (*args, *kwargs.values())):
        raise WrongDevice(name, "a generator of the processor")


def _by_mask(args: Sequence[Any]) -> bool:
    """Whether several values are put where a mask says, so that the device must be asked how many places there are."""
    masks = any(isinstance(one, Tensor) and one.dtype in (torch.bool, torch.uint8) for one in _flat(args[1]))
    return masks and args[2].numel() != 1


def _empty(
    size: Sequence[int], stride: Sequence[int] | None = None, *, dtype: Any = None, device: Any = None, **options: Any
) -> Tensor:
    if stride is None:
        layout = options.get("memory_format") or torch.contiguous_format
        stride = torch.empty(size, device="meta", memory_format=layout).stride()
    return _made(size, stride, dtype or torch.get_default_dtype(), (device.index or 0) if device is not None else 0)


def _resized(tensor: Tensor, size: Sequence[int], **_: Any) -> Tensor:
    if tuple(tensor.shape) != tuple(size):
        tensor.set_(_empty(size, dtype=tensor.dtype, device=tensor.device))
    return tensor


def _copied(source: Tensor, target: Tensor, non_blocking: bool = False) -> Tensor:
    now, count = _watched[-1], source.numel() * source.element_size()
    if source.device == target.device:
        now.kernels["aten::copy_"] += 1
        now.moved["aten::copy_"] += count + target.nbytes
    else:
        way = " to ".join("device" if one.device.type == NAME else "host" for one in (source, target))
        now.copied[way] += count
        if way == "device to host" or not non_blocking:
            now._wait(way, "copy_")
    if source.numel():
        _lent(target).copy_(_lent(source))
    return target


def _cloned(storage: Any, of_torch: Any) -> Any:
    if storage.device.type != NAME:
        return of_torch(storage)
    return torch.empty(0, dtype=torch.uint8, device=storage.device).set_(storage).clone().untyped_storage()


def _new_tensor(like: Tensor, of_torch: Any, data: Any, **options: Any) -> Tensor:
    if like.device.type != NAME:
        return of_torch(like, data, **options)
    return torch.tensor(data, **{"dtype": like.dtype, "device": like.device, **options})


def _autocast(op: Any, *args: Any) -> Any:
    dtype = torch.get_autocast_dtype(NAME)
    cast = [one.to(dtype) if isinstance(one, Tensor) and one.is_floating_point() else one for one in args]
    key = torch._C.DispatchKeySet(torch._C.DispatchKey.AutocastPrivateUse1)
    with torch._C._ExcludeDispatchKeyGuard(key):
        return op(*cast)


def _flat(values: Any) -> list[Any]:
    return [one for value in values for one in _flat(value)] if isinstance(values, tuple | list) else [values]


def _asked_by() -> str:
    """The nearest line that is neither torch's nor of this file."""
    frame = sys._getframe(1)
    while frame is not None:
        path = Path(frame.f_code.co_filename)
        if (
            path.name != Path(__file__).name
            and not {"torch", "einops"} & set(path.parts)
            and path.name != "contextlib.py"
        ):
            return f"{path.parent.name}/{path.name}:{frame.f_lineno} {frame.f_code.co_name}"
        frame = frame.f_back
    return "a backward pass"
