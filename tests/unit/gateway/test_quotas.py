import pytest

from pipeline.adapters.clock import ManualClock
from pipeline.adapters.telemetry.metrics import GATEWAY_OVERLOADS
from pipeline.errors import Overloaded
from pipeline.gateway import quotas
from pipeline.gateway.quotas import Quota, Quotas

TEN = Quota(events_per_second=10, burst_seconds=2)


class World:
    def __init__(self, **quota_by_workspace: Quota) -> None:
        self.clock = ManualClock()
        self.quota_of = quota_by_workspace
        self.quotas = Quotas(self.clock, self.quota_of.get)

    def wait_seconds(self, workspace: str = "w") -> int:
        try:
            self.quotas.admit(workspace)
        except Overloaded as refused:
            return refused.retry_after_seconds
        return 0


def test_a_workspace_without_a_quota_is_never_refused() -> None:
    world = World()
    world.quotas.charge("w", events=10**9, size=10**12)

    assert world.wait_seconds() == 0


def test_a_burst_passes_and_then_it_is_told_when_to_come_back() -> None:
    world = World(w=TEN)
    world.quotas.charge("w", events=19, size=0)
    assert world.wait_seconds() == 0
    world.quotas.charge("w", events=16, size=0)  # 15 in debt

    assert world.wait_seconds() == 2
    world.clock.advance(1.4)
    assert world.wait_seconds() == 1
    world.clock.advance(0.2)
    assert world.wait_seconds() == 0


def test_a_batch_larger_than_the_bucket_passes_and_is_paid_off() -> None:
    world = World(w=TEN)
    world.quotas.charge("w", events=1000, size=0)

    assert world.wait_seconds() == quotas.WAIT_SECONDS_MAX  # what the npm SDK waits at most; it is asked to wait again
    world.clock.advance(98.1)
    assert world.wait_seconds() == 0


def test_over_time_no_more_passes_than_the_rate() -> None:
    world = World(w=TEN)
    passed = 0
    for _ in range(600):
        if world.wait_seconds() == 0:
            world.quotas.charge("w", events=5, size=0)
            passed += 5
        world.clock.advance(0.1)

    assert 600 <= passed <= 600 + 20 + 5


def test_bytes_count_beside_events_and_the_longer_wait_is_told() -> None:
    world = World(w=Quota(events_per_second=10, bytes_per_second=100, burst_seconds=1))
    before = GATEWAY_OVERLOADS.labels("quota_bytes")._value.get()
    world.quotas.charge("w", events=20, size=700)

    assert world.wait_seconds() == 6
    assert GATEWAY_OVERLOADS.labels("quota_bytes")._value.get() == before + 1


def test_one_workspace_does_not_use_up_anothers_quota() -> None:
    world = World(w=TEN, other=TEN)
    world.quotas.charge("w", events=1000, size=0)

    assert world.wait_seconds("other") == 0


def test_a_changed_quota_counts_at_once() -> None:
    world = World(w=TEN)
    world.quotas.charge("w", events=1000, size=0)
    world.quota_of["w"] = Quota(events_per_second=1000)
    assert world.wait_seconds() == 0
    del world.quota_of["w"]
    assert world.wait_seconds() == 0


def test_what_is_remembered_of_workspaces_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quotas, "BUCKETS_MAX", 10)
    world = World(**{f"w{number}": TEN for number in range(50)})
    world.quotas.charge("w0", events=1000, size=0)
    for number in range(1, 50):
        world.quotas.charge(f"w{number}", events=1, size=0)
        world.clock.advance(0.2)

    assert len(world.quotas._accounts) <= 10
    assert world.wait_seconds("w0") > 0
