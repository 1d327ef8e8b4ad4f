"""The same thread is always sampled the same way, by every process and after every restart."""

from hashlib import blake2b
from typing import Final
from uuid import UUID

_SIZE_BYTES: Final = 8
_RANGE: Final = float(1 << (8 * _SIZE_BYTES))


def is_sampled(rule_id: UUID, thread_model_id: UUID, rate: float) -> bool:
    """Tell whether a thread is in the share `rate` (0 to 1) of a rule.

    A thread that is in a share is in every larger one. Rules draw independently of each other.
    """
    if rate >= 1.0:
        return True
    drawn = blake2b(thread_model_id.bytes, digest_size=_SIZE_BYTES, key=rule_id.bytes).digest()
    return int.from_bytes(drawn, "big") / _RANGE < rate
