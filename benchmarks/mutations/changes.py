"""Random changes of files: of their bytes, of the JSON in them, and of their names."""

import json
import random
import struct
from pathlib import Path

from cases import Case


def changed_bytes(content: bytes, chance: random.Random) -> tuple[str, bytes]:
    """The content with a change of bytes, and its name."""
    size, data = len(content), bytearray(content)
    place = chance.randrange(size)
    length = min(size - place, 2 ** chance.randrange(13))
    kind = chance.choice(["bit", "bit", "bit", "bits", "cut", "zeros", "noise", "moved", "longer", "empty"])
    if kind in ("bit", "bits"):
        for _ in range(1 if kind == "bit" else chance.randrange(2, 50)):
            data[chance.randrange(size)] ^= 1 << chance.randrange(8)
    elif kind == "cut":
        del data[place:]
    elif kind == "zeros":
        data[place : place + length] = bytes(length)
    elif kind == "noise":
        data[place : place + length] = chance.randbytes(length)
    elif kind == "moved":
        other = chance.randrange(size)
        data[place : place + length] = content[other : other + length]
    else:
        data = bytearray() if kind == "empty" else data + chance.randbytes(length)
    return kind, bytes(data)


WRONG = (
    *("abc", "", "../../etc/passwd", "/etc/passwd", "\x1b[31m\n\x00", "\u202e"),
    *(-1, 0, 1, 2, 10**6, 10**30, 0.5, -0.5, 1e308, float("nan"), float("inf")),
    *(None, True, False, [], [1, 2], ["a"], [[]], {}, {"a": 1}),
)


def changed_json(text: str, chance: random.Random) -> tuple[str, str]:
    """The text with a wrong value at a random place in it: still JSON, and the name of the change."""
    values = json.loads(text)
    holder, key = {"all": values}, "all"
    while isinstance(holder[key], dict | list) and holder[key] and (holder[key] is values or chance.random() < 0.8):
        holder = holder[key]
        key = chance.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
    kind = chance.choice(["wrong", "wrong", "wrong", "wrong", "gone", "more", "twice", "deep", "sibling"])
    if kind == "wrong":
        holder[key] = chance.choice(WRONG)
    elif kind == "gone":
        del holder[key]
    elif kind == "sibling":
        other = chance.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
        holder[key], holder[other] = holder[other], holder[key]
    elif kind == "more":
        inside = holder[key] if isinstance(holder[key], dict) else {}
        holder[key] = {chance.choice(["a", "__class__", "", "checksum"]): chance.choice(WRONG), **inside}
    else:
        holder[key] = "MARK"
        inside = "[" * 10**5 + "]" * 10**5 if kind == "deep" else '{"a": 1, "a": 2}'
        return kind, json.dumps(values).replace('"MARK"', inside)
    return kind, json.dumps(values)


def changed_description(content: bytes, chance: random.Random) -> tuple[str, bytes]:
    """A safetensors file with another description, or another header around it."""
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    (entry,) = header["__metadata__"]
    if chance.random() < 0.7:
        kind, header["__metadata__"][entry] = changed_json(header["__metadata__"][entry], chance)
        text = json.dumps(header)
    else:
        kind, text = changed_json(json.dumps(header), chance)
    data = text.encode()
    return kind, struct.pack("<Q", len(data)) + data + content[8 + length :]


def mutate(case: Case, folder: Path, chance: random.Random) -> str:
    """Change a file in the folder; says what was done."""
    path = chance.choice(case.files(folder))
    name = str(path.relative_to(folder))
    if path.suffix in (".json", ".safetensors") and chance.random() < 0.5:
        if path.suffix == ".json":
            kind, text = changed_json(path.read_text(), chance)
            path.write_text(text)
        else:
            kind, content = changed_description(path.read_bytes(), chance)
            path.write_bytes(content)
        return f"{name}: {kind} (JSON)"
    way = chance.choice(["bytes"] * 8 + ["removed", "renamed", "exchanged"])
    if way == "bytes" and path.stat().st_size:
        kind, content = changed_bytes(path.read_bytes(), chance)
        path.write_bytes(content)
        return f"{name}: {kind}"
    if way == "renamed":
        path.rename(path.with_name(f"renamed-{path.name}"))
    elif way == "exchanged":
        other = chance.choice(case.files(folder))
        mine, theirs = path.read_bytes(), other.read_bytes()
        path.write_bytes(theirs)
        other.write_bytes(mine)
        way = f"exchanged with {other.relative_to(folder)}"
    else:
        path.unlink()
    return f"{name}: {way}"
