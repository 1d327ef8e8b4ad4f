import gzip
from itertools import pairwise

import msgspec
import pytest

from pipeline.adapters.clock import ManualClock
from pipeline.commands.bench.requests import Requests
from pipeline.gateway.opik.traces import TraceCreate

AT_US = 1_700_000_000_000_000


class Batch(msgspec.Struct):
    traces: list[TraceCreate]


def batch_of(body: bytes) -> list[TraceCreate]:
    return msgspec.json.decode(gzip.decompress(body), type=Batch).traces


def test_a_request_holds_the_traces_that_the_gateway_reads() -> None:
    request = Requests(ManualClock(AT_US)).make(100)

    traces = batch_of(request.body)

    assert len(traces) == request.traces == 100
    assert (str(traces[0].id), traces[0].thread_id) == (request.first_id, request.first_thread_id)
    assert all(trace.thread_id for trace in traces)


@pytest.mark.parametrize("size_bytes", [1100, 16_000])
def test_traces_have_the_size_asked_for_and_shrink_as_prose_does(size_bytes: int) -> None:
    request = Requests(ManualClock(AT_US)).make(200, size_bytes)

    inflated = len(gzip.decompress(request.body))

    assert inflated == pytest.approx(200 * size_bytes, rel=0.05)
    assert 0.2 < len(request.body) / inflated < 0.5


def test_no_trace_is_made_twice() -> None:
    requests = Requests(ManualClock(AT_US))

    ids = [trace.id for request in requests.many(3, 50) for trace in batch_of(request.body)]

    assert len(set(ids)) == len(ids) == 150


def test_the_same_seed_says_the_same() -> None:
    first, second = (
        [trace.thread_id for trace in batch_of(Requests(ManualClock(AT_US), seed=7).make(50).body)] for _ in range(2)
    )

    assert first == second
    assert any(one != other for one, other in pairwise(first))
