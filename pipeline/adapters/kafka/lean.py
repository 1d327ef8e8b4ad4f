"""Records as aiokafka's parser made them, without the object that aiokafka makes of each for its users.

To make that object takes 1.3 of the 3.5 µs that a sink needs to read a record, and took 4.8 of the 6.3 µs of a stream
worker's client, on a busy machine. What the parser gives has offset, timestamp, key, value and headers too; the headers
are a list, and topic and partition are missing.
"""

from collections import OrderedDict
from typing import Any

from aiokafka.consumer.fetcher import FetchResult


def give_lean_records(client: Any) -> None:
    """Have a client that has started, and fetched nothing yet, give its records as they were parsed.

    Checksums, transactions that were rolled back, and positions are aiokafka's matter as ever.
    """
    fetcher = client._fetcher  # noqa: SLF001 - the version is pinned, and test_lean.py holds it
    fetcher._records = _LeanResults(fetcher._records)  # noqa: SLF001


class _LeanResults(OrderedDict[Any, Any]):
    """What was fetched, by partition: aiokafka puts each answer of the broker here."""

    def __setitem__(self, place: Any, fetched: Any) -> None:
        if type(fetched) is FetchResult:
            fetched._partition_records._consumer_record = _as_parsed  # noqa: SLF001
        super().__setitem__(place, fetched)


def _as_parsed(_: Any, record: Any) -> Any:
    return record
