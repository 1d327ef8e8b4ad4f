"""`threadline worker` with one of its rules broken: python -m tests.fault.broken_worker "RULE"."""

import asyncio
import sys
from typing import Final

from pipeline.adapters.clock import SystemClock
from pipeline.cli import threadline
from tests.support.broken_rules import RULES, broken

BETWEEN_STEPS: Final = "between two steps"
"""The line that says that a crash now would show the rule broken."""
_WAIT_SECONDS: Final = 1.0


async def _wait_between_steps() -> None:
    """Say so, and give whoever hears it the time to kill this process."""
    print(BETWEEN_STEPS, flush=True)
    await asyncio.sleep(_WAIT_SECONDS)


if __name__ == "__main__":
    [rule] = [known for known in RULES if known == sys.argv[1]]
    with broken(rule, SystemClock(), _wait_between_steps):
        threadline(["worker"])
