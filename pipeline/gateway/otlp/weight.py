"""How many parts a request has, counted before it is decoded: memory must not grow to many times the size of a body.

An empty span takes two bytes on the wire and some 150 once it is decoded, so a body of 64 MiB, which is nothing in
gzip, would take 5 GB. Small bodies cannot take much and are not looked at.
"""

from functools import cache
from typing import Any, Final

from google.protobuf.descriptor import Descriptor

from pipeline.errors import Malformed, TooLarge

LIGHT_BYTES_MAX: Final = 2 * 1024 * 1024
"""Up to this size a body is light, whatever it is made of."""
PARTS_MAX: Final = 1_000_000
"""Spans, attributes, values, events and links; 512 spans with 30 attributes each are 50,000."""

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_FIXED_SIZES: Final = {_FIXED64: 8, _FIXED32: 4}
_CONTINUES: Final = 0x80
_VARINT_BYTES_MAX: Final = 10

_Fields = dict[int, Any]
"""By number, the fields that are parts, each with its own fields."""


def check_json(body: bytes) -> None:
    """Raise TooLarge where `body`, in JSON, has more than PARTS_MAX parts: each but the first stands after a comma."""
    if len(body) > LIGHT_BYTES_MAX and body.count(b",") > PARTS_MAX:
        raise _too_many()


def check_protobuf(body: bytes, descriptor: Descriptor) -> None:
    """Raise TooLarge where `body`, in protobuf, has more than PARTS_MAX parts, and Malformed where it is none."""
    if len(body) <= LIGHT_BYTES_MAX:
        return
    try:
        _count(body, _fields_of(descriptor))
    except IndexError as error:
        raise _malformed() from error


def _count(body: bytes, fields: _Fields) -> None:
    """Walk through all parts; raises IndexError where `body` ends too early."""
    count, at, end = 0, 0, len(body)
    around: list[tuple[int, _Fields]] = []
    while True:
        while at >= end:
            if at > end:
                raise _malformed()
            if not around:
                return
            end, fields = around.pop()
        tag, at = _varint(body, at)
        size, at = _size(body, at, tag & 7)
        inside = fields.get(tag >> 3) if tag & 7 == _BYTES else None
        if inside is None:
            at += size
            continue
        count += 1
        if count > PARTS_MAX:
            raise _too_many()
        if at + size > end:
            raise _malformed()
        around.append((end, fields))
        end, fields = at + size, inside


def _size(body: bytes, at: int, kind: int) -> tuple[int, int]:
    """Return how long the content of a field is, and where it begins."""
    if kind == _BYTES:
        return _varint(body, at)
    if kind == _VARINT:
        return 0, _varint(body, at)[1]
    if kind in _FIXED_SIZES:
        return _FIXED_SIZES[kind], at
    raise _malformed()  # groups, which OTLP does not have


def _varint(body: bytes, at: int) -> tuple[int, int]:
    """Return the number that stands at a place, and the place after it."""
    byte = body[at]
    if byte < _CONTINUES:
        return byte, at + 1
    value = 0
    for position in range(_VARINT_BYTES_MAX):
        byte = body[at + position]
        value |= (byte & ~_CONTINUES) << 7 * position
        if byte < _CONTINUES:
            return value, at + position + 1
    raise _malformed()


@cache
def _fields_of(descriptor: Descriptor) -> _Fields:
    return _known(descriptor, {})


def _known(descriptor: Descriptor, known: dict[str, _Fields]) -> _Fields:
    """Return the fields of a message that are messages; `known` has those that are begun, since values nest."""
    if descriptor.full_name not in known:
        fields = known[descriptor.full_name] = {}
        for field in descriptor.fields:
            if field.message_type is not None:
                fields[field.number] = _known(field.message_type, known)
    return known[descriptor.full_name]


def _too_many() -> TooLarge:
    return TooLarge(f"the request has more than {PARTS_MAX:,} spans, attributes and values", field="body")


def _malformed() -> Malformed:
    return Malformed("not an ExportTraceServiceRequest in protobuf", field="body")
