"""Weights by name: checking that they fit a module, under the names that programs give them, copying them into it."""

import copy
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice, takewhile
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from marey.errors import WeightsError
from marey.families.weight_files import Note, read_tensors
from marey.network.weights_hash import tensors_hash

_WRAPPERS = frozenset({"module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"})
"""Parts of names that DataParallel, torch.compile and their like add, in front or within."""

Renamed = dict[str, Tensor]


def load_weights(
    module: nn.Module, path: str | Path, *, strict: bool = True, on_note: Note | None = None
) -> tuple[str, ...]:
    """Copy the weights in a file into `module`, and return the names of the copied ones.

    The file is one that torch.save or safetensors wrote, whatever its suffix, see `read_tensors`. All that
    `module.load_state_dict` takes is taken as it is. Where names do not fit, a prefix that makes them fit is taken off
    or put in front ("module.", "model.", "backbone.", or any other), (1, units) becomes (units), and tensors of which
    the module has one under two names may be given once; `on_note` is told so in one line. Without `strict`, missing
    and unexpected tensors are allowed, as when one tower starts from another network; wrong shapes never are.

    Raises WeightsError, before anything is copied, if the file does not fit, is damaged or is a pickle with code.
    """
    path = Path(path)
    tensors = fitting_tensors(module, read_tensors(path, on_note=on_note), path, strict=strict, on_note=on_note)
    module.load_state_dict(tensors, strict=strict)
    return tuple(tensors)


def take_weights(module: nn.Module, other: nn.Module) -> tuple[str, ...]:
    """Copy the weights of `other` whose names and shapes fit into `module`, and return their names.

    A network can start so from one with other classes: all but the scores fits. Raises WeightsError when nothing does.
    """
    wanted = module.state_dict()
    fitting = {
        name: values
        for name, values in other.state_dict().items()
        if name in wanted and wanted[name].shape == values.shape
    }
    if not any(values.ndim > 1 for values in fitting.values()):
        raise WeightsError("no weight has a name and shape of the network to start; build both with the same options.")
    module.load_state_dict(fitting, strict=False)
    return tuple(fitting)


def weights_hash(module: nn.Module) -> str:
    """SHA-256 over names, types, shapes and values of a module's weights and buffers, the same for any file or device.

    >>> weights_hash(nn.ReLU())[:8]
    'e3b0c442'
    """
    return tensors_hash(module_weights(module))


def module_weights(module: nn.Module) -> dict[str, Tensor]:
    """Weights and buffers {name: tensor} of a module, on the processor."""
    return {name: values.detach().cpu().contiguous() for name, values in module.state_dict().items()}


def fitting_tensors(
    module: nn.Module, tensors: Mapping[str, Tensor], path: Path, *, strict: bool, on_note: Note | None = None
) -> Mapping[str, Tensor]:
    """The tensors under the names and in the shapes that the module has; WeightsError that says what does not fit."""
    wanted: dict[str, Tensor] = module.state_dict(keep_vars=True)
    takes = _taker(module, wanted)
    if takes(tensors):
        return tensors
    found = [(said, _shaped(renamed, wanted)) for said, renamed in _renamings(tensors, wanted)]
    if strict:
        fitting = next(((said, renamed) for said, renamed in found if takes(renamed)), None)
    else:
        said, renamed = max(found, key=lambda one: len(one[1].keys() & wanted.keys()))
        shared = {name: values for name, values in renamed.items() if name in wanted}
        fitting = (said, shared) if shared and all(_fits(shared[name], wanted[name]) for name in shared) else None
    if fitting is None:
        raise WeightsError(_misfit(module, path, wanted, found, strict=strict))
    said, renamed = fitting
    given = {id(values) for values in tensors.values()}
    reshaped = [name for name, values in renamed.items() if id(values) not in given]
    if on_note is not None and (said or reshaped):
        counted = [_counted("reshaped", reshaped)] if reshaped else []
        on_note(f"weights of '{path}': {'; '.join(([said] if said else []) + counted)}")
    return renamed


def _taker(module: nn.Module, wanted: Mapping[str, Tensor]) -> Callable[[Mapping[str, Tensor]], bool]:
    """A function that says whether `module.load_state_dict` takes tensors, strictly; it asks a copy without values."""
    twins: dict[int, object] = {}
    for values in (*module.parameters(), *module.buffers()):
        if not is_lazy(values):
            twin = torch.empty_like(values, device="meta", requires_grad=False)
            twins[id(values)] = nn.Parameter(twin, requires_grad=False) if isinstance(values, nn.Parameter) else twin
    try:
        twin_module = copy.deepcopy(module, twins)
    except Exception:  # noqa: BLE001  modules may hold what cannot be copied, such as locks
        return lambda given: given.keys() == wanted.keys() and all(_fits(given[name], wanted[name]) for name in wanted)

    def takes(given: Mapping[str, Tensor]) -> bool:
        if any(name in wanted and _lossy(values, wanted[name]) for name, values in given.items()):
            return False
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that a copy to the twin does nothing
                twin_module.load_state_dict(given, strict=True)
        except Exception:  # noqa: BLE001  code of the module's own may run
            return False
        return True

    return takes


