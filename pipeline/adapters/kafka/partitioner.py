"""Which partition a key falls into: Kafka's own rule, so that producers in any language agree with ours."""

import struct
from functools import lru_cache
from typing import Final

_SEED: Final = 0x9747B28C
_MIX: Final = 0x5BD1E995
_MASK: Final = 0xFFFFFFFF


def murmur2(key: bytes) -> int:
    """Return MurmurHash2 of `key`, as `org.apache.kafka.common.utils.Utils.murmur2` computes it."""
    length = len(key)
    whole = length & ~3
    state = _SEED ^ length
    for word in struct.unpack(f"<{length // 4}I", key[:whole]):
        mixed = (word * _MIX) & _MASK
        mixed = ((mixed ^ (mixed >> 24)) * _MIX) & _MASK
        state = ((state * _MIX) & _MASK) ^ mixed
    rest = key[whole:]
    if rest:
        state = ((state ^ int.from_bytes(rest, "little")) * _MIX) & _MASK
    state = ((state ^ (state >> 13)) * _MIX) & _MASK
    return state ^ (state >> 15)


@lru_cache(maxsize=131_072)
def partition_of(key: bytes, partitions: int) -> int:
    """Return the partition of `key` in a topic of `partitions`; cached, since the turns of a thread share a key."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions
