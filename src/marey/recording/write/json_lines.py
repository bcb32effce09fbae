"""JSON that people read, too: a line for each entry."""

import json
from collections.abc import Mapping
from typing import Any


def json_lines(values: Mapping[str, Any]) -> str:
    """The values as JSON with a line for each entry, and for each entry of those that are mappings."""
    lines = []
    for name, value in values.items():
        text = json.dumps(value)
        if isinstance(value, dict) and value:
            text = (
                "{\n  " + ",\n  ".join(f"{json.dumps(key)}: {json.dumps(one)}" for key, one in value.items()) + "\n }"
            )
        lines.append(f" {json.dumps(name)}: {text}")
    return "{\n" + ",\n".join(lines) + "\n}\n"
