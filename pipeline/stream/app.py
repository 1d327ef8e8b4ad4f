"""The Faust app `threadline-stream`: one topic in, one table, one agent; assembled, not started."""

from typing import Any, Final
from uuid import UUID

import faust
from faust.types import TP

from pipeline.adapters.clock import Clock
from pipeline.adapters.kafka.admin import partitions_of
from pipeline.adapters.kafka.connection import password_of, tls_context
from pipeline.settings import KafkaSettings, Settings
from pipeline.stream import faust_internals, table
from pipeline.stream.agent import apply_batches
from pipeline.stream.batches import BatchQueue
from pipeline.stream.bulk import BulkApp, Intake
from pipeline.stream.commit import Checkpoints
from pipeline.stream.fence import Fence
from pipeline.stream.outputs import Publisher
from pipeline.stream.owned import Owned
from pipeline.stream.table import CHANGELOG, CHANGELOG_CONFIG, ThreadsTable
from pipeline.stream.tallies import observe
from pipeline.stream.ticks import run_ticks, write_default_timeout
from pipeline.topics import STREAM_GROUP, THREAD_REPLIES, TRACES

CLIENT_ID: Final = "threadline-worker"
OBSERVE_SECONDS: Final = 1.0
PARTITION_FETCH_BYTES_MAX: Final = 1024 * 1024


def build(
    settings: Settings, clock: Clock, *, log_id: UUID, publisher: Publisher, ticker: Publisher, fence: Fence
) -> BulkApp:
    """Return the app; `log_id` is that of the topic `traces`. `publisher`, `ticker` and `fence` must outlive the app.

    `ticker` writes what the owner itself appends to the log: with a connection of its own, so that time does not queue
    up behind outputs.
    """
    app = BulkApp(STREAM_GROUP, **_faust_settings(settings))
    owned = Owned(log_id)
    checkpoints = Checkpoints(
        owned,
        publisher=publisher,
        changelog_of=fence.writer_of,
        commit_offsets=_commit_through(app),
        keeps_metadata=settings.stream.transactions,  # the broker that has no transactions does not
        reply_partitions=partitions_of(THREAD_REPLIES, settings.kafka),
        clock=clock,
    )
    app.intake = Intake(
        owned,
        changelog=CHANGELOG.name,
        fetch_bytes_max=settings.stream.fetch_bytes_max,
        commit=checkpoints.commit_all,
        batches=BatchQueue(bytes_max=settings.stream.read_ahead_bytes_max),
    )
    _declare_table(app, settings, clock, owned, ticker, fence)
    _declare_agent(app, checkpoints)
    _declare_tasks(app, settings, owned, checkpoints, ticker)
    return app


def _faust_settings(settings: Settings) -> dict[str, Any]:
    kafka, stream = settings.kafka, settings.stream
    request_seconds = max(kafka.request_timeout_ms, kafka.session_timeout_ms) / 1000
    return {
        "broker": [f"aiokafka://{address}" for address in kafka.bootstrap.split(",")],
        "broker_client_id": CLIENT_ID,
        "broker_credentials": _credentials(kafka),
        "broker_session_timeout": kafka.session_timeout_ms / 1000,
        "broker_heartbeat_interval": kafka.heartbeat_interval_ms / 1000,
        "broker_request_timeout": request_seconds,
        "broker_commit_interval": stream.commit_interval_ms / 1000,
        "broker_max_poll_records": stream.batch_records_max,
        "consumer_auto_offset_reset": "earliest",
        "consumer_group_instance_id": stream.instance_id,
        "consumer_max_fetch_size": min(PARTITION_FETCH_BYTES_MAX, stream.fetch_bytes_max),
        # State in memory, recovered from the changelog each time: see owned.
        "store": "memory://",
        "Table": ThreadsTable,
        "table_standby_replicas": 0,  # a copy in memory is thrown away at each recovery
        "recovery_consistency_check": False,
        "stream_recovery_delay": 0.0,
        "stream_wait_empty": True,  # commit once more before partitions are given up
        "topic_partitions": kafka.partitions,
        "topic_replication_factor": kafka.replication_factor,
        "topic_disable_leader": True,
        "web_enabled": False,
        "worker_redirect_stdouts": False,
    }


def _credentials(kafka: KafkaSettings) -> Any:
    """Return by what Faust's own clients connect, as ours do by `connection_of`."""
    context = tls_context(kafka)
    if kafka.uses_sasl:
        return faust.SASLCredentials(
            username=kafka.sasl_username,
            password=password_of(kafka),
            mechanism=kafka.sasl_mechanism,
            ssl_context=context,
        )
    return None if context is None else faust.SSLCredentials(context)


def _commit_through(app: BulkApp) -> Any:
    async def commit_offsets(offsets: dict[int, tuple[int, str]]) -> bool:
        places = {TP(TRACES.name, number): entry for number, entry in offsets.items()}
        return await faust_internals.commit(app.consumer, places)

    return commit_offsets


def _declare_table(
    app: BulkApp, settings: Settings, clock: Clock, owned: Owned, ticker: Publisher, fence: Fence
) -> None:
    threads = app.Table(
        table.NAME,
        partitions=settings.kafka.partitions,
        key_type=bytes,
        value_type=bytes,
        extra_topic_configs=CHANGELOG_CONFIG,
    )

    async def on_begin() -> None:
        await write_default_timeout(owned, ticker, settings.stream.thread_timeout_ms)

    threads.owned, threads.fence, threads.clock = owned, fence, clock
    threads.polling, threads.on_begin = app.intake.polling, on_begin


def _declare_agent(app: BulkApp, checkpoints: Checkpoints) -> None:
    topic = app.topic(TRACES.name, key_type=bytes, value_type=bytes, partitions=app.conf.topic_partitions)

    async def apply_log(_: Any) -> None:
        """Apply batches; Faust would start an agent that raised anew, but nothing is right after that."""
        try:
            await apply_batches(app.intake.batches, checkpoints)
        except Exception as error:
            await app.crash(error)
            raise

    app.agent(topic)(apply_log)

    @app.on_partitions_revoked.connect(weak=False)  # type: ignore[untyped-decorator]
    async def give_up(_: Any, revoked: set[TP], **__: Any) -> None:  # noqa: ARG001
        """Faust has committed what was applied; nothing of these partitions may be written from now on."""
        await checkpoints.drop_all()


def _declare_tasks(app: BulkApp, settings: Settings, owned: Owned, checkpoints: Checkpoints, ticker: Publisher) -> None:
    """Name what runs beside the agent once the app is started; a task that raises crashes the app."""

    @app.task  # type: ignore[untyped-decorator]
    async def ticks() -> None:
        await run_ticks(owned, ticker, settings.stream.tick_interval_ms / 1000)

    @app.task  # type: ignore[untyped-decorator]
    async def flushes() -> None:
        await checkpoints.run_flushes(settings.stream.flush_interval_ms / 1000)

    @app.timer(OBSERVE_SECONDS)  # type: ignore[untyped-decorator]
    async def gauges() -> None:
        observe(owned)
