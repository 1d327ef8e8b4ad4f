"""Records as aiokafka's parser made them, without the object that aiokafka makes of each for its users.

That object, and the Python that fills it, is a third of what reading a record costs (1.3 of 3.5 µs). What the parser
gives has offset, timestamp, key, value and headers too; the headers are a list, and topic and partition are missing.
"""

from collections import OrderedDict
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.consumer.fetcher import FetchResult


def give_lean_records(consumer: AIOKafkaConsumer) -> None:
    """Have a consumer that has started give its records as they were parsed.

    Checksums, transactions that were rolled back, and positions are aiokafka's matter as ever.
    """
    fetcher = consumer._fetcher  # noqa: SLF001 - the version is pinned, and test_lean.py holds it
    fetcher._records = _LeanResults(fetcher._records)  # noqa: SLF001


class _LeanResults(OrderedDict[Any, Any]):
    """What was fetched, by partition: aiokafka puts each answer of the broker here."""

    def __setitem__(self, place: Any, fetched: Any) -> None:
        if type(fetched) is FetchResult:
            fetched._partition_records._consumer_record = _as_parsed  # noqa: SLF001
        super().__setitem__(place, fetched)


def _as_parsed(_: Any, record: Any) -> Any:
    return record
