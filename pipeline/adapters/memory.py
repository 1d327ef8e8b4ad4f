"""Memory of a process under load: large blocks are given back to the system, and the collector looks seldom.

glibc gives each large block a mapping of its own, which ends with it; but every one that is freed raises the size from
which it does so, up to 32 MiB (mallopt(3), M_MMAP_THRESHOLD). From then on bodies and batches come and go inside the
heap, between small objects that stay, and the process keeps the holes: measured with a burst of bodies of 16 MB, 550 MB
where 460 MB do. A size that is set once stays.

A mapping costs 0.4 µs a kB, since the system gives its pages one by one: 9 ms for an answer of 5 MB that is copied
three times, of 0.5 ms within the heap. So only what is larger than a usual body or batch has one; and since glibc, with
the one size set, gives back the end of the heap as soon as 128 kB of it are free, that size is set too.
"""

import ctypes
import gc
import sys
from typing import Final

LARGE_BYTES_MIN: Final = 8 * 1024 * 1024
HEAP_END_BYTES_MAX: Final = 32 * 1024 * 1024
"""So much that is free at the end of the heap is kept."""
ALLOCATIONS_BETWEEN_LOOKS: Final = 10_000
"""So many allocations before the youngest objects are looked at.

With Python's own (700, 10, 10) a burst of a stream worker's outputs, 16 thousand closes a second, has the collector
look at everything again and again: the event loop stood still for 139 ms, and 58 ms once what is there at the start is
left out; with this it was 38 ms, and 20 % less CPU an event. A gateway takes 10 % less for a batch of 1,000 traces.
"""
OLDER_LOOKS: Final = (20, 100)
"""So many such looks before the older objects are looked at, and of those before all are."""

_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3


def give_back_large_blocks() -> bool:
    """Let blocks of LARGE_BYTES_MIN and more have mappings of their own; return False where that cannot be said."""
    if sys.platform != "linux":
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # glibc has it, musl does not
    if mallopt is None:
        return False
    sizes = {_M_MMAP_THRESHOLD: LARGE_BYTES_MIN, _M_TRIM_THRESHOLD: HEAP_END_BYTES_MAX}
    return all(mallopt(which, size_bytes) == 1 for which, size_bytes in sizes.items())


def collect_seldom(allocations: int = ALLOCATIONS_BETWEEN_LOOKS) -> None:
    """Leave out what is there now, modules above all, when looking for cycles, and look less often at the rest."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(allocations, *OLDER_LOOKS)
