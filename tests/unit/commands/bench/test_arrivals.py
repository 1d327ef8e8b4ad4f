import asyncio
from typing import Any

import pytest

from pipeline.adapters.clock import ManualClock
from pipeline.commands.bench import arrivals
from pipeline.commands.bench.arrivals import Arrivals
from pipeline.commands.bench.requests import Request


def request(trace_id: str) -> Request:
    return Request(b"", 1, trace_id, f"thread of {trace_id}")


class Table:
    """Answers as ClickHouse would that has so many of the rows."""

    def __init__(self) -> None:
        self.ids: set[str] = set()
        self.asked = asyncio.Event()
        self.questions: list[list[str]] = []

    async def rows(self, _: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
        self.asked.set()
        self.questions.append(parameters["ids"])
        threads = parameters["threads"]
        return [{"trace_id": one} for one in parameters["ids"] if one in self.ids and f"thread of {one}" in threads]


async def test_a_trace_takes_from_when_it_was_due_to_when_it_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrivals, "LOOK_SECONDS", 0)
    clock, table = ManualClock(), Table()
    waiting = Arrivals(table, clock, workspace="bench")  # type: ignore[arg-type]
    began_at = clock.monotonic()
    waiting.expect(request("first"), began_at)
    waiting.expect(request("second"), began_at + 1)
    watching = asyncio.create_task(waiting.watch())
    await table.asked.wait()
    clock.advance(2)

    table.ids = {"first", "second", "of others"}
    waiting.expect_no_more()
    await watching

    assert sorted(waiting.seconds) == [1, 2]


async def test_while_the_oldest_is_not_there_nothing_else_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrivals, "LOOK_SECONDS", 0)
    monkeypatch.setattr(arrivals, "ASKED_MAX", 2)
    table = Table()
    waiting = Arrivals(table, ManualClock(), workspace="bench")  # type: ignore[arg-type]
    for one in "abcd":
        waiting.expect(request(one), 0.0)
    waiting.expect_no_more()
    watching = asyncio.create_task(waiting.watch())
    await table.asked.wait()
    missed = list(table.questions)

    table.questions.clear()
    table.ids = set("abcd")
    await watching

    assert missed == [["a"]] * len(missed)
    assert [asked for asked in table.questions if asked != ["a"]] == [["b", "c"], ["d"]]
    assert len(waiting.seconds) == 4


async def test_it_goes_on_waiting_until_it_is_told_that_these_are_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrivals, "LOOK_SECONDS", 0)
    waiting = Arrivals(Table(), ManualClock(), workspace="bench")  # type: ignore[arg-type]
    watching = asyncio.create_task(waiting.watch())
    await asyncio.sleep(0)
    assert not watching.done()

    waiting.expect_no_more()

    await watching
    assert waiting.seconds == []
