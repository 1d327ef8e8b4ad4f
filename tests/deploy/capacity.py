"""The capacity table of deploy/operations.md, from what `threadline bench` measured.

.venv/bin/python -m tests.deploy.capacity     measures anew (minutes), and writes deploy/capacity.json
.venv/bin/python -m tests.deploy.generate     writes the table
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from pipeline.adapters.clock import SystemClock

DEPLOY: Final = Path(__file__).parents[2] / "deploy"
FIGURES: Final = DEPLOY / "capacity.json"
GUIDE: Final = DEPLOY / "operations.md"
BENCHES: Final = ("gateway", "stream", "sink", "evaluate")
_BETWEEN: Final = re.compile(r"(<!-- capacity -->\n).*(<!-- /capacity -->)", re.DOTALL)


def measure() -> dict[str, Any]:
    """Run each benchmark and return what it printed, with day and machine."""
    on = datetime.fromtimestamp(SystemClock().now_us() / 1e6, UTC).date().isoformat()
    return {"measured_on": on, "machine": _machine(), "bench": {name: _run(name) for name in BENCHES}}


def _run(name: str) -> dict[str, float]:
    found = subprocess.run(
        [sys.executable, "-m", "pipeline", "bench", name, "--json"],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    figures: dict[str, float] = json.loads(found.stdout.splitlines()[-1])
    return figures


def _machine() -> str:
    model = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return f"{os.cpu_count()} cores{f' of {model[1]}' if model else ''}, shared with other work"


def table(figures: Mapping[str, Any]) -> str:
    """Return the table: what one core of each process carries, from the CPU time that an event costs."""
    gateway, stream, sink, evaluate = (figures["bench"][name] for name in BENCHES)
    rows = [
        (
            "serve",
            "traces, 1,000 a request",
            1e6 / gateway["ours_traces_per_cpu_s"],
            f"{gateway['rss_mb']:.0f} MB at most",
        ),
        ("worker", "records of `traces`", stream["ours_cpu_us_per_event"], ""),
        ("sink", "rows", sink["ours_cpu_us_per_row"], f"{sink['rss_mb']:.0f} MB in this run"),
        ("ClickHouse, for the sinks", "rows", sink["ours_storage_cpu_us_per_row"], ""),
        ("evaluate, heuristics", "sessions of ten turns", evaluate["cpu_us_per_thread"], ""),
    ]
    head = (
        f"One core of a process carries, by the CPU time that `threadline bench` measured on "
        f"{figures['measured_on']} ({figures['machine']}):"
    )
    shown = (f"| {who} | {what} | {us:,.1f} µs | {1e6 / us:,.0f} | {memory} |" for who, what, us, memory in rows)
    threads = (
        f"An open thread takes a worker {stream['bytes_per_open_thread']:,.0f} bytes, "
        f"{stream['bytes_per_recovered_thread']:,.0f} after a recovery; {stream['threads']:,.0f} of them were read "
        f"back in {stream['recovery_s']:.1f} s after a restart."
    )
    titles = ("| process | of what | CPU each | a second, one core | memory |", "|---|---|---|---|---|")
    return "\n".join([head, "", *titles, *shown, "", threads, ""])


def guide_text() -> str:
    """Return operations.md with the table of what was measured last."""
    shown = table(json.loads(FIGURES.read_text()))
    return _BETWEEN.sub(lambda found: f"{found[1]}{shown}{found[2]}", GUIDE.read_text())


if __name__ == "__main__":
    FIGURES.write_text(json.dumps(measure(), indent=2) + "\n")
