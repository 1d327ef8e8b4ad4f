import os
import subprocess
import sys

import pytest

from pipeline.adapters.memory import ALLOCATIONS_BETWEEN_LOOKS, OLDER_LOOKS

CHURN = """
import sys
from pipeline.adapters.memory import give_back_large_blocks
from pipeline.commands.bench.measure import resident_bytes
import os

if sys.argv[1] == "yes" and not give_back_large_blocks():
    sys.exit("not to be said here")
large = 8 * 1024 * 1024
bytes(24 * 1024 * 1024)  # the first large block to be freed raises the size for those after it
before = resident_bytes(os.getpid())
kept = []
for _ in range(20):
    block = b"x" * large
    kept.append(bytearray(1024 * 64))
    blocks = [b"y" * large for _ in range(3)]
    kept.append(bytearray(1024 * 64))
    del block, blocks
print(resident_bytes(os.getpid()) - before)
"""

COLLECTOR = """
import gc
from pipeline.adapters.memory import collect_seldom

collect_seldom()
young = []
print(int(gc.get_freeze_count() > 1000), len([one for one in gc.get_objects() if one is young]), *gc.get_threshold())
"""


def left_over(said: str) -> int:
    """Return the bytes that a process holds, beyond what it uses, after large blocks have come and gone."""
    found = subprocess.run([sys.executable, "-c", CHURN, said], capture_output=True, text=True, check=False)
    if "not to be said here" in found.stderr:
        pytest.skip("another allocator than glibc's")
    assert found.returncode == 0, found.stderr
    return int(found.stdout)


@pytest.mark.skipif(os.name != "posix", reason="looks at /proc")
def test_what_large_blocks_took_is_given_back() -> None:
    assert left_over("yes") < 8 * 1024 * 1024
    assert left_over("no") > left_over("yes")


def test_what_was_there_before_is_never_looked_at_again_and_the_rest_less_often() -> None:
    found = subprocess.run([sys.executable, "-c", COLLECTOR], capture_output=True, text=True, check=True).stdout.split()

    assert [int(one) for one in found] == [1, 1, ALLOCATIONS_BETWEEN_LOOKS, *OLDER_LOOKS]
