"""That Apache Kafka does the same is shown by `tests/integration/stream/test_fence.py`."""

import pytest

from pipeline.events.envelope import Record
from pipeline.stream.table import CHANGELOG
from tests.simulation.broker import Broker, Outdated


def entry(key: bytes, value: bytes | None) -> Record:
    return Record(key, value, (), 0)


def new_broker() -> Broker:
    return Broker(lambda: 0.0, partitions=1)


def write(broker: Broker, epoch: int, *records: Record) -> None:
    broker.produce_in_transaction(0, epoch, CHANGELOG, records)
    broker.commit_transaction(0, epoch)


def values(broker: Broker) -> list[bytes | None]:
    return [record.value for record in broker.log(CHANGELOG.name, 0).read(0, 100)[0]]


def test_nobody_reads_beyond_a_transaction_that_is_open() -> None:
    broker = new_broker()
    epoch = broker.take(0)
    write(broker, epoch, entry(b"a", b"1"))
    broker.produce_in_transaction(0, epoch, CHANGELOG, [entry(b"a", b"2")])
    broker.produce(CHANGELOG, [entry(b"b", b"of another")])

    assert values(broker) == [b"1"]
    assert broker.log(CHANGELOG.name, 0).read(0, 100)[1] == 2
    broker.commit_transaction(0, epoch)
    assert values(broker) == [b"1", b"2", b"of another"]


def test_who_takes_the_id_voids_what_is_open_and_ends_the_one_before() -> None:
    broker = new_broker()
    first = broker.take(0)
    broker.produce_in_transaction(0, first, CHANGELOG, [entry(b"a", b"unfinished")])
    second = broker.take(0)

    with pytest.raises(Outdated):
        broker.commit_transaction(0, first)
    with pytest.raises(Outdated):
        broker.produce_in_transaction(0, first, CHANGELOG, [entry(b"a", b"too late")])
    write(broker, second, entry(b"a", b"of the second"))
    assert values(broker) == [b"of the second"]


def test_compaction_keeps_the_last_value_of_each_key_and_all_offsets() -> None:
    broker = new_broker()
    for number in range(4):
        broker.produce(CHANGELOG, [entry(b"a", b"%d" % number), entry(b"b", None)])
    log = broker.log(CHANGELOG.name, 0)
    log.compact(forgets_deleted=True)

    assert [record.offset for record in log.read(0, 100)[0]] == [5, 6, 7]
    assert values(broker) == [None, b"3", None]
    assert log.read(0, 100)[1] == 8
