"""Every private part that the stream stage relies on is there, with the parameters found in these versions."""

import asyncio
import importlib
import inspect
import re
import threading
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.consumer.subscription_state import Assignment, Subscription, SubscriptionState, TopicPartitionState
from aiokafka.errors import NodeNotReadyError, ProducerFenced
from aiokafka.producer.transaction_manager import TransactionManager
from aiokafka.structs import OffsetAndMetadata
from faust import App
from faust.app.base import App as BaseApp
from faust.tables.recovery import Recovery
from faust.tables.table import Table
from faust.transport.consumer import Consumer as BaseConsumer
from faust.transport.consumer import Fetcher
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Consumer, Transport
from mode import Service
from mode.threads import QueueServiceThread, ServiceThread, WorkerThread
from mode.utils.queues import FlowControlQueue

from pipeline.stream import bulk, faust_internals

PINNED = {"faust-streaming": "0.15.3", "mode-streaming": "0.7.1", "aiokafka": "0.14.0"}


@pytest.mark.parametrize(("package", "pinned"), PINNED.items())
def test_the_versions_are_those_that_were_read(package: str, pinned: str) -> None:
    assert version(package) == pinned


@pytest.mark.parametrize(
    ("module", "owner", "method", "parameters"), [*faust_internals.OVERRIDDEN, *faust_internals.CALLED]
)
def test_a_private_method_is_there(module: str, owner: str, method: str, parameters: tuple[str, ...]) -> None:
    found = getattr(getattr(importlib.import_module(module), owner), method)
    assert tuple(inspect.signature(found).parameters) == parameters


@pytest.mark.parametrize(
    ("owner", "method", "parameters"),
    [
        (Consumer, "force_commit", ("self", "topics", "start_new_transaction")),
        (Consumer, "verify_event_path", ("self", "now", "tp")),
        (Table, "persisted_offset", ("self", "tp")),
        (Table, "apply_changelog_batch", ("self", "batch")),
        (Table, "on_rebalance", ("self", "assigned", "revoked", "newly_assigned", "generation_id")),
        (Table, "on_recovery_completed", ("self", "active_tps", "standby_tps")),
        (App, "on_first_start", ("self",)),
        (FlowControlQueue, "force_put_nowait", ("self", "item")),
        (QueueServiceThread, "call_thread", ("self", "fun", "args", "kwargs")),
    ],
)
def test_a_hook_has_its_parameters(owner: type, method: str, parameters: tuple[str, ...]) -> None:
    assert tuple(inspect.signature(getattr(owner, method)).parameters) == parameters


def test_faust_asks_the_hooks_that_are_overridden() -> None:
    assert "consumer._drain_messages(self)" in inspect.getsource(Fetcher)
    assert "self.force_commit(" in inspect.getsource(BaseConsumer.commit)
    assert "self._new_consumer_thread()" in inspect.getsource(importlib.import_module("faust.transport.consumer"))
    assert "self._create_worker_consumer(transport)" in inspect.getsource(AIOKafkaConsumerThread)
    assert "self.Consumer(self, callback" in inspect.getsource(inspect.getmodule(Transport.__mro__[1]) or Transport)
    assert "self._new_transport()" in inspect.getsource(BaseApp)
    assert "self.Worker(self)" in inspect.getsource(ServiceThread.start)


def test_the_thread_of_the_client_takes_its_service() -> None:
    assert next(iter(inspect.signature(WorkerThread.__init__).parameters)) == "self"
    assert issubclass(bulk.FetchingThread.Worker, WorkerThread)


async def test_the_fetches_of_a_client_can_be_bounded_before_it_starts() -> None:
    client = AIOKafkaConsumer()
    assert (client._fetch_max_bytes, client._fetch_max_wait_ms) == (52428800, 500)
    faust_internals.bound_fetches(client, fetch_bytes_max=1, wait_ms_max=2)
    assert (client._fetch_max_bytes, client._fetch_max_wait_ms) == (1, 2)
    assert "fetch_max_bytes=self._fetch_max_bytes" in inspect.getsource(AIOKafkaConsumer.start)
    assert "fetch_max_wait_ms=self._fetch_max_wait_ms" in inspect.getsource(AIOKafkaConsumer.start)
    assert client._isolation_level == "read_uncommitted"
    faust_internals.read_committed_only(client)
    assert client._isolation_level == "read_committed"
    assert "isolation_level=self._isolation_level" in inspect.getsource(AIOKafkaConsumer.start)
    assert client._coordinator is None
    assert isinstance(client._subscription, SubscriptionState)
    await client.stop()


def test_a_thread_has_its_client_once_it_has_started() -> None:
    assert "self._consumer = self._create_consumer" in inspect.getsource(AIOKafkaConsumerThread.on_start)


