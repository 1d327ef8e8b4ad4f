from typing import Any
from uuid import UUID

import msgspec
import pytest

from pipeline.errors import Undecodable
from pipeline.evaluators.heuristics import HEURISTICS
from pipeline.evaluators.intake import NewerSchema, wanted_of
from pipeline.evaluators.registry import Registry
from pipeline.evaluators.rulebook import RuleBook
from pipeline.events.envelope import Headers, headers_of
from pipeline.events.rules import Rule
from tests.unit.evaluators.sessions import Read, closed


class NoRules:
    def of_project(self, workspace: str, project_id: UUID) -> list[Rule]:  # noqa: ARG002
        return []


BOOK = RuleBook(NoRules(), Registry(HEURISTICS), default_evaluators="turns")
NOBODY = RuleBook(NoRules(), Registry(HEURISTICS), default_evaluators="")
HEADERS = headers_of("thread")


def record(value: bytes | None, headers: Headers = HEADERS) -> Read:
    return Read(offset=4, timestamp=9, key=b"k", value=value, headers=headers)


def test_a_closed_session_is_wanted_where_a_rule_asks_for_it() -> None:
    wanted = wanted_of(record(msgspec.json.encode(closed())), BOOK)

    assert wanted is not None
    assert (wanted.session, len(wanted.plans)) == (closed(), 1)
    assert wanted_of(record(msgspec.json.encode(closed())), NOBODY) is None


@pytest.mark.parametrize("fields", [{"event": "opened"}, {"event": "refused"}, {"reason": "deleted"}], ids=str)
def test_what_is_no_end_of_a_conversation_is_left_alone(fields: dict[str, Any]) -> None:
    assert wanted_of(record(msgspec.json.encode(closed(**fields))), BOOK) is None


@pytest.mark.parametrize(
    "poison",
    [
        record(None),
        record(b"{}"),
        record(b"\xff"),
        record(msgspec.json.encode(closed(closed_at_us=None))),
        record(msgspec.json.encode(closed()), headers_of("trace")),
        record(msgspec.json.encode(closed()), ()),
    ],
)
def test_what_is_not_as_declared_is_undecodable(poison: Read) -> None:
    with pytest.raises(Undecodable):
        wanted_of(poison, BOOK)


def test_a_record_of_a_version_to_come_waits() -> None:
    with pytest.raises(NewerSchema):
        wanted_of(record(b"?", (("kind", b"thread"), ("schema-version", b"2"))), BOOK)
