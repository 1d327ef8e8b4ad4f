"""What a process costs, seen from outside; and what the figures are made of."""

import math
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

_TICKS_PER_SECOND: Final = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")
_HIGH_WATER: Final = "VmHWM:"
"""Of /proc/<pid>/status (proc_pid_status(5)), in kB."""
_UTIME, _STIME = 11, 12
"""Places in /proc/<pid>/stat, counted after the name of the program (proc_pid_stat(5))."""


class Throughput(msgspec.Struct, frozen=True, kw_only=True):
    """What a contender did: events applied, from the first to the last, and the CPU time of all its threads."""

    events: int
    seconds: float
    cpu_seconds: float

    @property
    def events_per_s(self) -> float:
        """Events a second of wall time."""
        return self.events / self.seconds

    @property
    def cpu_us_per_event(self) -> float:
        """Microseconds of CPU an event; busy neighbours change it less than the rate."""
        return self.cpu_seconds * 1e6 / self.events


def own_cpu_seconds() -> float:
    """Return the CPU time of this process, all threads."""
    return time.process_time()


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process, all threads; raises FileNotFoundError where there is none."""
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(after_name[_UTIME]) + int(after_name[_STIME])) / _TICKS_PER_SECOND


def resident_bytes(pid: int) -> int:
    """Return the resident memory of a process; raises FileNotFoundError where there is none."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_BYTES


def highest_resident_bytes(pid: int) -> int:
    """Return the most memory that a process has had resident; raises FileNotFoundError where there is none."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = next(line for line in status.splitlines() if line.startswith(_HIGH_WATER))
    return int(found.split()[1]) * 1024


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest of `values` that is not below `share` of them (nearest rank); raises ValueError for none."""
    if not values:
        raise ValueError("a percentile of nothing")
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def metric_of(exposition: str, name: str, **labels: str) -> float:
    """Return the sum of a metric's samples that carry `labels`, from Prometheus' text; 0.0 if there are none yet."""
    wanted = [f'{label}="{value}"' for label, value in labels.items()]
    total = 0.0
    for line in exposition.splitlines():
        sample, _, value = line.rpartition(" ")
        if sample.partition("{")[0] == name and all(pair in sample for pair in wanted):
            total += float(value)
    return total
