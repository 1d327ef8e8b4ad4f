from dataclasses import dataclass, field
from uuid import UUID

from pipeline.commands.replay import not_deleted, without_gaps
from pipeline.events.dead_letters import Origin

LOG, OLDER_LOG = UUID(int=1), UUID(int=2)


@dataclass
class LogRecord:
    offset: int
    headers: tuple[tuple[str, bytes], ...] = ()
    key: bytes | None = None
    value: bytes | None = None
    timestamp: int = 0


@dataclass
class Deleted:
    """Answers as storage does with these places deleted, and keeps what it was asked."""

    places: set[tuple[UUID, int, int]]
    asked: list[dict[str, object]] = field(default_factory=list)

    async def __call__(self, log: UUID, partition: int, first: int, last: int) -> set[int]:
        self.asked.append({"log": log, "partition": partition, "first": first, "last": last})
        return {place[2] for place in self.places if place[:2] == (log, partition) and first <= place[2] <= last}


async def offsets_left(deleted: Deleted, records: list[LogRecord]) -> list[int]:
    return [record.offset for record in await not_deleted(deleted, LOG, 3, records)]


async def test_records_whose_places_were_deleted_are_left_out() -> None:
    deleted = Deleted({(LOG, 3, 11), (LOG, 4, 10), (OLDER_LOG, 3, 10)})

    assert await offsets_left(deleted, [LogRecord(10), LogRecord(11), LogRecord(12)]) == [10, 12]
    assert deleted.asked == [{"log": LOG, "partition": 3, "first": 10, "last": 12}]
    assert await offsets_left(deleted, []) == []


async def test_a_dead_letter_that_came_again_counts_as_where_it_stood_first() -> None:
    deleted = Deleted({(OLDER_LOG, 9, 100)})
    came_again = LogRecord(10, (Origin(OLDER_LOG, 9, 100, 5).header(),))
    another = LogRecord(11, (Origin(OLDER_LOG, 9, 101, 5).header(),))
    nonsense = LogRecord(12, (("replayed-from", b"nowhere"),))

    assert await offsets_left(deleted, [came_again, another, nonsense]) == [11, 12]


def test_what_lies_between_the_records_is_not_taken_for_offsets_without_an_event() -> None:
    fetched = list(without_gaps([LogRecord(offset) for offset in (3, 4, 7, 9, 10)]))

    assert [(one.offset, one.next_offset, len(one.records)) for one in fetched] == [(3, 5, 2), (7, 8, 1), (9, 11, 2)]
    assert list(without_gaps([])) == []
