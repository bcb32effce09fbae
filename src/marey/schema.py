"""One reader for all JSON of marey: values of the types that dataclasses declare, or one line on what is wrong.

It is these lines of our own because no library that reads into plain dataclasses also refuses repeated names, unknown
fields and numbers that are not finite, and says where they are in words.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache, partial
from itertools import repeat
from pathlib import Path
from types import MappingProxyType, NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from marey.errors import MareyError, did_you_mean

T = TypeVar("T")

_DEEPEST = 64
SIGNATURE = "sha256"
_WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a text", Path: "a path"}


Reader = Callable[[Any], Any]


class SchemaError(ValueError):
    """What is wrong with JSON, in one line without a file's name: which value, what was given, what was expected."""

    def __init__(self, said: str, place: str = "") -> None:
        """`said` begins with a blank or a colon where it goes on after the name of the value at `place`."""
        super().__init__(said, place)
        self.said, self.place = said, place

    def __str__(self) -> str:
        if self.place:
            return f"'{self.place}'{self.said}"
        return f"it{self.said}" if self.said.startswith(" ") else self.said.removeprefix(": ")

    def inside(self, outer: str | int) -> "SchemaError":
        """The same, seen from the list or object that the value is in."""
        begin = f"[{outer}]" if isinstance(outer, int) else json.dumps(outer)[1:-1][:60]
        joint = "" if not self.place or self.place.startswith("[") else "."
        return SchemaError(self.said, f"{begin}{joint}{self.place}")


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
    made: T = _record(values, kind=kind, given=given) if given else _reader(cast(Any, kind))(values)
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


@cache
def _reader(kind: Any) -> Reader:
    """The function that reads values of a type."""
    origin, inner = get_origin(kind), get_args(kind)
    if is_dataclass(kind):
        return partial(_record, kind=kind)
    if origin is tuple:
        return partial(_list, kind=kind, readers=tuple(_reader(one) for one in inner if one is not Ellipsis))
    if origin in (dict, Mapping):
        return partial(_mapping, kind=kind, reader=_reader(inner[1]))
    if origin in (Union, UnionType):
        return partial(_union, kind=kind, kinds=inner)
    return partial(_plain, kind=kind)


def _plain(value: Any, *, kind: Any) -> Any:
    if not _fits(value, kind):
        raise _wrong(value, kind)
    if kind is Any:
        _check_depth(value)
    return Path(value) if kind is Path else value


def _union(value: Any, *, kind: Any, kinds: tuple[Any, ...]) -> Any:
    for one in kinds:
        if _fits(value, one):
            return _reader(one)(value)
    raise _wrong(value, kind)


def _list(value: Any, *, kind: Any, readers: tuple[Reader, ...]) -> tuple[Any, ...]:
    if not _fits(value, kind):
        raise _wrong(value, kind)
    made: list[Any] = []
    try:
        for one, reader in zip(value, readers if len(readers) > 1 else repeat(readers[0]), strict=False):
            made.append(reader(one))
    except SchemaError as error:
        raise error.inside(len(made)) from None
    return tuple(made)


def _mapping(value: Any, *, kind: Any, reader: Reader) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _wrong(value, kind)
    name = ""
    try:
        return {(name := key): reader(one) for key, one in value.items()}
    except SchemaError as error:
        raise error.inside(name) from None


def _record(value: Any, *, kind: Any, given: Mapping[str, Any] = MappingProxyType({})) -> Any:
    if not isinstance(value, dict):
        raise _wrong(value, kind)
    known, needed = _fields(kind)
    name = ""
    try:
        made = {(name := key): known[key](one) for key, one in value.items() if key not in given}
    except SchemaError as error:
        raise error.inside(name) from None
    except KeyError:
        near = did_you_mean(name, known).rstrip("?") or f" Expected {', '.join(known)}"
        raise SchemaError(f" is not known.{near}").inside(name) from None
    for name in needed:
        if name not in made and name not in given:
            raise SchemaError(" is missing").inside(name)
    try:
        return kind(**made, **given)
    except MareyError as error:
        raise SchemaError(": " + str(error).rstrip(".")) from None


@cache
def _fields(kind: Any) -> tuple[dict[str, Reader], tuple[str, ...]]:
    """{field: how it is read}, and those that must be given."""
    hints = get_type_hints(kind)
    read = [one for one in fields(kind) if one.init and one.compare]
    needed = (one.name for one in read if one.default is MISSING and one.default_factory is MISSING)
    return {one.name: _reader(hints[one.name]) for one in read}, tuple(needed)


def _fits(value: Any, kind: Any) -> bool:
    """Whether the value, but for what is inside it, is of this type."""
    if kind is int:
        return type(value) is int and abs(value) < 2**64
    if kind is float:
        return type(value) in (int, float) and abs(value) < (2**64 if type(value) is int else float("inf"))
    if kind in (bool, str, NoneType):
        return isinstance(value, kind)
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return any(_fits(value, one) for one in inner)
    if origin is Literal:
        return any(type(value) is type(one) and value == one for one in inner)
    if origin is tuple:
        return isinstance(value, list | tuple) and (inner[-1] is Ellipsis or len(value) == len(inner))
    if kind is Any:
        return True
    return isinstance(value, str if kind is Path else dict)


def _wrong(value: Any, kind: Any) -> SchemaError:
    return SchemaError(f" is {_given(value)}; expected {_expected(kind)}")


def _expected(kind: Any) -> str:
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return " or ".join(_expected(one) for one in inner)
    if origin is Literal:
        return " or ".join(json.dumps(one) for one in inner)
    if origin is tuple:
        return "a list" if inner[-1] is Ellipsis else f"a list of {len(inner)}"
    return "null" if kind is NoneType else _WORDS.get(kind, "an object")


def _given(value: Any) -> str:
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}"
    if isinstance(value, int) and abs(value) >= 2**64:
        return "a number of more than 64 bits"
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _check_depth(value: Any) -> None:
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
    raise SchemaError(" is nested too deep")
