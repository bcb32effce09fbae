"""How two plans differ, in words for the error that refuses to mix them."""

from collections.abc import Mapping
from typing import Any

import pyarrow


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """How the descriptions of two plans differ, in words; their clips are not compared.

    >>> differences({"settings": {"flow": "dis"}}, {"settings": {"flow": "tvl1"}})
    ["settings.flow was 'dis', is 'tvl1'"]
    """
    found = []
    for name in sorted(before.keys() | now.keys()):
        old, new = before.get(name), now.get(name)
        if old == new or name == "clips":
            continue
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            found += [f"{name}.{text}" for text in differences(old, new)]
        else:
            found.append(f"{name} was {_short(old)}, is {_short(new)}")
    return found


def clip_differences(before: pyarrow.Table, now: pyarrow.Table) -> list[str]:
    """How two tables of planned clips differ, in words."""

    def keyed(table: pyarrow.Table) -> dict[tuple[Any, ...], dict[str, Any]]:
        return {(row["path"], row["start_seconds"], row["stop_seconds"]): row for row in table.to_pylist()}

    old, new = keyed(before), keyed(now)
    found = []
    more = [key for key in new if key not in old]
    fewer = [key for key in old if key not in new]
    for word, keys in (("more", more), ("fewer", fewer)):
        if keys:
            found.append(f"{len(keys)} clips {word}, such as '{keys[0][0]}'")
    for name in ("label", "group", "flow", "bytes"):
        changed = [key for key, row in new.items() if key in old and old[key][name] != row[name]]
        if changed:
            was, now_is = old[changed[0]][name], new[changed[0]][name]
            found.append(f"{name} of '{changed[0][0]}' was {_short(was)}, is {_short(now_is)}")
    return found


def _short(value: object) -> str:
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
