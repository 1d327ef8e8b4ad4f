"""What the folded tables must hold, from the events alone: written for reading, in plain Python.

It shares no code with the fold in ClickHouse, not even the hash that decides between events of equal version.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, NamedTuple
from uuid import UUID

import xxhash

from pipeline.events.identity import NIL_ID, project_id, thread_model_id
from pipeline.events.spans import SpanEvent
from pipeline.events.traces import TraceEvent

PREVIEW = 1000
Row = dict[str, Any]


class Provenance(NamedTuple):
    log_id: UUID
    partition: int
    offset: int
    appended_at_ms: int


@dataclass(frozen=True)
class Stored:
    """An event and where it stood."""

    event: Any
    at: Provenance

    @property
    def version(self) -> tuple[int, int]:
        hash_of = _trace_hash if isinstance(self.event, TraceEvent) else _span_hash
        return self.event.version_us, hash_of(self.event)


def fold_traces(stored: Iterable[Stored]) -> list[Row]:
    """Return the rows of `traces` that are to be seen, by workspace and id."""
    return [row for row in map(_fold_trace, _grouped(stored, lambda event: (event.workspace, event.id))) if row]


def fold_spans(stored: Iterable[Stored]) -> list[Row]:
    """Return the rows of `spans` that are to be seen, by workspace, trace and id."""
    keyed = _grouped(stored, lambda event: (event.workspace, event.trace_id, event.id))
    return [row for row in map(_fold_span, keyed) if row]


def fold_threads(traces: Iterable[Stored], spans: Iterable[Stored]) -> list[Row]:
    """Return the rows of `threads` that are to be seen, by workspace, project and thread, without their version."""
    spent: dict[Any, list[Row]] = defaultdict(list)
    for span in fold_spans(spans):
        spent[span["workspace"], span["trace_id"]].append(span)
    threads: dict[Any, list[Row]] = defaultdict(list)
    for trace in fold_traces(traces):
        if trace["thread_id"]:
            threads[trace["workspace"], trace["project_id"].int, trace["thread_id"]].append(trace)
    return [
        _fold_thread(turns, [span for turn in turns for span in spent[turn["workspace"], turn["id"]]])
        for _, turns in sorted(threads.items())
    ]


def _grouped(stored: Iterable[Stored], key: Callable[[Any], Any]) -> list[list[Stored]]:
    """Return the events of each thing, each provenance once."""
    groups: dict[Any, dict[Provenance, Stored]] = defaultdict(dict)
    for one in stored:
        groups[key(one.event)][one.at] = one
    return [list(groups[at].values()) for at in sorted(groups)]


def _newest(events: list[Stored], field: str, *, absent: Any = None) -> Any:
    """Return the value of the newest event that names `field`."""
    naming = [one for one in events if getattr(one.event, field) not in (None, {}, ())]
    return getattr(max(naming, key=lambda one: one.version).event, field) if naming else absent


def _shared(events: list[Stored]) -> Row:
    versions = [one.event.version_us for one in events]
    output: Row = {
        name: _newest(events, name)
        for name in ("name", "start_time_us", "end_time_us", "ttft", "source", "environment")
    }
    for name in ("input", "output"):
        output[f"{name}_bytes"] = len((_newest(events, name) or "").encode())
    error = _newest(events, "error_info")
    return output | {
        "error_preview": error and error[:PREVIEW],
        "tags": _tags(events),
        "created_at_us": min(one.event.received_at_us for one in events),
        "last_updated_at_us": max(versions),
        "first_version_us": min(versions),
        "events": len(events),
        "is_deleted": 0,
    }


def _fold_trace(events: list[Stored]) -> Row | None:
    first = events[0].event
    if any(one.event.event == "delete" for one in events):
        return None
    default = project_id(first.workspace, "Default Project")
    project = _newest(events, "project_id", absent=default)
    thread = _newest(events, "thread_id", absent="")
    naming = [
        one.at
        for one in events
        if thread and one.event.thread_id == thread and (one.event.project_id or default) == project
    ]
    latest = max(naming, key=lambda at: (at.log_id.int, at.offset, at.appended_at_ms), default=None)
    row = _shared(events) | {
        "workspace": first.workspace,
        "id": first.id,
        "project_id": project,
        "thread_id": thread,
        "activity_log_id": latest.log_id if latest else NIL_ID,
        "activity_offset": latest.offset if latest else 0,
        "activity_at_ms": latest.appended_at_ms if latest else 0,
    }
    for name in ("input", "output"):
        text = _newest(events, name)
        row[f"{name}_preview"] = text and text[:PREVIEW]
    return row


def cost_of(rates: Mapping[str, str], usage: Mapping[str, int]) -> Decimal | None:
    """Return what a call cost in US dollars, by `pipeline.events.costs`; its names of counts in the first form only."""
    names = (
        "prompt_tokens", "completion_tokens", "cache_read_input_tokens", "cache_creation_input_tokens",
        "input_audio_tokens", "output_audio_tokens",
    )  # fmt: skip
    prompt, completion, read, written, heard, spoken = (max(0, usage.get(name, 0)) for name in names)
    if not rates or not (prompt or completion):
        return None
    read = min(read, prompt)
    written = min(written, prompt - read)
    heard = min(heard, prompt - read - written)
    tiers = sorted(int(kind.partition("@")[2]) for kind in rates if kind.startswith("input@"))
    tier = next((f"@{start}" for start in reversed(tiers) if start < prompt), "")
    counts = {
        "input": prompt, "output": completion, "cache_read": read, "cache_write": written, "input_audio": heard,
        "output_audio": min(spoken, completion), "request": 1,
    }  # fmt: skip
    millionths = sum((Decimal(rates.get(kind + tier, "0")) * count for kind, count in counts.items()), Decimal())
    cost = (millionths / 1_000_000).quantize(Decimal("1e-9"), ROUND_HALF_UP)
    return cost if abs(cost) < 10**9 else None


def _fold_span(events: list[Stored]) -> Row | None:
    first = events[0].event
    if any(one.event.event == "delete" for one in events):
        return None
    usage = _newest(events, "usage", absent={})
    cost, version = (_newest(events, f"total_estimated_cost{which}") for which in ("", "_version"))
    named = max((one for one in events if one.event.model), key=lambda one: one.version, default=None)
    computed = cost_of(named.event.rates, usage) if named else None
    if named and cost is None and computed is not None:
        cost, version = computed, named.event.rates_version
    return _shared(events) | {
        "workspace": first.workspace,
        "id": first.id,
        "trace_id": first.trace_id,
        "project_id": _newest(events, "project_id", absent=NIL_ID),
        "parent_span_id": _newest(events, "parent_span_id", absent=NIL_ID),
        "usage": usage,
        "total_estimated_cost": cost,
        "total_estimated_cost_version": version,
        **{name: _newest(events, name) for name in ("type", "model", "provider")},
    }


def _fold_thread(turns: list[Row], spans: list[Row]) -> Row:
    by_id = sorted(turns, key=lambda turn: turn["id"].int)
    first = min(by_id, key=lambda turn: (turn["start_time_us"] is None, turn["start_time_us"] or 0))
    last = max(reversed(by_id), key=lambda turn: (turn["end_time_us"] is not None, _end(turn)))
    starts = [turn["start_time_us"] for turn in turns if turn["start_time_us"] is not None]
    ends = [turn["end_time_us"] for turn in turns if turn["end_time_us"] is not None]
    usage: dict[str, int] = defaultdict(int)
    for span in spans:
        for name, count in span["usage"].items():
            usage[name] += count
    costs = [span["total_estimated_cost"] for span in spans if span["total_estimated_cost"] is not None]
    return {name: first[name] for name in ("workspace", "project_id", "thread_id")} | {
        "model": thread_model_id(first["project_id"], first["thread_id"]).int,
        "traces": len(turns),
        "first_trace": by_id[0]["id"].int,
        "start_us": min(starts, default=None),
        "end_us": max(ends, default=None),
        "first_id": first["id"],
        "last_id": last["id"],
        "first_preview": first["input_preview"] or "",
        "last_preview": last["output_preview"] or "",
        "first_bytes": first["input_bytes"],
        "last_bytes": last["output_bytes"],
        "created_us": min(turn["created_at_us"] for turn in turns),
        "updated_us": max(turn["last_updated_at_us"] for turn in turns),
        "source": next((turn["source"] for turn in by_id if turn["source"]), None),
        "environment": next((turn["environment"] for turn in by_id if turn["environment"]), None),
        "activity": max((turn["activity_log_id"].int << 64) + turn["activity_offset"] for turn in turns),
        "usage": {name: _as_int64(count) for name, count in usage.items()},
        "cost": sum(costs, Decimal()) if costs else None,
        "is_deleted": 0,
    }


def _as_int64(number: int) -> int:
    """Return a sum as ClickHouse has it where it overflows."""
    return (number + 2**63) % 2**64 - 2**63


def _end(turn: Row) -> int:
    end: int | None = turn["end_time_us"]
    return (turn["start_time_us"] or 0) if end is None else end


def _tags(events: list[Stored]) -> list[str]:
    """Apply resets, removals and additions in the order of their versions; at one version in just this order."""
    steps = []
    for one in events:
        version = one.event.version_us
        if one.event.tags_reset:
            steps.append((version, 0, ""))
        steps += [(version, 1, tag) for tag in one.event.tags_removed]
        steps += [(version, 2, tag) for tag in one.event.tags_added]
    tags: set[str] = set()
    for _, step, tag in sorted(steps):
        if step == 0:
            tags.clear()
        elif step == 1:
            tags.discard(tag)
        else:
            tags.add(tag)
    return sorted(tags)


def _trace_hash(event: TraceEvent) -> int:
    return _hash(
        event.event, event.project_id or NIL_ID, event.thread_id, event.name, event.start_time_us, event.end_time_us,
        event.input, event.output, event.metadata, event.error_info, event.ttft, event.source, event.environment,
    )  # fmt: skip


def _span_hash(event: SpanEvent) -> int:
    usage, rates = (
        ",".join("'{}':{}".format(name.replace("'", "\\'"), count) for name, count in given.items())
        for given in (event.usage, event.rates)
    )
    return _hash(
        event.event, event.parent_span_id or NIL_ID, event.project_id or NIL_ID, event.name, event.type,
        event.start_time_us, event.end_time_us, event.input, event.output, event.metadata, event.error_info,
        event.ttft, event.source, event.environment, event.model, event.provider, f"{{{usage}}}",
        event.total_estimated_cost, event.total_estimated_cost_version,
        *((f"{{{rates}}}", event.rates_version) if event.rates else ()),
    )  # fmt: skip


def _hash(*values: object) -> int:
    return xxhash.xxh64_intdigest("\0".join(map(_text, values)).encode())


def _text(value: object) -> str:
    """Return a value as ClickHouse's toString does."""
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return format(value, "f") if isinstance(value, Decimal) else str(value)
