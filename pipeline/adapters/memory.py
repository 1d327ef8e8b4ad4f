"""Large blocks of memory, given back to the system when they are freed.

glibc gives each large block a mapping of its own, which ends with it; but every one that is freed raises the size from
which it does so, up to 32 MiB (mallopt(3), M_MMAP_THRESHOLD). From then on bodies and batches come and go inside the
heap, between small objects that stay, and the process keeps the holes: measured with a burst of bodies of 16 MB, 550 MB
where 460 MB do. A size that is set once stays.
"""

import ctypes
import sys
from typing import Final

LARGE_BYTES_MIN: Final = 256 * 1024
_M_MMAP_THRESHOLD: Final = -3


def give_back_large_blocks() -> bool:
    """Let blocks of LARGE_BYTES_MIN and more have mappings of their own; return False where that cannot be said."""
    if sys.platform != "linux":
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # glibc has it, musl does not
    return mallopt is not None and mallopt(_M_MMAP_THRESHOLD, LARGE_BYTES_MIN) == 1
