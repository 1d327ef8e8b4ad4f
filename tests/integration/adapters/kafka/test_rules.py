"""Rules as two processes see them, over a real broker."""

import asyncio
from typing import Any
from uuid import UUID

from pipeline.adapters.clock import SystemClock
from pipeline.adapters.kafka.admin import ensure_topics
from pipeline.adapters.kafka.producer import EventProducer
from pipeline.adapters.kafka.rules import RuleLog
from pipeline.events.envelope import Record, headers_of
from pipeline.events.rules import Rule, rule_deletion
from pipeline.settings import KafkaSettings
from pipeline.topics import RULES
from tests.support.waiting import eventually

PROJECT, OTHER = UUID(int=7), UUID(int=8)


def rule(number: int, **fields: Any) -> Rule:
    given = {
        "id": UUID(int=number), "workspace": "default", "project_id": PROJECT, "name": f"rule {number}",
        "created_at_us": 1, "version_us": 1,
    }  # fmt: skip
    return Rule(**(given | fields))


async def test_the_latest_state_of_every_rule_is_read_at_the_start_and_followed(settings: KafkaSettings) -> None:
    await ensure_topics(settings, SystemClock())
    rules = RuleLog(settings)
    async with EventProducer(settings, client_id="test") as producer:
        await producer.publish(
            RULES,
            [
                rule(1).record(), rule(2).record(), rule(3).record(), rule(2, version_us=2, name="new").record(),
                rule_deletion("default", UUID(int=3)), Record(b"poison", b"{}", headers_of("rule")),
                rule(1, version_us=0, name="stale").record(),
            ],
        )  # fmt: skip
        await rules.start()
        try:
            assert sorted(one.name for one in rules.of_project("default", PROJECT)) == ["new", "rule 1"]

            await producer.publish(RULES, [rule(1, version_us=3, project_id=OTHER).record()])

            async def moved() -> list[str]:
                await asyncio.sleep(0)
                return [one.name for one in rules.of_project("default", OTHER)]

            await eventually(moved, lambda names: names == ["rule 1"])
            assert [one.name for one in rules.of_project("default", PROJECT)] == ["new"]
            assert len(rules.of_workspace("default")) == 2
            assert rules.of_workspace("other") == []
            assert rules.find("default", UUID(int=2)) == rule(2, version_us=2, name="new")
            assert rules.find("other", UUID(int=2)) is None
        finally:
            await rules.stop()


def test_what_was_just_written_may_be_put_in_and_taken_out() -> None:
    rules = RuleLog(KafkaSettings())
    record = rule(1).record()
    rules.put(record.key or b"", rule(1))
    assert rules.of_project("default", PROJECT) == [rule(1)]

    rules.put(record.key or b"", None)

    assert (rules.of_project("default", PROJECT), rules.of_workspace("default")) == ([], [])
