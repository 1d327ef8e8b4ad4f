"""From Kafka to the agent in bulk: Faust's consumer with its slow paths replaced.

Faust moves each record through four asyncio tasks, a lock and a queue (11 to 13 thousand records a second), and tracks
the acknowledgement of each. Here what one poll brought for one partition is one batch; the agent takes batches from a
queue of its own, and offsets are committed up to the last record that was applied.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from faust import App
from faust.transport.consumer import ensure_TP
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from mode.threads import WorkerThread

from pipeline.adapters.kafka.lean import give_lean_records
from pipeline.stream import faust_internals
from pipeline.stream.batches import Batch, BatchQueue
from pipeline.stream.owned import Owned
from pipeline.topics import TRACES

POLL_SECONDS_MAX: Final = 0.25
FETCH_WAIT_MS_MAX: Final = 250
FEW_RECORDS: Final = 200
PAUSE_SECONDS: Final = 0.01
"""So long nothing is polled after a poll that brought few records: each costs as much as dozens of them."""


@dataclass
class Intake:
    """Where the consumer puts what it reads, and whom it asks to commit."""

    owned: Owned
    changelog: str
    fetch_bytes_max: int
    commit: Callable[[], Awaitable[bool]]
    batches: BatchQueue
    polling: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while a poll is under way."""
    turns: int = 0
    """How often the consumer loop has turned; a watchdog looks whether it grows."""


class Place(NamedTuple):
    """How far a changelog partition has been read."""

    tp: TP
    offset: int


class Progress(NamedTuple):
    """Stands in for the events of a changelog, of which Faust's recovery looks at nothing but the place."""

    message: Place


class DaemonThread(WorkerThread):  # type: ignore[misc]
    """The OS thread of the Kafka client; one that hangs must not keep a failed process alive."""

    def __init__(self, service: Any, **options: Any) -> None:
        super().__init__(service, **options)
        self.daemon = True


class FetchingThread(driver.AIOKafkaConsumerThread):  # type: ignore[misc]
    """Faust's thread of the Kafka client, with its fetches bounded by our settings and records left as they are."""

    Worker = DaemonThread

    async def on_start(self) -> None:
        """Start the client."""
        await super().on_start()
        give_lean_records(faust_internals.client_in(self))

    def _create_worker_consumer(self, transport: Any) -> Any:
        client = super()._create_worker_consumer(transport)
        fetch_bytes_max = self.app.intake.fetch_bytes_max
        faust_internals.bound_fetches(client, fetch_bytes_max=fetch_bytes_max, wait_ms_max=FETCH_WAIT_MS_MAX)
        faust_internals.read_committed_only(client)
        return client


class BulkConsumer(driver.Consumer):  # type: ignore[misc]
    """Faust's consumer, draining polls whole."""

    def _new_consumer_thread(self) -> FetchingThread:
        return FetchingThread(self, loop=self.loop, beacon=self.beacon)

    async def force_commit(self, topics: Any = None, start_new_transaction: bool = True) -> bool:  # noqa: ARG002, FBT001, FBT002
        """Commit what was applied; called in turn, by Faust's timer, at a rebalance and at the end."""
        return await self.app.intake.commit()  # type: ignore[no-any-return]

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Do nothing: Faust's look for stuck streams knows only its own queues; `worker` has a watchdog."""

    async def perform_seek(self) -> None:
        """Read on where each partition stands; called when recovery is over.

        Faust would look up again what is committed. What another worker committed while this one was paused would lead
        it past records that it never applied, and what it says of those behind them would be false.
        """
        places = {TP(TRACES.name, partition.number): partition.next_offset for partition in self.app.intake.owned}
        await faust_internals.seek(self, places)

    async def _drain_messages(self, fetcher: Any) -> None:
        """Drain until the end, for ever.

        Faust stops its fetcher first, perhaps in the middle of a poll whose records are lost with that, and a recovery
        that ends then would start it again. So nothing is read any more once the app stops.
        """
        try:
            while not (self.should_stop or fetcher.should_stop or self.app.should_stop):
                await self._drain_once()
        except (asyncio.CancelledError, *self.consumer_stopped_errors):
            if not self.app.should_stop:  # else this is how the end looks from here
                raise

    async def _drain_once(self) -> None:
        """Hand on what one poll brings.

        A poll moves the positions, so none may span the beginning of an assignment: what it brought would belong to
        partitions that are gone, and be lacking afterwards. `Intake.polling` lets the assignment wait for it. From the
        poll to the look-up of every partition there is no await, so that no batch can meet the partition of a later
        assignment; and nothing that was polled is dropped, not even if flow was stopped meanwhile.
        """
        intake = self.app.intake
        intake.turns += 1
        if not self.flow_active:
            await self.wait(self.can_resume_flow)
            return
        batches = []
        async with intake.polling:
            if not self.flow_active:
                return
            shares = await faust_internals.next_records(self, POLL_SECONDS_MAX)
            for place, records in shares.items():
                if place.topic == intake.changelog:
                    intake.owned.restore(place.partition, records)
                elif (partition := intake.owned.live(place.partition)) is not None:
                    batches.append(Batch(partition, records))
            self._note_restored()
            if self.app.in_recovery:
                self._report_progress()
        for batch in batches:
            await intake.batches.put(batch)
        if 0 < sum(len(batch.records) for batch in batches) < FEW_RECORDS:
            await asyncio.sleep(PAUSE_SECONDS)

    def _note_restored(self) -> None:
        """Note how far the changelogs have been handed on; behind the last record there may be control records."""
        owned = self.app.intake.owned
        for number in list(owned.recovering):
            position = faust_internals.position_of(self, TP(self.app.intake.changelog, number))
            owned.restored_to(number, position or 0)

    def _report_progress(self) -> None:
        """Tell Faust's recovery how far the changelog has been read.

        The position counts and not the last record: behind it there may be control records of a transaction.
        """
        tables = self.app.tables
        for tp in tables.recovery.active_tps:
            position = faust_internals.position_of(self, tp)
            if position is not None and position > 0:
                tables.changelog_queue.force_put_nowait(Progress(Place(ensure_TP(tp), position - 1)))


class BulkTransport(driver.Transport):  # type: ignore[misc]
    """Faust's transport, with our consumer."""

    Consumer = BulkConsumer


class BulkApp(App):  # type: ignore[misc]
    """A Faust app whose consumer fills `intake`; it is set before the start."""

    intake: Intake

    def _new_transport(self) -> BulkTransport:
        return BulkTransport(self.conf.broker_consumer, self)

    async def on_first_start(self) -> None:
        """Do nothing: Faust would make a data directory, and nothing is kept on disk."""
