"""A publisher that keeps what it is given, and can be made to wait or to fail."""

import asyncio
from collections.abc import Mapping, Sequence

from pipeline.errors import BrokerUnavailable
from pipeline.events.envelope import Record
from pipeline.stream.lifecycle import apply
from pipeline.stream.owned import Owned
from pipeline.stream.partition import Partition
from pipeline.topics import Topic
from tests.unit.stream.logs import LOG_ID, NUMBER, Log


class Recording:
    """Stands for the broker: what is in `acked` is durable, in the order of acknowledgement."""

    def __init__(self) -> None:
        self.acked: list[tuple[str, int]] = []
        self.records: dict[str, list[Record]] = {}
        self.fails_on: str | None = None
        self.fails_with: type[Exception] = BrokerUnavailable
        self.holds: asyncio.Event | None = None

    async def publish(self, topic: Topic, records: Sequence[Record]) -> None:
        if not records:
            return
        if topic.name == self.fails_on:
            raise self.fails_with("as the test wants it")
        if self.holds is not None:
            await self.holds.wait()
        self.acked.append((topic.name, len(records)))
        self.records.setdefault(topic.name, []).extend(records)

    async def commit(self, offsets: Mapping[int, tuple[int, str]]) -> bool:
        self.acked += [("offsets", offset) for offset, _ in offsets.values()]
        return True


def owned_after(log: Log) -> tuple[Owned, Partition]:
    """Return one partition that has applied `log`."""
    owned = Owned(LOG_ID)
    owned.assign([NUMBER])
    list(owned.begin({}))
    [partition] = owned
    list(apply(partition, log.records))
    return owned, partition
