"""`threadline worker` with one of its rules broken: python -m tests.fault.broken_worker "RULE"."""

import sys

from pipeline.adapters.clock import SystemClock
from pipeline.cli import threadline
from tests.support.broken_rules import RULES, broken

[rule] = [known for known in RULES if known == sys.argv[1]]
with broken(rule, SystemClock()):
    threadline(["worker"])
