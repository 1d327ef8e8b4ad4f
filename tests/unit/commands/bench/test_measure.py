import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from mmap import mmap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.commands.bench.measure import (
    Throughput,
    children_of,
    cpu_seconds,
    metric_of,
    own_cpu_seconds,
    peak_resident_bytes,
    percentile,
    resident_bytes,
)

MIB = 1024 * 1024
EXPOSITION = """\
# HELP threadline_stream_records_total Records of the log applied, by kind.
# TYPE threadline_stream_records_total counter
threadline_stream_records_total{kind="trace"} 12345.0
threadline_stream_records_total{kind="close"} 12.0
threadline_stream_records_created{kind="trace"} 1.7e+09
threadline_stream_open_threads 7.0
"""


@contextmanager
def new_memory(size: int) -> Iterator[None]:
    """Hold `size` bytes of pages that nobody had before: the heap may have room for them in its holes."""
    with mmap(-1, size) as pages:
        for _ in range(size // MIB):
            pages.write(b"x" * MIB)
        yield


def test_a_rate_is_of_wall_time_and_a_cost_of_cpu_time() -> None:
    found = Throughput(events=1000, seconds=0.5, cpu_seconds=0.004)

    assert found.events_per_s == 2000
    assert found.cpu_us_per_event == 4


@pytest.mark.parametrize(
    ("name", "labels", "value"),
    [
        ("threadline_stream_records_total", {"kind": "trace"}, 12345),
        ("threadline_stream_records_total", {}, 12357),
        ("threadline_stream_open_threads", {}, 7),
        ("threadline_stream_records_total", {"kind": "tick"}, 0),
        ("threadline_stream_records", {}, 0),
    ],
)
def test_a_metric_is_the_sum_of_its_samples_with_the_labels(name: str, labels: dict[str, str], value: float) -> None:
    assert metric_of(EXPOSITION, name, **labels) == value


def test_a_percentile_is_the_nearest_rank() -> None:
    values = [float(number) for number in range(100, 0, -1)]

    assert [percentile(values, share) for share in (0.0, 0.5, 0.99, 1.0)] == [1, 50, 99, 100]


def test_there_is_no_percentile_of_nothing() -> None:
    with pytest.raises(ValueError, match="nothing"):
        percentile([], 0.5)


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0, 1))
def test_a_percentile_is_one_of_the_values_and_that_share_is_not_above_it(values: list[float], share: float) -> None:
    found = percentile(values, share)

    assert found in values
    assert sum(value <= found for value in values) >= share * len(values)


def test_the_cpu_time_of_a_process_grows_with_its_work() -> None:
    before, own_before = cpu_seconds(os.getpid()), own_cpu_seconds()
    until = time.process_time() + 0.2
    while time.process_time() < until:
        pass

    assert 0.15 < cpu_seconds(os.getpid()) - before < 0.5
    assert 0.2 <= own_cpu_seconds() - own_before < 0.5


def test_what_a_process_keeps_is_resident() -> None:
    before = resident_bytes(os.getpid())
    with new_memory(32 * MIB):
        assert resident_bytes(os.getpid()) - before >= 0.9 * 32 * MIB


def test_a_process_that_is_not_there_has_no_figures() -> None:
    no_pid = 2**22 + 1  # above Linux' largest

    with pytest.raises(FileNotFoundError):
        cpu_seconds(no_pid)
    with pytest.raises(FileNotFoundError):
        resident_bytes(no_pid)


def test_memory_that_was_given_back_still_counts_for_the_peak() -> None:
    peak, now = peak_resident_bytes(os.getpid()), resident_bytes(os.getpid())
    with new_memory(peak - now + 32 * MIB):
        pass

    assert peak_resident_bytes(os.getpid()) >= peak + 0.8 * 32 * MIB


def test_a_process_knows_those_that_it_started() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        assert child.pid in children_of(os.getpid())
        assert children_of(child.pid) == []
        child.communicate(b"\n")
    assert child.pid not in children_of(os.getpid())
