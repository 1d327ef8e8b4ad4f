"""How tests are dealt out to processes: what shares a server stays together, and what takes longest begins first."""

import pytest
from xdist.scheduler import LoadFileScheduling

TOGETHER = ("tests/browser", "tests/integration/outside", "tests/integration/query", "tests/integration/sinks")
"""Folders whose files share a server or a browser."""

LONGEST_FIRST = (
    "tests/contract/test_clients.py",
    "tests/browser",
    "tests/integration/commands/test_demo.py",
    "tests/integration/sinks",
    "tests/integration/outside",
    "tests/integration/stream/test_worker.py",
    "tests/integration/test_readme.py",
    "tests/contract/test_outages.py",
    "tests/integration/query",
    "tests/integration/gateway/test_faults.py",
    "tests/integration/stream/test_faults.py",
    "tests/integration/commands/test_reseed.py",
    "tests/integration/test_prometheus.py",
    "tests/integration/commands/test_dev.py",
    "tests/contract/test_recorded_order.py",
    "tests/integration/commands/test_erase.py",
)
"""Files, or folders of TOGETHER, that take more than half a minute: begun last, one of them would run alone."""


def unit_of(nodeid: str) -> str:
    """Return what a test is dealt out with: its folder, where the folder is one of TOGETHER, else its file."""
    path = nodeid.split("::", 1)[0]
    return next((folder for folder in TOGETHER if path.startswith(f"{folder}/")), path)


def place_of(nodeid: str) -> int:
    """Return where a test stands among those that begin first; all others have the same place behind them."""
    unit = unit_of(nodeid)
    return LONGEST_FIRST.index(unit) if unit in LONGEST_FIRST else len(LONGEST_FIRST)


def sort(items: list[pytest.Item]) -> None:
    """Put what takes longest first, and leave all else in its order."""
    items.sort(key=lambda item: place_of(item.nodeid))


class UnitScheduling(LoadFileScheduling):
    """Hands a process one unit after another, in the order of the collection."""

    def _split_scope(self, nodeid: str) -> str:
        return unit_of(nodeid)
