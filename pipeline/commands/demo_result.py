"""What a demo must show: nothing lost, and exactly the sessions that the input implies."""

from dataclasses import dataclass, field
from typing import Final, NamedTuple

from pipeline.adapters.clickhouse.client import ClickHouse
from pipeline.commands.sample_run import SampleRun
from pipeline.local.schedule import expected_sessions
from pipeline.local.sender import Delivery
from pipeline.settings import KafkaSettings
from pipeline.sinks.reconciliation import Balance, balance_all

_SESSIONS: Final = """
SELECT uniqExactIf(session_id, event = 'opened') AS opened, uniqExactIf(session_id, event = 'closed') AS closed
FROM thread_events
"""
_CLOSE_DELAYS: Final = """
SELECT quantilesExact(0.5, 0.99)((appended_at_ms - closed_at_us / 1000) / 1000) AS delays
FROM (SELECT session_id, min(appended_at_ms) AS appended_at_ms, any(closed_at_us) AS closed_at_us
      FROM thread_events WHERE event = 'closed' AND reason = 'inactive' GROUP BY session_id)
"""
# A trace belongs to the session whose records enclose its last event that names the thread: the earlier of two copies
# may, by a hair, come before a session boundary.
_TRACES_OF_SESSIONS: Final = """
SELECT s.thread_id AS thread_id, s.first_offset AS first_offset, count() AS traces
FROM (SELECT thread_id, session_log_id, session_partition, first_offset, max(last_offset) AS last_offset
      FROM thread_events WHERE event = 'closed'
      GROUP BY thread_id, session_log_id, session_partition, first_offset) AS s
JOIN (SELECT thread_id, id, log_id, log_partition, min(log_offset) AS log_offset
      FROM trace_fields WHERE thread_id != '' GROUP BY thread_id, id, log_id, log_partition) AS t
ON s.thread_id = t.thread_id AND s.session_log_id = t.log_id AND s.session_partition = t.log_partition
WHERE t.log_offset BETWEEN s.first_offset AND s.last_offset
GROUP BY thread_id, first_offset ORDER BY thread_id, first_offset
"""


class SessionCounts(NamedTuple):
    """Sessions in storage."""

    opened: int
    closed: int


@dataclass(frozen=True, slots=True)
class DemoResult:
    """The figures of one demo, and what is wrong with them."""

    accepted: int
    stored: int
    dead_lettered: int
    dropped: int
    pending: int
    gap: int
    threads_opened: int
    threads_closed: int
    close_delay_p50_s: float
    close_delay_p99_s: float
    faults: list[str] = field(default_factory=list)

    def figures(self) -> dict[str, int | float]:
        """Return the figures by name."""
        return {name: getattr(self, name) for name in self.__slots__ if name != "faults"}


async def sessions_stored(client: ClickHouse) -> SessionCounts:
    """Return how many sessions storage knows."""
    (row,) = await client.rows(_SESSIONS)
    return SessionCounts(int(row["opened"]), int(row["closed"]))


async def measure(sample: SampleRun, delivery: Delivery, kafka: KafkaSettings, client: ClickHouse) -> DemoResult:
    """Count what became of everything, and compare it with what was sent."""
    balances = await balance_all(kafka, client)
    sessions = await sessions_stored(client)
    (delays,) = await client.rows(_CLOSE_DELAYS)
    p50, p99 = delays["delays"]
    result = DemoResult(
        accepted=sum(balance.accepted - balance.controls for balance in balances),
        stored=sum(balance.stored for balance in balances),
        dead_lettered=sum(balance.dead_lettered for balance in balances),
        dropped=sum(balance.dropped for balance in balances),
        pending=sum(balance.pending for balance in balances),
        gap=sum(abs(balance.gap) for balance in balances),
        threads_opened=sessions.opened,
        threads_closed=sessions.closed,
        close_delay_p50_s=round(float(p50), 3),
        close_delay_p99_s=round(float(p99), 3),
    )
    result.faults.extend(_balance_faults(balances, delivery))
    result.faults.extend(await _session_faults(sample, delivery, client))
    return result


def _balance_faults(balances: list[Balance], delivery: Delivery) -> list[str]:
    faults = [
        f"topic {balance.topic}: gap {balance.gap}, pending {balance.pending}"
        for balance in balances
        if balance.gap or balance.pending
    ]
    if delivery.refused.total():
        faults.append(f"the gateway refused {delivery.refused.total()} events: {delivery.refusals[:3]}")
    accepted = {balance.topic: balance.accepted - balance.controls for balance in balances}
    for topic, sent in (("traces", delivery.accepted["trace"]), ("spans", delivery.accepted["span"])):
        # A lost answer makes a client send again, so there may be more; never less.
        if accepted[topic] < sent or (accepted[topic] > sent and not delivery.retries):
            faults.append(f"{sent} events of {topic} were answered with success, {accepted[topic]} are in the log")
    return faults


async def _session_faults(sample: SampleRun, delivery: Delivery, client: ClickHouse) -> list[str]:
    if delivery.activity_delay_max_seconds > sample.pace.delay_max_seconds:
        late, allowed = delivery.activity_delay_max_seconds, sample.pace.delay_max_seconds
        return [f"too slow to tell sessions apart: activity accepted {late:.2f} s late, {allowed:.2f} s are allowed"]
    found: dict[str, list[int]] = {}
    for row in await client.rows(_TRACES_OF_SESSIONS):
        found.setdefault(row["thread_id"], []).append(int(row["traces"]))
    expected = {name: list(traces) for name, traces in expected_sessions(sample.conversations, sample.pace).items()}
    wrong = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
    return [f"thread {name}: sessions {found.get(name)}, expected {expected.get(name)}" for name in wrong[:10]]
