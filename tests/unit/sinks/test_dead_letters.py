from uuid import UUID

import msgspec
import pytest

from pipeline.errors import FatalError
from pipeline.events.dead_letters import DeadLetter, Origin, bytes_of
from pipeline.events.identity import ThreadRef, thread_key
from pipeline.sinks.batch import Poison
from pipeline.sinks.dead_letters import VALUE_BYTES_MAX, DeadLetterLimit, letters_of

LOG_ID = UUID(int=1)


def poison(value: bytes | None, key: bytes | None = b"k") -> Poison:
    return Poison(
        partition=3, offset=9, appended_at_ms=5, key=key, value=value, headers=(("kind", b"\xff"),), code=117,
        reason="unknown field",
    )  # fmt: skip


def letter(record: Poison) -> DeadLetter:
    [kept] = letters_of("traces", LOG_ID, [record])
    assert kept.key == (record.key or b"")
    return msgspec.json.decode(kept.value or b"", type=DeadLetter)


def test_a_letter_says_what_it_was_where_it_stood_and_why() -> None:
    kept = letter(poison(b"\x00\xff"))

    assert (bytes_of(kept.key), bytes_of(kept.value)) == (b"k", b"\x00\xff")
    assert [(name, bytes_of(value)) for name, value in kept.headers] == [("kind", b"\xff")]
    assert (kept.topic, kept.origin_log_id, kept.origin_partition, kept.origin_offset) == ("traces", LOG_ID, 3, 9)
    assert (kept.stage, kept.code, kept.reason) == ("sinks", 117, "unknown field")


def test_the_same_record_gives_the_same_letter() -> None:
    assert letters_of("t", LOG_ID, [poison(b"{}")]) == letters_of("t", LOG_ID, [poison(b"{}")])


def test_a_replay_that_is_refused_again_gives_the_letter_that_it_was() -> None:
    first = poison(b"{}")
    again = first._replace(partition=8, offset=99, appended_at_ms=77, origin=Origin(LOG_ID, 3, 9, 5))

    assert letters_of("t", UUID(int=2), [again]) == letters_of("t", LOG_ID, [first])


def test_a_value_too_long_for_a_letter_is_cut_and_says_so() -> None:
    kept = letter(poison(b"x" * (VALUE_BYTES_MAX + 1)))

    assert bytes_of(kept.value) == b"x" * VALUE_BYTES_MAX
    assert f"the first {VALUE_BYTES_MAX} of {VALUE_BYTES_MAX + 1} bytes" in kept.reason


@pytest.mark.parametrize(
    ("value", "key", "workspace"),
    [
        (b'{"workspace":"ours","x":1}', None, "ours"),
        (b"{", thread_key(ThreadRef("theirs", LOG_ID, "t")), "theirs"),
        (b'{"workspace":5}', b"\xff", "default"),
        (None, None, "default"),
    ],
)
def test_a_letter_belongs_to_the_workspace_that_can_still_be_read(
    value: bytes | None, key: bytes | None, workspace: str
) -> None:
    assert letter(poison(value, key)).workspace == workspace


def test_few_dead_letters_are_never_too_many() -> None:
    DeadLetterLimit(share_max=0.1, rows_min=5).check(4, 4, "bad")


def test_beyond_the_share_the_sink_stops_and_says_why() -> None:
    limit = DeadLetterLimit(share_max=0.5, rows_min=5)
    limit.check(10, 5, "bad")

    with pytest.raises(FatalError, match=r"6 of the last 10 records.*The latest: bad"):
        limit.check(10, 6, "bad")


def test_small_batches_are_judged_together() -> None:
    limit = DeadLetterLimit(share_max=0.5, rows_min=5)
    for _ in range(4):
        limit.check(1, 1, "bad")
        limit.count(1, 1)

    with pytest.raises(FatalError):
        limit.check(1, 1, "bad")


def test_what_is_long_past_is_forgotten() -> None:
    limit = DeadLetterLimit(share_max=0.5, rows_min=5)
    for _ in range(200):
        limit.count(1000, 0)

    with pytest.raises(FatalError):
        limit.check(10_000, 10_000, "bad")
