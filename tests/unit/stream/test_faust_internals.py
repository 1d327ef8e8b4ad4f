"""Every private part that the stream stage relies on is there, with the parameters found in these versions."""

import importlib
import inspect
import re
from importlib.metadata import version
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.consumer.subscription_state import Assignment, Subscription, SubscriptionState, TopicPartitionState
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
        (AIOKafkaConsumer, "commit", ("self", "offsets")),
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


def test_a_position_is_found_where_it_is_looked_for() -> None:
    assert isinstance(SubscriptionState.subscription, property)
    assert isinstance(Subscription.assignment, property)
    assert isinstance(Assignment.tps, property)
    assert tuple(inspect.signature(Assignment.state_value).parameters) == ("self", "tp")
    assert isinstance(TopicPartitionState.has_valid_position, property)
    assert isinstance(TopicPartitionState.position, property)


def test_recovery_looks_at_no_more_of_an_event_than_its_place() -> None:
    source = inspect.getsource(Recovery._slurp_changelogs.fun)
    assert "changelog_queue = self.tables.changelog_queue" in source
    assert {line.split("message.")[1].split()[0] for line in source.splitlines() if " message." in line} == {
        "tp",
        "offset",
    }
    assert bulk.Place._fields == ("tp", "offset")


def test_recovery_keeps_a_set_of_its_own_for_each_assignment_and_hands_that_one_on() -> None:
    heard = inspect.getsource(Recovery.on_rebalance)
    assert "self.actives_for_table.clear()" in heard
    assert "self._generation_id = generation_id" in heard
    assert "self.actives_for_table[table]," in inspect.getsource(Recovery.on_recovery_completed)


def test_a_crash_is_known_by_its_reason() -> None:
    assert "self.crash_reason = reason" in inspect.getsource(Service._crash)
    assert tuple(inspect.signature(Service.wait).parameters) == ("self", "coros", "timeout")


def test_no_other_module_of_the_stage_reaches_into_faust() -> None:
    private = re.compile(r"(?:app|client|consumer|fetcher|tables|recovery|transport)\._[a-z]\w*")
    modules = [path for path in Path(faust_internals.__file__).parent.glob("*.py") if path.stem != "faust_internals"]
    reached = {(path.name, found) for path in modules for found in private.findall(path.read_text())}
    assert reached == set()