def test_a_position_is_found_where_it_is_looked_for() -> None:
    assert isinstance(SubscriptionState.subscription, property)
    assert isinstance(Subscription.assignment, property)
    assert isinstance(Assignment.tps, property)
    assert tuple(inspect.signature(Assignment.state_value).parameters) == ("self", "tp")
    assert isinstance(TopicPartitionState.has_valid_position, property)
    assert isinstance(TopicPartitionState.position, property)


class Coordinator:
    """Stands for the Kafka client's: the broker is away for as many requests as the test says."""

    def __init__(self, *, away_for: int = 0) -> None:
        self.generation = 5
        self.away_for = away_for
        self.sent: list[dict[TopicPartition, OffsetAndMetadata]] = []
        self.meanwhile: Callable[[], None] = int
        self._commit_lock = asyncio.Lock()
        self._retry_backoff_ms = 0

    async def ensure_coordinator_known(self) -> None:
        await asyncio.sleep(0)

    async def _do_commit_offsets(self, _: object, offsets: dict[TopicPartition, OffsetAndMetadata]) -> None:
        if self.away_for:
            self.away_for -= 1
            self.meanwhile()
            raise NodeNotReadyError
        self.sent.append(offsets)


PLACES = {TopicPartition("traces", 0): OffsetAndMetadata(7, "9000")}


async def test_a_commit_is_tried_until_the_broker_is_back() -> None:
    coordinator = Coordinator(away_for=3)
    assert await faust_internals._commit_within(coordinator, PLACES, 5, threading.Event())
    assert coordinator.sent == [PLACES]


async def test_a_commit_is_not_sent_in_a_later_generation() -> None:
    coordinator = Coordinator(away_for=1)
    coordinator.meanwhile = lambda: setattr(coordinator, "generation", 6)
    assert not await faust_internals._commit_within(coordinator, PLACES, 5, threading.Event())
    assert coordinator.sent == []


async def test_a_commit_is_not_sent_by_what_is_no_member() -> None:
    coordinator = Coordinator()
    coordinator.generation = -1
    assert not await faust_internals._commit_within(coordinator, PLACES, -1, threading.Event())
    assert coordinator.sent == []


async def test_a_commit_is_not_sent_after_its_caller_has_given_up() -> None:
    coordinator, abandoned = Coordinator(away_for=1), threading.Event()
    coordinator.meanwhile = abandoned.set
    assert not await faust_internals._commit_within(coordinator, PLACES, 5, abandoned)
    assert coordinator.sent == []


def test_a_commit_needs_of_the_coordinator_what_it_has() -> None:
    made = inspect.getsource(GroupCoordinator.__init__)
    assert "self._commit_lock = asyncio.Lock()" in made
    assert "self._retry_backoff_ms = retry_backoff_ms" in made
    assert "self.generation = " in made
    sending = inspect.getsource(GroupCoordinator._do_commit_offsets)
    assert sending.count("assignment") == 1, "only the name of the parameter"
    request, _, rest = sending.partition("await")
    assert "self.generation," in request
    assert rest.startswith(" self._send_req(request)"), "the generation is looked at before any await"


def test_recovery_looks_at_no_more_of_an_event_than_its_place() -> None:
    source = inspect.getsource(Recovery._slurp_changelogs.fun)
    assert "changelog_queue = self.tables.changelog_queue" in source
    assert {line.split("message.")[1].split()[0] for line in source.splitlines() if " message." in line} == {
        "tp",
        "offset",
    }
    assert bulk.Place._fields == ("tp", "offset")


def test_a_crash_is_known_by_its_reason() -> None:
    assert "self.crash_reason = reason" in inspect.getsource(Service._crash)
    assert tuple(inspect.signature(Service.wait).parameters) == ("self", "coros", "timeout")


def test_no_other_module_of_the_stage_reaches_into_faust() -> None:
    private = re.compile(r"(?:app|client|consumer|fetcher|tables|recovery|transport)\._[a-z]\w*")
    modules = [path for path in Path(faust_internals.__file__).parent.glob("*.py") if path.stem != "faust_internals"]
    reached = {(path.name, found) for path in modules for found in private.findall(path.read_text())}
    assert reached == set()


async def test_the_outcome_of_a_transaction_is_found_where_it_is_looked_for() -> None:
    producer = AIOKafkaProducer(transactional_id="an-id")
    assert faust_internals.transaction_outcome(producer) is None
    manager = producer._txn_manager
    assert isinstance(manager, TransactionManager)
    manager.set_pid_and_epoch(1, 0)
    manager.begin_transaction()
    assert faust_internals.transaction_outcome(producer) is None
    manager.fatal_error(refusal := ProducerFenced())
    outcome = faust_internals.transaction_outcome(producer)
    assert outcome is not None
    assert outcome.exception() is refusal
    await producer.stop()
