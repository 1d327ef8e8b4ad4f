"""Where the consumer reads on; that it reads is shown in `tests/integration/stream` and `tests/simulation`."""

from types import SimpleNamespace
from typing import Any

from faust.types import TP

from pipeline.stream.bulk import BulkConsumer
from pipeline.stream.lifecycle import apply
from pipeline.stream.owned import Owned
from pipeline.topics import TRACES
from tests.unit.stream.logs import LOG_ID, Log, key


class Seeking:
    """Stands for the consumer of an app, as far as these methods look at it."""

    should_stop = False
    consumer_stopped_errors = ()

    def __init__(self, owned: Owned, *, app_stops: bool = False) -> None:
        self.app = SimpleNamespace(intake=SimpleNamespace(owned=owned), should_stop=app_stops)
        self.sought: dict[TP, int] = {}
        self.drained = 0

    async def seek(self, place: TP, offset: int) -> None:
        self.sought[place] = offset

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
