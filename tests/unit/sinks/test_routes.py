import json
from uuid import UUID

import pytest

from pipeline.errors import Undecodable
from pipeline.events.controls import CONTROL_KINDS
from pipeline.events.dead_letters import Origin
from pipeline.events.envelope import Headers, headers_of
from pipeline.sinks.routes import (
    CONTROLS,
    SPAN_EVENTS,
    TABLES,
    TRACE_EVENTS,
    NewerSchema,
    Router,
    control_value,
    replay_value,
)
from pipeline.topics import STORED


def test_every_stored_topic_has_a_table_of_its_own() -> None:
    tables = [Router(topic.name).events for topic in STORED]

    assert len(set(tables)) == len(STORED)
    assert {*tables, CONTROLS} == set(TABLES)


@pytest.mark.parametrize("kind", sorted(CONTROL_KINDS))
def test_controls_of_the_log_of_threads_are_kept_apart(kind: str) -> None:
    headers = ((("kind", kind.encode())), ("schema-version", b"1"), ("reply-to", b"3"))

    assert Router("traces").table_of(headers) is CONTROLS
    if kind != "score":
        with pytest.raises(Undecodable):
            Router("scores").table_of(headers)


def test_events_are_recognised_whatever_the_order_of_their_headers() -> None:
    router = Router("traces")

    assert router.table_of(headers_of("trace")) is TRACE_EVENTS
    assert router.table_of(headers_of("trace")[::-1]) is TRACE_EVENTS


@pytest.mark.parametrize(
    "headers",
    [
        (),
        (("kind", b"trace"),),
        (("schema-version", b"1"),),
        (("kind", b"span"), ("schema-version", b"1")),
        (("kind", b"\xff"), ("schema-version", b"1")),
        (("kind", b"trace"), ("schema-version", b"one")),
    ],
)
def test_other_headers_are_refused(headers: Headers) -> None:
    with pytest.raises(Undecodable):
        Router("traces").table_of(headers)


def test_a_version_to_come_is_no_poison() -> None:
    with pytest.raises(NewerSchema, match="schema version 2, known is 1"):
        Router("traces").table_of((("kind", b"unheard-of"), ("schema-version", b"2")))


def test_a_control_is_kept_as_it_stood() -> None:
    value = control_value("traces", headers_of("close"), b"thread\tx\xff", None)

    assert json.loads(value) == {"topic": "traces", "kind": "close", "key": "thread\tx\\xff", "value": ""}


def test_what_was_seen_before_is_not_decided_again() -> None:
    router = Router("traces")

    assert router.route(headers_of("trace")) is router.route(headers_of("trace"))
    assert router.route(headers_of("trace")) == (TRACE_EVENTS, None)


def test_a_replay_says_which_letter_it_was() -> None:
    origin = Origin(UUID(int=1), 3, 14, 99)

    assert Router("spans").route((*headers_of("span"), origin.header())) == (SPAN_EVENTS, origin)
    assert json.loads(replay_value("spans", origin)) == {
        "topic": "spans", "kind": "replay", "key": f"{UUID(int=1)}:3:14", "value": "",
    }  # fmt: skip
