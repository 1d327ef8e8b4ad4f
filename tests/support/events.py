"""Random events of few different traces and spans, so that they meet: ties, moves, tombstones, repetitions."""

import json
from decimal import Decimal
from typing import Any
from uuid import UUID

from hypothesis import strategies as st

from pipeline.events.identity import project_id
from pipeline.events.spans import SpanEvent
from pipeline.events.traces import TraceEvent
from tests.support.fold_oracle import Provenance, Stored

WORKSPACES = ("default", "wörk\tspace")
# The months of two UUIDv7, one id of another version, and one that claims a year beyond all partitions.
IDS = [
    UUID("01a20291-4e26-7ff3-a706-456f44abbb5a"),
    UUID("0192f1a0-0000-7000-8000-000000000001"),
    UUID("6f1f7a5e-5a0c-4a53-8a53-7a1d2f0c9b11"),
    UUID("ffffffff-ffff-7fff-bfff-ffffffffffff"),
]
LOGS = [UUID("01a20000-0000-7000-8000-00000000000a"), UUID("01a20000-0000-7000-8000-00000000000b")]
PARENT = UUID("01a20291-4e26-7ff3-a706-456f44abb000")
_TAGS = st.lists(st.sampled_from(["", "a", "b", "ü"]), max_size=2).map(tuple)
_TEXTS = st.sampled_from(["1", json.dumps("ü" * 1200, ensure_ascii=False), json.dumps({"a": ["\\", '"', "\n"]})])


def _maybe(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | values


def _projects(workspace: str) -> st.SearchStrategy[UUID]:
    return st.sampled_from([project_id(workspace, name) for name in ("one", "two", "Default Project")])


@st.composite
def _shared(draw: st.DrawFn, workspace: str) -> dict[str, Any]:
    kinds = st.sampled_from(["create"] * 6 + ["patch"] * 6 + ["delete"])
    fields = {
        "workspace": st.just(workspace),
        "version_us": st.integers(1, 4),
        "received_at_us": st.integers(1, 9),
        "id": st.sampled_from(IDS),
        "event": kinds,
        "project_id": _maybe(_projects(workspace)),
        "name": _maybe(st.sampled_from(["", "x", "y"])),
        "start_time_us": _maybe(st.integers(-1, 1)),
        "end_time_us": _maybe(st.integers(-1, 1)),
        "input": _maybe(_TEXTS),
        "output": _maybe(_TEXTS),
        "metadata": _maybe(_TEXTS),
        "tags_reset": st.booleans(),
        "tags_added": _TAGS,
        "tags_removed": _TAGS,
        "error_info": _maybe(_TEXTS),
        "ttft": _maybe(st.sampled_from([0.0, 1.5, 250.0])),
        "source": _maybe(st.sampled_from(["sdk", "otlp"])),
        "environment": _maybe(st.just("test")),
    }
    return {name: draw(strategy) for name, strategy in fields.items()}


@st.composite
def trace_events(draw: st.DrawFn) -> TraceEvent:
    shared = draw(st.sampled_from(WORKSPACES).flatmap(_shared))
    return TraceEvent(**shared, thread_id=draw(_maybe(st.sampled_from(["t1", "t2", "\t"]))))


_COUNTED = st.sampled_from(
    ["prompt_tokens", "completion_tokens", "cache_read_input_tokens", "output_audio_tokens", "total_tokens", "it's"]
)
_COUNTS = st.sampled_from([-1, 0, 1, 3, 1000, 1001, 2**63 - 1])
RATES = (
    {"input": "0.15", "output": "0.6", "cache_read": "-0.075", "input@1000": "0.3", "input@2000": "0"},
    {"input": "0", "output_audio": "0.000000001", "request": "999999999.999999999"},
)


@st.composite
def span_events(draw: st.DrawFn) -> SpanEvent:
    shared = draw(st.sampled_from(WORKSPACES).flatmap(_shared))
    return SpanEvent(
        **shared,
        trace_id=draw(st.sampled_from(IDS[:2])),
        parent_span_id=draw(_maybe(st.just(PARENT))),
        type=draw(_maybe(st.sampled_from(["llm", "tool"]))),
        model=draw(_maybe(st.just("m"))),
        provider=draw(_maybe(st.just("p"))),
        usage=draw(st.dictionaries(_COUNTED, _COUNTS, max_size=4)),
        **draw(st.sampled_from([{}, *({"rates": rates, "rates_version": f"v{len(rates)}"} for rates in RATES)])),
        total_estimated_cost=draw(_maybe(st.sampled_from([Decimal("0.5"), Decimal("0.000000001")]))),
        total_estimated_cost_version=draw(_maybe(st.just("v"))),
    )


def histories(events: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Stored]]:
    """Return events in the order of their arrival in storage, some of them twice."""
    return st.lists(st.tuples(events, st.sampled_from(LOGS), st.integers(0, 2)), min_size=1, max_size=14).flatmap(
        _arrivals
    )


def _arrivals(placed: list[tuple[Any, UUID, int]]) -> st.SearchStrategy[list[Stored]]:
    stored = [
        Stored(event, Provenance(log_id, partition, offset, 1_000 + offset // 2))
        for offset, (event, log_id, partition) in enumerate(placed)
    ]
    repeated = st.lists(st.sampled_from(stored), max_size=4)
    return repeated.flatmap(lambda again: st.permutations(stored + again))
