"""One reader for all JSON of marey: values of the types that dataclasses declare, or one line on what is wrong.

It is these lines of our own because no library that reads into plain dataclasses also refuses repeated names, unknown
fields and numbers that are not finite, and says where they are in words.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType, NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from marey.errors import MareyError, did_you_mean

T = TypeVar("T")

_DEEPEST = 64
SIGNATURE = "sha256"
_PLAIN = {bool: "true or false", int: "a whole number", float: "a number", str: "a text", Path: "a path"}


class SchemaError(ValueError):
    """What is wrong with JSON, in one line without a file's name: which value, what was given, what was expected."""


def parsed(text: str | bytes, *, twice: bool = False) -> Any:
    """The values in JSON text; SchemaError where it is none, is nested too deep, or gives a name twice.

    With `twice`, for files of other programs, the last value of a name counts.
    """
    try:
        return json.loads(text, object_pairs_hook=None if twice else _object)
    except RecursionError:
        raise SchemaError("its JSON is nested too deep") from None
    except json.JSONDecodeError as error:
        raise SchemaError(f"it is no JSON: {error.msg} in line {error.lineno}") from None
    except SchemaError:
        raise
    except ValueError as error:  # other letters than those of UTF-8, or numbers of thousands of digits
        raise SchemaError(f"it is no JSON: {error}") from None


def typed(values: Any, kind: type[T], **given: Any) -> T:
    """The values of parsed JSON as `kind`: a dataclass of plain values, tuples, mappings and further dataclasses.

    Fields without a default must be there, and no others. Numbers are finite and below 2**64. Fields that are `given`,
    and those that do not count in comparisons, are not read. Raises SchemaError.

    >>> typed([1, "2"], tuple[int, ...])
    Traceback (most recent call last):
    marey.schema.SchemaError: '[1]' is "2"; expected a whole number
    """
    made: T = _record(values, kind, "", given) if given else _typed(values, kind, "")
    return made


def signed(values: Mapping[str, Any], *, beside: str = "") -> dict[str, Any]:
    """The values with their hash, which `check_signature` knows; `beside` is the hash of what lies beside them."""
    return {SIGNATURE: _hash(values, beside), **values}


def check_signature(values: Mapping[str, Any], *, beside: str = "") -> None:
    """Raise SchemaError where values that `signed` gave, or what lies beside them, have changed since."""
    content = {name: value for name, value in values.items() if name != SIGNATURE}
    if values.get(SIGNATURE) != _hash(content, beside):
        raise SchemaError("it has changed since it was written")


def _hash(values: Mapping[str, Any], beside: str) -> str:
    return hashlib.sha256((json.dumps(values) + beside).encode()).hexdigest()


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise SchemaError(f"it gives {json.dumps(twice)} twice")
    return values


def _typed(value: Any, kind: Any, place: str) -> Any:
    if not _fits(value, kind):
        named = f"'{place}' is" if place else "it holds"
        raise SchemaError(f"{named} {_given(value)}; expected {_expected(kind)}")
    if is_dataclass(kind):
        return _record(value, kind, place)
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return _typed(value, next(one for one in inner if _fits(value, one)), place)
    if origin is tuple:
        kinds = inner[:1] * len(value) if inner[-1] is Ellipsis else inner
        return tuple(_typed(one, of, f"{place}[{k}]") for k, (one, of) in enumerate(zip(value, kinds, strict=True)))
    if origin in (dict, Mapping):
        return {name: _typed(one, inner[1], _inside(place, name)) for name, one in value.items()}
    if kind is Any:
        _check_depth(value, place)
    return Path(value) if kind is Path else value


def _record(value: dict[str, Any], kind: Any, place: str, given: Mapping[str, Any] = MappingProxyType({})) -> Any:
    known = {name: of for name, of in _fields(kind).items() if name not in given}
    for name in value:
        if name not in known:
            near = did_you_mean(name, known) or f" Expected {', '.join(known)}"
            raise SchemaError(f"'{_inside(place, name)}' is not known.{near.rstrip('?')}")
    for name, (_, needed) in known.items():
        if needed and name not in value:
            raise SchemaError(f"'{_inside(place, name)}' is missing")
    made = {name: _typed(one, known[name][0], _inside(place, name)) for name, one in value.items()}
    try:
        return kind(**made, **given)
    except MareyError as error:
        raise SchemaError((f"'{place}': " if place else "") + str(error).rstrip(".")) from None


@cache
def _fields(kind: Any) -> dict[str, tuple[Any, bool]]:
    """{field: its type, and whether it must be given}."""
    hints = get_type_hints(kind)
    return {
        one.name: (hints[one.name], one.default is MISSING and one.default_factory is MISSING)
        for one in fields(kind)
        if one.init and one.compare
    }


def _fits(value: Any, kind: Any) -> bool:
    """Whether the value, but for what is inside it, is of this type."""
    origin, inner = get_origin(kind), get_args(kind)
    if kind is Any:
        return True
    if origin in (Union, UnionType):
        return any(_fits(value, one) for one in inner)
    if origin is Literal:
        return any(type(value) is type(one) and value == one for one in inner)
    if kind in (int, float):
        wanted = isinstance(value, int if kind is int else int | float) and not isinstance(value, bool)
        return wanted and abs(value) < (2**64 if isinstance(value, int) else float("inf"))
    if origin is tuple:
        return isinstance(value, list | tuple) and (inner[-1] is Ellipsis or len(value) == len(inner))
    if kind is Path:
        return isinstance(value, str)
    return isinstance(value, dict if is_dataclass(kind) or origin in (dict, Mapping) else kind)


def _expected(kind: Any) -> str:
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return " or ".join(_expected(one) for one in inner)
    if origin is Literal:
        return " or ".join(json.dumps(one) for one in inner)
    if origin is tuple:
        return "a list" if inner[-1] is Ellipsis else f"a list of {len(inner)}"
    return "null" if kind is NoneType else _PLAIN.get(kind, "an object")


def _given(value: Any) -> str:
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}"
    if isinstance(value, int) and abs(value) >= 2**64:
        return "a number of more than 64 bits"
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _inside(place: str, name: str) -> str:
    shown = json.dumps(name)[1:-1][:60]
    return f"{place}.{shown}" if place else shown


def _check_depth(value: Any, place: str) -> None:
    level = [value]
    for _ in range(_DEEPEST):
        level = [
            inner
            for one in level
            if isinstance(one, dict | list)
            for inner in (one.values() if isinstance(one, dict) else one)
        ]
        if not level:
            return
    raise SchemaError(f"'{place}' is nested too deep")
