"""`threadline dlq`: what was set aside, why, and once more into the log where the cause is gone.

A replay publishes the original bytes to the topic, and the partition, where they stood, with a header that says where
that was. The sink stores the row under that place: a second replay changes nothing in storage. Letters that came again
before, those that are still on their way into storage included, are left out unless asked for.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from pipeline.adapters.clickhouse.client import ClickHouse
from pipeline.adapters.kafka.offsets import read_bounds
from pipeline.adapters.kafka.producer import EventProducer
from pipeline.adapters.kafka.reader import read_to_end
from pipeline.errors import Unknown
from pipeline.events.dead_letters import Origin
from pipeline.events.envelope import HEADER_REPLAYED_FROM, Record
from pipeline.settings import KafkaSettings, Settings
from pipeline.sinks.letters import Filters, Letter, summaries, whole
from pipeline.topics import SINKS_GROUP, STORED, Topic

_TOPICS: Final = {topic.name: topic for topic in STORED}
_CLIENT_ID: Final = "threadline-dlq"
_PUBLISH_RECORDS_MAX: Final = 500
_PUBLISH_BYTES_MAX: Final = 16 * 1024 * 1024


def show_all(settings: Settings, filters: Filters, *, letters_max: int, as_json: bool) -> None:
    """Print letters, the newest first."""
    found = asyncio.run(_summaries(settings, filters, letters_max))
    if as_json:
        print(json.dumps(found, default=str))  # noqa: T201
    else:
        Console().print(_table(found))


def show(settings: Settings, letter_id: str, *, as_json: bool) -> None:
    """Print one letter with what it holds; raises Unknown where there is none."""
    letter = asyncio.run(_one(settings, letter_id))
    document = _document(letter)
    if as_json:
        print(json.dumps(document))  # noqa: T201
        return
    for name, value in document.items():
        print(f"{name:<10}{value}")  # noqa: T201


def replay(settings: Settings, filters: Filters, *, letters_max: int, again: bool, as_json: bool) -> None:
    """Publish letters once more and print how many were, and how many were not and why."""
    outcomes = asyncio.run(_replay(settings, filters, letters_max, again=again))
    if as_json:
        print(json.dumps(outcomes))  # noqa: T201
    else:
        for outcome, letters in outcomes.items():
            print(f"{outcome:<22}{letters:>10,}")  # noqa: T201


async def replay_letters(
    settings: Settings, client: ClickHouse, filters: Filters, *, letters_max: int, again: bool = False
) -> dict[str, int]:
    """Publish letters once more; return how many had which outcome.

    Raises BrokerUnavailable where Kafka does not confirm: then it can be done again.
    """
    outcomes: Counter[str] = Counter(dict.fromkeys(("replayed", "replayed_before", "never_in_a_topic", "cut"), 0))
    under_way = set() if again else await _under_way(settings.kafka)
    gathered: list[Letter] = []
    async with (
        EventProducer(settings.kafka, client_id=_CLIENT_ID) as producer,
        aclosing(whole(client, filters, letters_max=letters_max)) as letters,
    ):
        async for letter in letters:
            outcome = _outcome(letter, under_way, again=again)
            outcomes[outcome] += 1
            if outcome != "replayed":
                continue
            if gathered and not _fits(gathered, letter):
                await _publish(producer, gathered)
                gathered = []
            gathered.append(letter)
        await _publish(producer, gathered)
    return dict(outcomes)


def _outcome(letter: Letter, under_way: set[str], *, again: bool) -> str:
    if letter.origin is None or letter.topic not in _TOPICS:
        return "never_in_a_topic"
    if letter.is_cut:
        return "cut"
    if not again and (letter.replays or letter.letter_id in under_way):
        return "replayed_before"
    return "replayed"


def _fits(gathered: Sequence[Letter], letter: Letter) -> bool:
    size = sum(len(one.value or b"") for one in (*gathered, letter))
    same_topic = gathered[0].topic == letter.topic
    return same_topic and len(gathered) < _PUBLISH_RECORDS_MAX and size <= _PUBLISH_BYTES_MAX


async def _publish(producer: EventProducer, letters: Sequence[Letter]) -> None:
    """Publish letters of one topic where they stood; by key where the topic has fewer partitions now."""
    if not letters:
        return
    topic = _TOPICS[letters[0].topic]
    partitions = await producer.partitions(topic)
    await producer.publish(topic, [_record(letter, letter.origin, partitions) for letter in letters if letter.origin])


def _record(letter: Letter, origin: Origin, partitions: int) -> Record:
    partition = origin.partition if origin.partition < partitions else None
    return Record(letter.key, letter.value, (*letter.headers, origin.header()), partition)


async def _under_way(kafka: KafkaSettings) -> set[str]:
    """Return the ids of letters that were published again and that the sinks have not stored yet."""
    found: set[str] = set()
    for name, bounds in (await read_bounds(kafka, STORED, SINKS_GROUP)).items():
        if any(bound.committed < bound.end for bound in bounds):
            starts = {number: bound.committed for number, bound in enumerate(bounds)}
            found |= await _replayed_in(kafka, _TOPICS[name], starts)
    return found


async def _replayed_in(kafka: KafkaSettings, topic: Topic, starts: dict[int, int]) -> set[str]:
    found: set[str] = set()
    async with aclosing(read_to_end(kafka, topic, starts=starts)) as reading:
        async for _, records in reading:
            for record in records:
                found |= set(_letter_ids(record.headers))
    return found


def _letter_ids(headers: Iterable[tuple[str, bytes]]) -> Iterable[str]:
    """Yield the letter that a record's headers name; the time at the end is no part of its id."""
    for name, value in headers:
        if name == HEADER_REPLAYED_FROM:
            yield value.decode(errors="replace").rpartition(":")[0]


async def _replay(settings: Settings, filters: Filters, letters_max: int, *, again: bool) -> dict[str, int]:
    async with ClickHouse(settings.clickhouse) as client:
        return await replay_letters(settings, client, filters, letters_max=letters_max, again=again)


async def _summaries(settings: Settings, filters: Filters, letters_max: int) -> list[dict[str, Any]]:
    async with ClickHouse(settings.clickhouse) as client:
        return await summaries(client, filters, letters_max=letters_max)


async def _one(settings: Settings, letter_id: str) -> Letter:
    async with (
        ClickHouse(settings.clickhouse) as client,
        aclosing(whole(client, Filters(id=letter_id), letters_max=1)) as found,
    ):
        async for letter in found:
            return letter
    raise Unknown(f"no dead letter {letter_id}")


def _document(letter: Letter) -> dict[str, Any]:
    """Return a letter as text; bytes that are not UTF-8 become escapes."""
    return {
        "id": letter.letter_id,
        "topic": letter.topic,
        "reason": letter.reason,
        "replays": letter.replays,
        "key": _text(letter.key),
        "headers": {name: _text(value) for name, value in letter.headers},
        "value": _text(letter.value),
    }


def _text(content: bytes | None) -> str | None:
    return None if content is None else content.decode(errors="backslashreplace")


def _table(found: Sequence[dict[str, Any]]) -> Table:
    table = Table("id", "received", "stage", "topic", "workspace", "code", "bytes", "replays", "reason")
    for row in found:
        received_at = datetime.fromtimestamp(row["received_at_us"] / 1e6, UTC).isoformat(timespec="seconds")
        table.add_row(
            row["letter_id"], received_at, row["stage"], row["topic"], row["workspace"], str(row["code"]),
            f"{row['value_bytes']:,}", str(row["replays"]), row["reason"][:100],
        )  # fmt: skip
    return table
