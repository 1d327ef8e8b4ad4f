import pytest
from aiokafka.partitioner import murmur2 as aiokafka_murmur2
from hypothesis import given
from hypothesis import strategies as st

from pipeline.adapters.kafka.partitioner import murmur2, partition_of


@given(st.binary(max_size=200))
def test_the_hash_is_the_one_of_every_kafka_client(key: bytes) -> None:
    assert murmur2(key) == aiokafka_murmur2(key)


@pytest.mark.parametrize(
    ("key", "signed"),
    [
        # org.apache.kafka.common.utils.UtilsTest#testMurmur2
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_the_hash_is_the_one_of_kafkas_own_tests(key: bytes, signed: int) -> None:
    assert murmur2(key) == signed % 2**32


@given(st.binary(max_size=50), st.integers(1, 4096))
def test_a_key_always_falls_into_the_same_of_the_partitions(key: bytes, partitions: int) -> None:
    partition = partition_of(key, partitions)

    assert 0 <= partition < partitions
    assert partition == (aiokafka_murmur2(key) & 0x7FFFFFFF) % partitions


def test_keys_spread_over_all_partitions() -> None:
    counts = [0] * 64
    for number in range(6400):
        counts[partition_of(f"thread\tdefault\tproject\tchat-{number}".encode(), 64)] += 1

    assert 60 < min(counts) <= max(counts) < 150
