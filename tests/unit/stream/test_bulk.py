"""Where the consumer reads on; that it reads is shown in `tests/integration/stream` and `tests/simulation`."""

from types import SimpleNamespace
from typing import Any
from unittest.mock import AsyncMock

import pytest
from faust.types import TP

from pipeline.stream import bulk
from pipeline.stream.batches import BatchQueue
from pipeline.stream.bulk import FEW_RECORDS, PAUSE_SECONDS, BulkConsumer, Intake
from pipeline.stream.lifecycle import apply
from pipeline.stream.owned import Owned
from pipeline.topics import TRACES
from tests.unit.stream.logs import LOG_ID, Log, key


class Seeking:
    """Stands for the consumer of an app, as far as these methods look at it."""

    should_stop = False
    flow_active = True
    consumer_stopped_errors = ()

    def __init__(self, owned: Owned, *, app_stops: bool = False) -> None:
        intake = Intake(
            owned, changelog="changelog", fetch_bytes_max=1, commit=AsyncMock(), batches=BatchQueue(bytes_max=1 << 20)
        )
        self.app = SimpleNamespace(intake=intake, should_stop=app_stops, in_recovery=False)
        self.sought: dict[TP, int] = {}
        self.drained = 0

    async def seek(self, place: TP, offset: int) -> None:
        self.sought[place] = offset

    def _note_restored(self) -> None:
        assert not self.app.intake.owned.recovering

    async def _drain_once(self) -> None:
        self.drained += 1
        self.app.should_stop = self.drained == 2


async def test_after_recovery_each_partition_is_read_from_where_it_stands_whatever_was_committed_since() -> None:
    owned = Owned(LOG_ID)
    owned.assign([1, 2, 3])
    list(owned.begin({1: (7, ""), 3: (9, "")}))
    owned.lose([3])
    partition = owned.live(2)
    assert partition is not None
    list(apply(partition, Log().trace(key("a")).trace(key("a")).records))
    consumer: Any = Seeking(owned)
    await BulkConsumer.perform_seek(consumer)

    assert consumer.sought == {TP(TRACES.name, 1): 7, TP(TRACES.name, 2): 2}


async def test_nothing_is_read_once_the_app_stops() -> None:
    fetcher = SimpleNamespace(should_stop=False)
    before: Any = Seeking(Owned(LOG_ID))
    await BulkConsumer._drain_messages(before, fetcher)
    after: Any = Seeking(Owned(LOG_ID), app_stops=True)
    await BulkConsumer._drain_messages(after, fetcher)

    assert (before.drained, after.drained) == (2, 0)


@pytest.mark.parametrize(
    ("brought", "pauses"), [(0, []), (1, [PAUSE_SECONDS]), (FEW_RECORDS - 1, [PAUSE_SECONDS]), (FEW_RECORDS, [])]
)
async def test_after_a_poll_that_brought_little_more_may_gather(
    brought: int, pauses: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    owned = Owned(LOG_ID)
    owned.assign([3])
    list(owned.begin({}))
    log = Log()
    for _ in range(brought):
        log.trace(key("a"))
    paused = AsyncMock()
    monkeypatch.setattr(bulk.asyncio, "sleep", paused)
    monkeypatch.setattr(
        bulk.faust_internals,
        "next_records",
        AsyncMock(return_value={TP(TRACES.name, 3): log.records} if brought else {}),
    )
    consumer: Any = Seeking(owned)
    await BulkConsumer._drain_once(consumer)

    assert [call.args[0] for call in paused.await_args_list] == pauses
