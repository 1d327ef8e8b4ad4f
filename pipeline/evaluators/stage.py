"""The evaluators stage put together: what `threadline evaluate` runs."""

import asyncio
from collections.abc import Callable

from pipeline.adapters.chat import ChatModel
from pipeline.adapters.clickhouse.client import ClickHouse
from pipeline.adapters.clock import Clock
from pipeline.adapters.kafka.admin import check_topics
from pipeline.adapters.kafka.member import GroupMember
from pipeline.adapters.kafka.producer import EventProducer
from pipeline.adapters.kafka.rules import RuleLog
from pipeline.adapters.kafka.watermarks import Watermarks
from pipeline.errors import ThreadlineError
from pipeline.evaluators.coverage import Coverage
from pipeline.evaluators.heuristics import HEURISTICS
from pipeline.evaluators.judge import Judge
from pipeline.evaluators.judges import judges_of
from pipeline.evaluators.loop import TALLY, Evaluators
from pipeline.evaluators.reader import TranscriptReader
from pipeline.evaluators.reading import QUERY_SETTINGS
from pipeline.evaluators.registry import Registry
from pipeline.evaluators.rulebook import RuleBook
from pipeline.evaluators.session import Evaluation
from pipeline.settings import Settings
from pipeline.topics import EVALUATORS_GROUP, SINKS_GROUP, SPANS, THREADS, TRACES

Check = Callable[[], str | None]
"""Says what is wrong, or None."""


async def run(
    settings: Settings,
    clock: Clock,
    *,
    ready: Callable[[], None],
    stop: asyncio.Event,
    live_while: Callable[[str, Check], None] | None = None,
) -> None:
    """Evaluate closed sessions until `stop`, then finish what is in hand within `settings.operation.drain_seconds`.

    `live_while` is given a check that finds fault with a loop that has not moved for `evaluate.stall_seconds_max`.
    Raises FatalError where the stage cannot go on, and BrokerUnavailable where Kafka does not answer at the start.
    """
    own = settings.evaluate
    rules = RuleLog(settings.kafka)
    model = ChatModel(own.judge_url, own.judge_api_key, timeout_seconds=own.judge_timeout_seconds)
    judge = Judge(model, own, clock) if own.judge_url else None
    registry = Registry.with_installed({**HEURISTICS, **judges_of(judge)})
    book = RuleBook(rules, registry, default_evaluators=own.default_evaluators)
    await check_topics(settings.kafka)  # before a client asks for one, which may create it
    async with (
        model,
        ClickHouse(settings.clickhouse, query_settings=QUERY_SETTINGS) as client,
        EventProducer(settings.kafka, client_id=EVALUATORS_GROUP) as producer,
        Watermarks(settings.kafka, (TRACES, SPANS), SINKS_GROUP) as watermarks,
    ):
        coverage = Coverage(
            watermarks, clock, snapshot_seconds=own.snapshot_interval_ms / 1000,
            poll_seconds=own.storage_poll_ms / 1000, retry_seconds_max=own.retry_seconds_max,
        )  # fmt: skip
        reader = TranscriptReader(client, own, clock)
        member = GroupMember(settings.kafka, own, clock, (THREADS,), EVALUATORS_GROUP, TALLY)
        evaluation = Evaluation(coverage, reader, producer, clock, own, member.log_id)
        work = Evaluators(settings, clock, book, member, evaluation)
        if live_while is not None:
            live_while("loop", member.check_moving)
        await rules.start()
        try:
            # When one of these ends, which only a fault of ours brings about, the stage ends with it.
            async with asyncio.TaskGroup() as group:
                lookers = [group.create_task(coverage.run())]
                lookers += [group.create_task(reader.run()) for _ in range(own.reads_concurrency_max)]
                await member.run(work, ready, stop)
                for looker in lookers:
                    looker.cancel()
        except* ThreadlineError as failures:
            raise failures.exceptions[0] from None
        finally:
            await rules.stop()
