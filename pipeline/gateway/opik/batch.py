"""Bodies that hold many items: one bad item never fails its batch.

A body is decoded as a whole, at the speed of one call. Only where that fails, or an item turns out to be at fault, is
it taken apart: the good items are taken, the others come back with their bytes and the reason, to be set aside. A large
body is taken apart at once, since its items must be counted before there are too many of them.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, Generic, NamedTuple, TypeVar

import msgspec

from pipeline.errors import Malformed, Refused, TooLarge, Unprocessable
from pipeline.events.envelope import Record
from pipeline.gateway.small_lists import bounded_lists
from pipeline.gateway.split import split_items

T = TypeVar("T")

WHOLE_BYTES_MAX: Final = 8 * 1024 * 1024
"""Up to this size a body is decoded as a whole; what the SDKs send has a few megabytes."""
RAW_COMMAS_MAX: Final = 2_000_000
"""How many commas a body may have to be taken apart by the decoder: at most as many items, of 56 bytes each."""
_UNDECODABLE: Final = (msgspec.DecodeError, RecursionError)
_PLACE: Final = " - at `$"


@dataclass(frozen=True, slots=True)
class Refusal:
    """An item that was not taken, as it came, and why."""

    item: bytes
    fault: Refused


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of the items of a body: every one is either a record or a refusal."""

    records: list[Record] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)


class Limits(NamedTuple):
    """What one request may have: items, bytes of one record, and bytes of all of them."""

    items_max: int
    event_bytes_max: int
    records_bytes_max: int


class Room:
    """How many bytes the records of one request may still take."""

    __slots__ = ("_bytes_max", "_left")

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max: Final = bytes_max
        self._left = bytes_max

    def take(self, value: bytes | None) -> None:
        """Make room for a record's value; raises TooLarge where there is none, which concerns the whole request."""
        self._left -= len(value or b"")
        if self._left < 0:
            raise TooLarge(f"too large: the events of a request may have {self._bytes_max:,} bytes", field="size")


class Items(Generic[T]):
    """Reads the list `member` of a body as items of one type, at most `items_max` of them."""

    def __init__(self, member: str, item_type: type[T]) -> None:
        self._member: Final = member
        body: Any = msgspec.defstruct(f"BodyOf{member.title()}", [(member, list[item_type])])  # type: ignore[valid-type]
        raw_body: Any = msgspec.defstruct(f"RawBodyOf{member.title()}", [(member, list[msgspec.Raw])])
        self._whole: Final = msgspec.json.Decoder(body)
        self._raw: Final = msgspec.json.Decoder(raw_body)
        self._single: Final = msgspec.json.Decoder(item_type)

    def take(self, body: bytes, shape: Callable[[T], Record], limits: Limits) -> Taken:
        """Shape every item into a record.

        Raises Malformed where the body has no such list, Unprocessable where it has none or too many items, and
        TooLarge where the records take too much: one update may be for many items.
        """
        if len(body) > WHOLE_BYTES_MAX:
            return self._take_apart(body, shape, limits)
        try:
            items: list[T] = getattr(self._whole.decode(body), self._member)
        except _UNDECODABLE:
            return self._take_apart(body, shape, limits)
        self._check_count(len(items), limits.items_max)
        taken = Taken()
        room = Room(limits.records_bytes_max)
        faults: list[tuple[int, Refused]] = []
        for place, item in enumerate(items):
            try:
                record = bounded(shape(item), limits.event_bytes_max)
            except Refused as fault:
                faults.append((place, fault))
                continue
            room.take(record.value)
            taken.records.append(record)
        if faults:
            raw_items = self._raw_items(body)
            taken.refusals.extend(Refusal(bytes(raw_items[place]), fault) for place, fault in faults)
        return taken

    def _take_apart(self, body: bytes, shape: Callable[[T], Record], limits: Limits) -> Taken:
        raw_items = self._raw_items(body)
        self._check_count(len(raw_items), limits.items_max)
        taken = Taken()
        room = Room(limits.records_bytes_max)
        for raw in raw_items:
            try:
                record = bounded(shape(decoded(self._single, raw)), limits.event_bytes_max)
            except Refused as fault:
                taken.refusals.append(Refusal(bytes(raw), fault))
                continue
            room.take(record.value)
            taken.records.append(record)
        return taken

    def _raw_items(self, body: bytes) -> Sequence[bytes | msgspec.Raw]:
        """Return the items as they came: by the decoder, and by their brackets alone where it does not take them all.

        A body of many small items would cost the decoder many times its size in memory, hence the look at its commas.
        """
        if body.count(b",") <= RAW_COMMAS_MAX:
            with suppress(*_UNDECODABLE):
                raw_items: list[msgspec.Raw] = getattr(self._raw.decode(body), self._member)
                return raw_items
        return split_items(body, self._member)

    def _check_count(self, count: int, items_max: int) -> None:
        if not 0 < count <= items_max:
            raise Unprocessable(f"{self._member} must have 1 to {items_max} items, not {count}", field=self._member)


def decoded(decoder: msgspec.json.Decoder[T], body: bytes | msgspec.Raw) -> T:
    """Decode one thing; raises Malformed that names the field at fault, and TooLarge for a list that is too long."""
    try:
        return decoder.decode(bounded_lists(decoder.type, body))
    except msgspec.ValidationError as error:
        field_name, reason = _fault_of(str(error))
        raise Malformed(reason, field=field_name) from error
    except msgspec.DecodeError as error:
        raise Malformed(f"not JSON: {error}", field="json") from error
    except RecursionError as error:
        raise Malformed("nested too deeply", field="nesting") from error


def bounded(record: Record, event_bytes_max: int) -> Record:
    """Return `record`; raises TooLarge where its value exceeds `event_bytes_max`."""
    size = len(record.value or b"")
    if size > event_bytes_max:
        raise TooLarge(f"too large: the event has {size:,} bytes, {event_bytes_max:,} are taken", field="size")
    return record


def _fault_of(text: str) -> tuple[str, str]:
    """Return the field that msgspec complains about and a reason that begins with its path.

    Its texts: "Expected `str`, got `int` - at `$.tags[0]`"; "Object missing required field `name`"; "Expected `object`,
    got `int`" for the thing itself.
    """
    reason, _, place = text.partition(_PLACE)
    path = place.rstrip("`").lstrip(".")
    if reason.startswith("Object missing required field"):
        name = reason.split("`")[1]
        path = f"{path}.{name}" if path else name
        reason = "is required"
    if not path:
        return "item", reason
    return path.split(".")[0].split("[")[0], f"{path}: {reason}" if reason != "is required" else f"{path} is required"
