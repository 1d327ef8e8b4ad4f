from uuid import UUID

import pytest

from pipeline.commands.dlq import _fits, _letter_ids, _outcome, _record
from pipeline.events.dead_letters import Origin
from pipeline.events.envelope import headers_of
from pipeline.sinks.dead_letters import VALUE_BYTES_MAX
from pipeline.sinks.letters import Letter

ORIGIN = Origin(UUID(int=1), 3, 14, 500)


def letter(
    *, topic: str = "traces", origin: Origin | None = ORIGIN, value: bytes | None = b"{}", replays: int = 0
) -> Letter:
    return Letter("l", topic, "bad", origin, b"k", value, headers_of("trace"), replays)


@pytest.mark.parametrize(
    ("kept", "outcome"),
    [
        (letter(), "replayed"),
        (letter(value=None), "replayed"),
        (letter(replays=1), "replayed_before"),
        (letter(origin=None), "never_in_a_topic"),
        (letter(topic="unheard-of"), "never_in_a_topic"),
        (letter(value=b"x" * VALUE_BYTES_MAX), "cut"),
    ],
)
def test_only_what_is_whole_stood_in_a_log_and_did_not_come_again_is_replayed(kept: Letter, outcome: str) -> None:
    assert _outcome(kept, set(), again=False) == outcome


def test_what_is_on_its_way_is_replayed_again_only_if_asked_for() -> None:
    assert _outcome(letter(), {"l"}, again=False) == "replayed_before"
    assert _outcome(letter(replays=1), {"l"}, again=True) == "replayed"


def test_a_replay_goes_where_it_stood_and_says_so() -> None:
    record = _record(letter(), ORIGIN, 4)

    assert (record.key, record.value, record.partition) == (b"k", b"{}", 3)
    assert record.headers == (*headers_of("trace"), ORIGIN.header())
    assert _record(letter(), ORIGIN, 3).partition is None
    assert list(_letter_ids(record.headers)) == [ORIGIN.letter_id]


def test_letters_are_published_together_by_topic_and_up_to_a_size() -> None:
    large = letter(value=b"x" * 9_000_000)

    assert _fits([letter()], letter())
    assert not _fits([letter()], letter(topic="spans"))
    assert not _fits([letter()] * 500, letter())
    assert not _fits([large], large)
