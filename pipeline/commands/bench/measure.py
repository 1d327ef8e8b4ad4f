"""What a process costs, seen from outside; and what the figures are made of."""

import math
import os
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

_TICKS_PER_SECOND: Final = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")
_PPID, _UTIME, _STIME = 1, 11, 12
"""Places in /proc/<pid>/stat, counted after the name of the program (proc_pid_stat(5))."""
_PEAK: Final = "VmHWM:"
_KILOBYTE: Final = 1024


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
    after_name = _stat_of(pid)
    return (int(after_name[_UTIME]) + int(after_name[_STIME])) / _TICKS_PER_SECOND


def resident_bytes(pid: int) -> int:
    """Return the resident memory of a process; raises FileNotFoundError where there is none."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_BYTES


def peak_resident_bytes(pid: int) -> int:
    """Return the highest resident memory that a process has had; raises FileNotFoundError where there is none."""
    said = Path(f"/proc/{pid}/status").read_text()
    return int(said.partition(_PEAK)[2].split()[0]) * _KILOBYTE


def children_of(pid: int) -> list[int]:
    """Return the processes that a process has started and that still run."""
    found = []
    for child in _all_processes():
        with suppress(FileNotFoundError, ProcessLookupError):  # it has ended since
            if _stat_of(child)[_PPID] == str(pid):
                found.append(child)
    return found


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


def _stat_of(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _all_processes() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdecimal()]
