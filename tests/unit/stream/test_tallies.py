from prometheus_client import REGISTRY

from pipeline.stream.tallies import observe, report
from tests.unit.stream.logs import Log, key, thread
from tests.unit.stream.recording import owned_after


def metric(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(f"threadline_stream_{name}", labels) or 0.0


def test_what_was_counted_is_told_once() -> None:
    log = Log().trace(key("a")).trace(b"a-trace-id").command("score", thread("a")).command("close", thread("a"))
    log.append(None, b"?", (("kind", b"setting"),)).tick()
    _, partition = owned_after(log)
    names: list[tuple[str, dict[str, str]]] = [
        ("records_total", {"kind": "trace"}),
        ("records_total", {"kind": "score"}),
        ("records_total", {"kind": "tick"}),
        ("threads_opened_total", {}),
        ("threads_closed_total", {"reason": "requested"}),
        ("commands_refused_total", {"kind": "score"}),
        ("records_undecodable_total", {"kind": "setting"}),
    ]
    before = [metric(name, **labels) for name, labels in names]
    report(partition)
    report(partition)
    after = [metric(name, **labels) for name, labels in names]
    assert [now - then for then, now in zip(before, after, strict=True)] == [2, 1, 1, 1, 1, 1, 1]


def test_the_gauges_show_what_is_owned_now() -> None:
    owned, partition = owned_after(Log().trace(key("a")))
    observe(owned)
    assert metric("open_threads") == 1
    assert metric("log_time_seconds", partition="3") == partition.log_time_us / 1e6
    observe([])
    assert metric("open_threads") == 0
    assert metric("log_time_seconds", partition="3") == 0
