"""What a record of `threads` asks for: to be evaluated, to be set aside, or nothing."""

from typing import Final, NamedTuple

import msgspec

from pipeline.adapters.kafka.consumer import LogRecord
from pipeline.errors import TransientError, Undecodable
from pipeline.evaluators.rulebook import Plan, RuleBook
from pipeline.events.envelope import HEADER_KIND, HEADER_SCHEMA_VERSION, SCHEMA_VERSION, Headers
from pipeline.events.threads import THREAD_DECODER, ThreadEvent

_KIND: Final = b"thread"


class NewerSchema(TransientError):
    """A record of a version that this process does not know: it waits for its own upgrade."""


class Wanted(NamedTuple):
    """A closed session and what its project's rules want of it."""

    session: ThreadEvent
    plans: list[Plan]


def wanted_of(record: LogRecord, rules: RuleBook) -> Wanted | None:
    """Return what is to be done with a record, None where nothing is.

    A session that ended because its thread was deleted is not evaluated. Raises NewerSchema where the record is of a
    version to come, and Undecodable where it is not what its schema says.
    """
    _check_headers(tuple(record.headers))
    try:
        session = THREAD_DECODER.decode(record.value or b"")
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Undecodable(f"not a thread event: {error}") from error
    if session.event != "closed" or session.reason == "deleted":
        return None
    if session.closed_at_us is None:
        raise Undecodable("a session closed without closed_at_us")
    plans = rules.plans_of(session.workspace, session.project_id, session.thread_model_id)
    return Wanted(session, plans) if plans else None


def _check_headers(given: Headers) -> None:
    headers = dict(given)
    version = headers.get(HEADER_SCHEMA_VERSION) or b""
    if not version.isdigit():
        raise Undecodable(f"no {HEADER_SCHEMA_VERSION} in the headers")
    if int(version) > SCHEMA_VERSION:
        raise NewerSchema(f"a record of schema version {int(version)}, known is {SCHEMA_VERSION}")
    if headers.get(HEADER_KIND) != _KIND:
        raise Undecodable("not a record of kind thread")
