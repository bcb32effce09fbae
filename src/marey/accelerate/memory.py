"""How much memory a computation takes and how much there is, so that what does not fit is known before it is killed."""

import os
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from marey.errors import MareyError

_SHARE = {"cpu": 0.5, "mps": 0.5}
_MOST = 0.8
"""Parts of the free memory that are filled: half where too much ends in a kill, more where torch says so."""


class NotEnoughMemoryError(MareyError):
    """What a computation needs at least is more than there is."""


class Allocated(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """While inside, the most bytes that new tensors on a device take at once; what operators need within is not seen.

    Raises NotEnoughMemoryError once they take more than `limit`.
    """

    def __init__(self, device: torch.device, limit: int | None = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.device, self.limit = device, limit
        self.now = self.peak = 0
        self._alive: dict[int, weakref.ref[Any]] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        results = func(*args, **(kwargs or {}))
        for result in results if isinstance(results, tuple | list) else (results,):
            if isinstance(result, Tensor) and result.device.type == self.device.type:
                self._see(result.untyped_storage())
        return results

    def _see(self, storage: torch.UntypedStorage) -> None:
        key, count = id(storage), storage.nbytes()
        if key in self._alive:
            return

        def gone(_: object) -> None:
            self.now -= count
            del self._alive[key]

        self._alive[key] = weakref.ref(storage, gone)
        self.now += count
        self.peak = max(self.peak, self.now)
        if self.limit is not None and self.now > self.limit:
            raise NotEnoughMemoryError(
                f"it needs more than {self.now / 1e9:.1f} GB of memory, and {self.limit / 1e9:.1f} GB are free"
            )


def clips_that_fit(step: Callable[[int], object], most: int, *, device: torch.device) -> int:
    """Of how many clips, `most` or a half of it, a quarter and so on, one `step` fits the free memory.

    `step(count)` is run with one clip, and with two where it is a question. Raises NotEnoughMemoryError where one clip
    does not fit.
    """
    free = free_on(device)
    if free is None:
        return most
    room = _SHARE.get(device.type, _MOST) * free
    one = _peak(step, 1, device, free)
    if one * most <= room or most == 1:
        return most
    if 2 * one > room:
        return 1
    each = max(_peak(step, 2, device, free) - one, 0)
    while most > 1 and one + (most - 1) * each > room:
        most //= 2
    return most


def _peak(step: Callable[[int], object], count: int, device: torch.device, limit: int) -> int:
    allocated = Allocated(device, limit)
    with allocated:
        step(count)
    return allocated.peak


def free_on(device: torch.device) -> int | None:
    """Bytes that this process may still take on a device; None where nobody knows."""
    if device.type in _SHARE:
        return free_memory()
    module = torch.get_device_module(device)
    if not hasattr(module, "mem_get_info"):
        return None
    kept = module.memory_reserved(device) - module.memory_allocated(device) if device.type == "cuda" else 0
    return int(module.mem_get_info(device)[0]) + kept


def free_memory() -> int:
    """Bytes that the machine, the control groups and the limits of the process leave to it; 8 GiB where none tells."""
    free = [count for count in (_machine(), _address_space(), *_control_groups()) if count is not None]
    return max(0, min(free)) if free else 8 * 2**30


def _machine() -> int | None:
    """Free bytes of the machine; half of all where only their sum is known."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return next(1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable"))
    except (OSError, ValueError, StopIteration):
        try:
            return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
        except (AttributeError, ValueError, OSError):
            return None


def _address_space() -> int | None:
    """Free bytes of the address space, which `ulimit -v` limits."""
    try:
        import resource

        limit = resource.getrlimit(resource.RLIMIT_AS)[0]
        used = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
    except (ImportError, OSError, ValueError):
        return None
    return None if limit == resource.RLIM_INFINITY else limit - used


def _control_groups(root: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")) -> Iterator[int]:
    """Free bytes of the control groups that this process is in and of those around them, of both versions.

    Cached files that can be dropped count as free. A container may not see its own group by its path, but as the root.
    """
    try:
        lines = [line.split(":", 2) for line in own.read_text(encoding="utf-8").splitlines()]
    except (OSError, ValueError):
        lines = []
    paths = {controllers: path for _, controllers, path in lines}
    one = next((path for controllers, path in paths.items() if "memory" in controllers.split(",")), "/")
    for top, path, limit, used, cached in (
        (root, paths.get("", "/"), "memory.max", "memory.current", "inactive_file"),
        (root / "memory", one, "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ):
        group = top / path.strip("/")
        for place in (group, *group.parents):
            try:
                most, taken = (int((place / name).read_text(encoding="ascii")) for name in (limit, used))
                yield most - taken + _count(place / "memory.stat", cached)
            except (OSError, ValueError):  # no such group, or "max": no limit
                pass
            if place == top:
                break


def _count(path: Path, name: str) -> int:
    """The number after a name in a file of such lines; 0 where there is none."""
    try:
        lines = path.read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) for line in lines if line.split()[0] == name)
    except (OSError, ValueError, IndexError, StopIteration):
        return 0
