"""Lists that are taken apart are bounded in bytes: memory must not grow to many times the size of a body.

A list of strings of two letters takes 13 times its size once it is decoded, so a body of 64 MiB, which is nothing in
gzip, would take 800 MB. Payloads are not concerned: they are never decoded. Only large bodies are looked at.
"""

import types
from functools import cache
from typing import Any, Final, NamedTuple, Union, get_args, get_origin

import msgspec
from msgspec import Raw

from pipeline.errors import TooLarge

LIST_BYTES_MAX: Final = 5 * 1024 * 1024
"""Largest list or object, encoded, whose members are decoded one by one; smaller bodies cannot have a larger one."""

_UNIONS: Final = frozenset({Union, types.UnionType})
_CONTAINERS: Final = frozenset({list, dict, tuple, set, frozenset})


class _Look(NamedTuple):
    """How to look at one type: a decoder that leaves every field as it came, and which fields are lists or structs."""

    decoder: msgspec.json.Decoder[Any]
    lists: tuple[str, ...]
    structs: tuple[tuple[str, type], ...]


def bounded_lists(expected: Any, body: bytes | Raw) -> bytes | Raw:
    """Return `body`, or so much of it as the struct `expected` has: of a member that stands twice, the last.

    Raises TooLarge, naming the field, where a list is larger than LIST_BYTES_MAX, and msgspec's DecodeError where
    `body` is no JSON object.
    """
    look = _look_of(expected)
    size = memoryview(body).nbytes
    if look is None or size <= LIST_BYTES_MAX:
        return body
    seen = msgspec.structs.asdict(look.decoder.decode(body))
    known = sum(memoryview(raw).nbytes for raw in seen.values())
    for name in look.lists:
        if (list_size := memoryview(seen[name]).nbytes) > LIST_BYTES_MAX:
            raise TooLarge(f"{name}: {list_size:,} bytes are too many, {LIST_BYTES_MAX:,} are taken", field=name)
    inside = {name: bounded_lists(inner, seen[name]) for name, inner in look.structs}
    # What is not known may be members that stand twice, of which the first ones were not seen.
    if size - known <= LIST_BYTES_MAX and all(seen[name] is raw for name, raw in inside.items()):
        return body
    members = {name: raw for name, raw in (seen | inside).items() if memoryview(raw).nbytes}
    return b"{%b}" % b",".join(b'"%b":%b' % (name.encode(), raw) for name, raw in members.items())


@cache
def _look_of(expected: Any) -> _Look | None:
    if not _is_struct(expected):
        return None
    lists: list[str] = []
    structs: list[tuple[str, type]] = []
    fields = msgspec.structs.fields(expected)
    for field in fields:
        for member in get_args(field.type) if get_origin(field.type) in _UNIONS else (field.type,):
            if _is_struct(member):
                structs.append((field.encode_name, member))
            elif get_origin(member) in _CONTAINERS:
                lists.append(field.encode_name)
    if not lists and not structs:
        return None
    seen = msgspec.defstruct(f"Raw{expected.__name__}", [(field.encode_name, Raw, Raw()) for field in fields])
    return _Look(msgspec.json.Decoder(seen), tuple(lists), tuple(structs))


def _is_struct(expected: Any) -> bool:
    return isinstance(expected, type) and issubclass(expected, msgspec.Struct)
