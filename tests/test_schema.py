"""JSON is read into the types that are declared, or one line says which value is wrong and what was expected."""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marey.errors import NetworkError
from marey.network.stream import Stream, flow_stacks
from marey.schema import SchemaError, check_signature, parsed, signed, typed


@dataclass(frozen=True)
class Inner:
    height: int
    share: float = 0.5

    def __post_init__(self) -> None:
        if self.height < 1:
            raise NetworkError("height is below 1.")


@dataclass(frozen=True)
class Outer:
    inner: tuple[Inner, ...]
    kind: Literal["rgb", "flow"]
    pair: tuple[int, str]
    place: Path
    note: str | None = None
    either: Inner | Literal["none"] = "none"
    counts: Mapping[str, int] = field(default_factory=dict)
    more: dict[str, Any] = field(default_factory=dict)
    other: object = field(default=None, compare=False)


WHOLE = {"inner": [{"height": 3}], "kind": "rgb", "pair": [1, "a"], "place": "x/y"}


def test_values_get_the_types_that_are_declared() -> None:
    found = typed({**WHOLE, "either": {"height": 2, "share": 1}, "counts": {"a": 1}, "more": {"b": [None]}}, Outer)
    assert found.inner == (Inner(3),) and found.pair == (1, "a") and found.place == Path("x/y")
    assert found.either == Inner(2, 1) and found.counts == {"a": 1} and found.more == {"b": [None]}
    assert typed(WHOLE, Outer).note is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"inner": [{"height": "abc"}]}, "'inner[0].height' is \"abc\"; expected a whole number"),
        ({"inner": [{"height": True}]}, "'inner[0].height' is true; expected a whole number"),
        ({"inner": [{"height": 1.5}]}, "'inner[0].height' is 1.5; expected a whole number"),
        ({"inner": [{"height": 2**64}]}, "'inner[0].height' is a number of more than 64 bits; expected a whole"),
        ({"inner": [{"height": 0}]}, "'inner[0]': height is below 1"),
        ({"inner": [{"height": 1, "share": float("nan")}]}, "'inner[0].share' is NaN; expected a number"),
        ({"inner": [{"height": 1, "share": float("inf")}]}, "'inner[0].share' is Infinity; expected a number"),
        ({"inner": [{}]}, "'inner[0].height' is missing"),
        ({"inner": {"height": 1}}, "'inner' is an object; expected a list"),
        ({"inner": [{"heigth": 1}]}, "'inner[0].heigth' is not known. Did you mean 'height'"),
        ({"kind": "gray"}, '\'kind\' is "gray"; expected "rgb" or "flow"'),
        ({"pair": [1, "a", 2]}, "'pair' is a list of 3; expected a list of 2"),
        ({"note": 1}, "'note' is 1; expected a text or null"),
        ({"either": "some"}, '\'either\' is "some"; expected an object or "none"'),
        ({"counts": {"a\x1b[31m": "b"}}, "'counts.a\\u001b[31m' is \"b\"; expected a whole number"),
        ({"other": 1}, "'other' is not known"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(change: dict[str, Any], said: str) -> None:
    with pytest.raises(SchemaError) as caught:
        typed({**WHOLE, **change}, Outer)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "it is no JSON: .* in line 1"),
        (b"\xff\xfe\xfa", "it is no JSON"),
        ("9" * 5000, "it is no JSON"),
        ("[" * 100_000, "nested too deep"),
        ('{"a": 1, "b": {"c": 1, "c": 2}}', 'gives "c" twice'),
    ],
)
def test_text_that_is_no_plain_json_is_refused(text: str | bytes, said: str) -> None:
    with pytest.raises(SchemaError, match=said):
        parsed(text)


def test_values_of_any_type_are_not_nested_without_end() -> None:
    deep: Any = 1
    for _ in range(200):
        deep = [deep]
    with pytest.raises(SchemaError, match=r"'more\.a' is nested too deep"):
        typed({**WHOLE, "more": {"a": deep}}, Outer)


def test_a_signature_holds_for_its_values_and_what_lies_beside_them_only() -> None:
    values = parsed(json.dumps(signed({"a": [1.5, "b"]}, beside="c")))
    check_signature(values, beside="c")
    for changed, beside in (({**values, "a": [1.5, "B"]}, "c"), (values, "d"), ({"a": [1.5, "b"]}, "c")):
        with pytest.raises(SchemaError, match="it has changed since it was written"):
            check_signature(changed, beside=beside)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=200)
@given(st.sampled_from([one for one in asdict(flow_stacks(2)) if one != "name"]), VALUES)
def test_a_stream_of_any_values_is_a_stream_or_refused(name: str, value: Any) -> None:
    plain = {**flow_stacks(2, size=8).to_json(), name: value}
    with suppress(NetworkError):
        found = Stream.from_json(plain)
        assert json.loads(json.dumps(found.to_json())) == json.loads(json.dumps(plain))