def _lossy(values: Tensor, wanted: Tensor) -> bool:
    """Whether numbers would be cut to whole ones."""
    return values.is_floating_point() and not wanted.is_floating_point() and not values.equal(values.round())


def _fits(values: Tensor, wanted: Tensor) -> bool:
    return (is_lazy(wanted) or values.shape == wanted.shape) and not _lossy(values, wanted)


def _shaped(renamed: Renamed, wanted: Mapping[str, Tensor]) -> Renamed:
    """The tensors with (1, units) as (units), and with those that the module has under two names under both."""
    shaped = dict(renamed)
    for name, values in renamed.items():
        target = wanted.get(name)
        if target is None or is_lazy(target) or target.ndim != 1 or values.ndim < 2:
            continue
        if values.numel() == max(values.shape) == len(target):
            shaped[name] = values.reshape(-1)
    given = {id(wanted[name]): values for name, values in shaped.items() if name in wanted}
    return shaped | {
        name: given[id(target)] for name, target in wanted.items() if name not in shaped and id(target) in given
    }


def _renamings(tensors: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> Iterator[tuple[str, Renamed]]:
    """What was done to the names, in words, and the tensors under the new ones: as they are, then likelier first."""
    for bare, words in ((str, ""), (_bare, "names without those of wrappers")):
        goals, given = {bare(name): name for name in wanted}, {bare(name): name for name in tensors}
        if len(goals) < len(wanted) or len(given) < len(tensors):
            continue  # names that were two became one
        for put in _shared_prefixes(goals):
            for taken in (*_shared_prefixes(given), *_prefixes(given)):
                names = {put + name.removeprefix(taken): old for name, old in given.items()}
                if len(names) == len(given):
                    said = [words] if words else []
                    said += [f"'{taken}' taken off names"] if taken else []
                    said += [f"'{put}' put in front of names"] if put else []
                    yield ", ".join(said), {goals.get(name, name): tensors[old] for name, old in names.items()}


def _bare(name: str) -> str:
    return ".".join(part for part in name.split(".") if part not in _WRAPPERS)


def _shared_prefixes(names: Iterable[str]) -> list[str]:
    """Nothing, and the beginnings that all of the dotted names have, as "model." and "model.net."."""
    parts = [name.split(".")[:-1] for name in names] or [[]]
    both = zip(min(parts), max(parts), strict=False)  # what these two share, all between them share
    shared = [one for one, other in takewhile(lambda pair: pair[0] == pair[1], both)]
    return ["", *(".".join(shared[:count]) + "." for count in range(1, len(shared) + 1))]


def _prefixes(names: Iterable[str]) -> list[str]:
    """The first parts of those dotted names that have several."""
    return list(dict.fromkeys(first + dot for first, dot, _ in (name.partition(".") for name in names) if dot))


def _misfit(
    module: nn.Module, path: Path, wanted: Mapping[str, Tensor], found: list[tuple[str, Renamed]], *, strict: bool
) -> str:
    """What does not fit, for those new names of which the most are the module's."""
    said, given = max(found, key=lambda one: len(one[1].keys() & wanted.keys()))
    shared = [name for name in given if name in wanted]
    wrong = [name for name in shared if not _fits(given[name], wanted[name])]
    missing = [
        f"{name} {_form(values)}"
        for name, values in wanted.items()
        if name not in given and not name.endswith("num_batches_tracked")
    ]
    unexpected = [f"{name} {_form(values)}" for name, values in given.items() if name not in wanted]
    shapes = [f"{name} {_form(given[name])} instead of {_form(wanted[name])}" for name in wrong]
    kinds = {"wrongly shaped": shapes} | ({"missing": missing, "unexpected": unexpected} if strict else {})
    parts = [_counted(kind, names) for kind, names in kinds.items() if names]
    todo = "Build the network with the options that these weights were made with"
    if not shared:
        parts = [f"none of its {len(given)} tensors is in the network ({_counted('unexpected', unexpected)})"]
    else:
        parts.append(f"{len(shared) - len(wrong)} matched{f' ({said})' if said else ''}")
        todo += "" if wrong or not strict else ", or take those that match by strict=False"
    return f"'{path}' does not fit this {type(module).__name__}: {'; '.join(parts)}. {todo}."


def _counted(kind: str, names: list[str]) -> str:
    rest = ", ..." if len(names) > 3 else ""
    return f"{len(names)} {kind}: {', '.join(islice(names, 3))}{rest}"


def _form(values: Tensor) -> str:
    if is_lazy(values):
        return "(any size)"
    size = " x ".join(str(length) for length in values.shape) or "one number"
    return f"({size})" if values.is_floating_point() else f"({size}, {str(values.dtype).removeprefix('torch.')})"
