from tests.deploy.capacity import table

FIGURES = {
    "measured_on": "2026-11-23",
    "machine": "2 cores",
    "bench": {
        "gateway": {"ours_traces_per_cpu_s": 40_000.0, "rss_mb": 340.4},
        "stream": {
            "ours_cpu_us_per_event": 20.0,
            "bytes_per_open_thread": 760.4,
            "bytes_per_recovered_thread": 530.0,
            "threads": 100_000.0,
            "recovery_s": 0.88,
        },
        "sink": {"ours_cpu_us_per_row": 50.0, "ours_storage_cpu_us_per_row": 100.0, "rss_mb": 210.2},
        "evaluate": {"cpu_us_per_thread": 400.0},
    },
}


def test_a_core_carries_what_the_cpu_time_of_one_leaves_room_for() -> None:
    lines = table(FIGURES).splitlines()

    assert "on 2026-11-23 (2 cores):" in lines[0]
    assert lines[4:9] == [
        "| serve | traces, 1,000 a request | 25.0 µs | 40,000 | 340 MB at most |",
        "| worker | records of `traces` | 20.0 µs | 50,000 |  |",
        "| sink | rows | 50.0 µs | 20,000 | 210 MB in this run |",
        "| ClickHouse, for the sinks | rows | 100.0 µs | 10,000 |  |",
        "| evaluate, heuristics | sessions of ten turns | 400.0 µs | 2,500 |  |",
    ]
    assert "760 bytes, 530 after a recovery; 100,000 of them were read back in 0.9 s" in lines[-1]
