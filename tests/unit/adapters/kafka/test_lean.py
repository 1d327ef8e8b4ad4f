"""The places in aiokafka where lean records come in are as they were found in the pinned version."""

import inspect
from collections import OrderedDict
from types import SimpleNamespace

import aiokafka
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.consumer.fetcher import READ_COMMITTED, FetchError, FetchResult, PartitionRecords
from aiokafka.errors import NodeNotReadyError
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.structs import ConsumerRecord

from pipeline.adapters.kafka.lean import give_lean_records


def test_records_come_out_as_they_were_decoded() -> None:
    place = TopicPartition("traces", 3)
    batch = DefaultRecordBatchBuilder(
        magic=2, compression_type=0, is_transactional=0, producer_id=-1, producer_epoch=-1, base_sequence=0,
        batch_size=1024,
    )  # fmt: skip
    batch.append(0, 1000, b"key", b"value", [("kind", b"trace")])
    batch.append(1, 1001, None, None, [])
    client = SimpleNamespace(_fetcher=SimpleNamespace(_records=OrderedDict()))
    give_lean_records(client)
    fetched = client._fetcher._records
    fetched[place] = FetchResult(
        place,
        assignment=SimpleNamespace(
            active=True,
            state_value=lambda _: SimpleNamespace(paused=False, position=0, consumed_to=lambda _: None),
        ),
        partition_records=PartitionRecords(
            place,
            MemoryRecords(bytes(batch.build())),
            aborted_transactions=[],
            fetch_offset=0,
            key_deserializer=None,
            value_deserializer=None,
            check_crcs=True,
            isolation_level=READ_COMMITTED,
        ),
        backoff=0.0,
    )
    records = fetched[place].getall()

    assert not any(isinstance(record, ConsumerRecord) for record in records)
    first, second = [(one.offset, one.timestamp, one.key, one.value, one.headers) for one in records]
    assert first == (0, 1000, b"key", b"value", [("kind", b"trace")])
    assert second == (1, 1001, None, None, [])
    fetched[place] = error = FetchError(error=NodeNotReadyError(), backoff=0.0)
    assert fetched[place] is error


def test_what_is_fetched_is_kept_where_it_is_looked_for() -> None:
    source = inspect.getsource(aiokafka.consumer.fetcher)
    assert source.count("self._records = ") == 2, "those of a fetcher, and the batches of one partition"
    assert "self._records[tp] = FetchResult(" in source
    assert "consumer_record = self._consumer_record(tp, record)" in source
    assert "self._fetcher = Fetcher(" in inspect.getsource(AIOKafkaConsumer.start)
    assert tuple(inspect.signature(PartitionRecords._consumer_record).parameters) == ("self", "tp", "record")
