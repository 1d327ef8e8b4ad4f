"""What the fields of Opik's bodies mean, the same for traces, spans, scores and threads.

Unknown members are ignored and explicit nulls are absent. Whoever finds a fault raises Malformed with the field's name.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Final
from uuid import UUID

import msgspec
from msgspec import Meta, Raw

from pipeline.adapters.clock import Clock
from pipeline.adapters.telemetry.metrics import GATEWAY_USAGE_SKIPPED
from pipeline.errors import Malformed
from pipeline.events.identity import DEFAULT_PROJECT_NAME, NIL_ID, project_id

Moment = Annotated[datetime, Meta(tz=True)]
"""An RFC 3339 date and time with its offset."""

YEAR_2300_US: Final = 10_413_792_000_000_000
DECIMAL_MAX: Final = Decimal("999999999.999999999")
USAGE_BYTES_MAX: Final = 65_536
COUNT_MAX: Final = 2**63 - 1
_NINE_PLACES: Final = Decimal("0.000000001")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NULLS: Final = frozenset({"", "null"})
_COUNTS: Final = msgspec.json.Decoder(dict[str, Raw])
_WHOLE_NUMBER: Final = re.compile(rb"(-?\d{1,19})(?:\.0{1,9})?")
"""Floats of Python with a whole value end with `.0`."""


@dataclass(frozen=True, slots=True)
class Reception:
    """In which workspace, by which clock and under which bound of keys a request is read."""

    workspace: str
    clock: Clock
    key_bytes_max: int

    def project(self, name: str | None, given_id: UUID | None) -> tuple[UUID | None, str | None]:
        """Return id and name of the project that a body means: by its name, else by its id, else none yet."""
        name = self.key_text(name, "project_name")
        if name is not None:
            name = name.strip()
            return project_id(self.workspace, name), name
        return (None if given_id == NIL_ID else given_id), None

    def project_or_default(self, name: str | None, given_id: UUID | None) -> tuple[UUID, str | None]:
        """Return id and name of the project that a body means, the default project where it names none."""
        project, text = self.project(name, given_id)
        return project or project_id(self.workspace, DEFAULT_PROJECT_NAME), text

    def key_text(self, value: str | None, field: str) -> str | None:
        """Return a text that becomes part of a key, None where it is blank; raises Malformed where it is too long."""
        if value is None or not value.strip():
            return None
        if len(value.encode()) > self.key_bytes_max:
            raise Malformed(f"{field} is longer than {self.key_bytes_max} bytes", field=field)
        return value


def microseconds(moment: datetime | None, field: str) -> int | None:
    """Return a moment in microseconds since 1970 UTC; raises Malformed before 1970 and from the year 2300 on."""
    if moment is None:
        return None
    since = moment - _EPOCH
    value = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
    if not 0 <= value < YEAR_2300_US:
        raise Malformed(f"{field} must be from 1970 on and before 2300", field=field)
    return value


def json_text(raw: Raw) -> str | None:
    """Return JSON text exactly as it came, or None where it is absent or null."""
    text = str(raw, "utf-8")
    return None if text in _NULLS else text


def decimal(value: Decimal | None, field: str) -> Decimal | None:
    """Return a number with nine decimal places; raises Malformed beyond ±999999999.999999999."""
    if value is None:
        return None
    if not value.is_finite() or abs(value) > DECIMAL_MAX:
        raise Malformed(f"{field} must be between -{DECIMAL_MAX} and {DECIMAL_MAX}", field=field)
    return value.quantize(_NINE_PLACES) + 0  # minus zero becomes zero


def counts(raw: Raw) -> dict[str, int]:
    """Return the whole numbers of `usage`; whatever else is in it is left out and counted, and costs no span."""
    text = json_text(raw)
    if text is None:
        return {}
    try:
        given = _COUNTS.decode(text) if len(text) <= USAGE_BYTES_MAX else None
    except (msgspec.DecodeError, RecursionError):
        given = None
    if given is None:
        GATEWAY_USAGE_SKIPPED.inc()
        return {}
    taken: dict[str, int] = {}
    for name, value in given.items():
        number_text = bytes(value)
        if (whole := _WHOLE_NUMBER.fullmatch(number_text)) and abs(number := int(whole[1])) <= COUNT_MAX:
            taken[name] = number
        elif number_text != b"null":
            GATEWAY_USAGE_SKIPPED.inc()
    return taken


def distinct(tags: list[str] | None) -> tuple[str, ...]:
    """Return tags in the order given, each once."""
    return tuple(dict.fromkeys(tags)) if tags else ()
