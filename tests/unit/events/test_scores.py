from decimal import Decimal
from uuid import UUID

import pytest

from pipeline.events.scores import ScoreEvent
from tests.support.event_schemas import check_round_trip, fields_of

ENTITY = UUID(int=7)


def score(**fields: object) -> ScoreEvent:
    values: dict[str, object] = {"entity_type": "trace", "event": "set", "name": "helpfulness", **fields}
    return ScoreEvent(workspace="w", version_us=2, received_at_us=1, entity_id=ENTITY, **values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "event",
    [
        score(value=Decimal("0.123456789"), source="ui", author="ann", category_name="good", reason="it was"),
        score(entity_type="span", event="delete"),
        score(value=Decimal(-3), source="sdk"),
        score(
            entity_type="thread", value=Decimal(1), source="online_scoring", thread_id="chat\t1",
            project_id=UUID(int=1), session_id="s:0:1", decided_log_id=UUID(int=2), decided_offset=14,
        ),
    ],
)  # fmt: skip
def test_an_event_is_valid_by_its_schema_and_decodes_to_itself(event: ScoreEvent) -> None:
    check_round_trip("score", event, event.record().value)


def test_a_score_is_keyed_by_what_it_judges() -> None:
    assert score().record().key == str(ENTITY).encode()
    assert score().record().headers[0] == ("kind", b"score")


def test_a_value_keeps_nine_decimal_places() -> None:
    assert fields_of(score(value=Decimal("0.100000001")).record().value)["value"] == "0.100000001"


def test_what_an_event_does_not_say_is_not_in_it() -> None:
    assert set(fields_of(score(event="delete").record().value)) == {
        "workspace", "version_us", "received_at_us", "entity_type", "entity_id", "event", "name",
    }  # fmt: skip
