from uuid import UUID

import pytest

from pipeline.events.annotations import AnnotationEvent
from tests.support.event_schemas import check_round_trip, fields_of

ENTITY = UUID(int=7)


def annotation(**fields: object) -> AnnotationEvent:
    values: dict[str, object] = {"entity_type": "thread", "event": "set", **fields}
    return AnnotationEvent(workspace="w", version_us=2, received_at_us=1, entity_id=ENTITY, **values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "event",
    [
        annotation(annotation="tags", tags_reset=True, tags_added=("a", "ü"), tags_removed=("c",)),
        annotation(annotation="comment", comment_id=UUID(int=9), text="two\nlines", author="ann"),
        annotation(annotation="comment", comment_id=UUID(int=9), event="delete"),
        annotation(annotation="display_name", entity_type="project", text="My Project"),
    ],
)
def test_an_event_is_valid_by_its_schema_and_decodes_to_itself(event: AnnotationEvent) -> None:
    check_round_trip("annotation", event, event.record().value)


def test_a_remark_is_keyed_by_what_it_is_on() -> None:
    record = annotation(annotation="tags").record()

    assert (record.key, record.headers[0]) == (str(ENTITY).encode(), ("kind", b"annotation"))


def test_what_an_event_does_not_say_is_not_in_it() -> None:
    assert set(fields_of(annotation(annotation="tags").record().value)) == {
        "workspace", "version_us", "received_at_us", "entity_type", "entity_id", "annotation", "event",
    }  # fmt: skip
