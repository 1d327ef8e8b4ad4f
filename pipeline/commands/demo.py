"""`threadline demo`: real dialogues through the whole stack once, on free ports, in a temporary folder.

It sends, waits until every thread is closed and readable, and compares with what the input implies. Exit code 0 only
if nothing is missing or pending and the sessions are exactly the expected ones.
"""

import asyncio
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from pipeline.adapters.clickhouse.client import ClickHouse
from pipeline.adapters.clock import Clock, SystemClock
from pipeline.adapters.kafka.offsets import read_bounds
from pipeline.commands.demo_result import DemoResult, measure, sessions_stored
from pipeline.commands.sample_run import EVALUATORS, SampleRun, pace_of
from pipeline.errors import ThreadlineError
from pipeline.local.console import line_of
from pipeline.local.schedule import expected_sessions
from pipeline.local.sender import Delivery
from pipeline.local.stack import Stack
from pipeline.settings import KafkaSettings
from pipeline.sinks.reconciliation import balance_all
from pipeline.topics import EVALUATORS_GROUP, THREADS

_TIMEOUT: Final = "3s"
_SECONDS: Final = 40.0
_SETTLE_SECONDS_MAX: Final = 120.0  # of a machine that does other things too
_LOOK_INTERVAL_SECONDS: Final = 0.25
_RESTART_AFTER_SECONDS: Final = 1.0


def run(*, as_json: bool, kills: Sequence[str], conversations: int, seed: int) -> int:
    """Run once, print the figures, return 0 where they are as they must be."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    with tempfile.TemporaryDirectory(prefix="threadline-demo-", ignore_cleanup_errors=True) as folder:
        try:
            result = asyncio.run(_run(Path(folder), kills, conversations, seed, console))
        except ThreadlineError as error:
            console.print(f"[bold red]{error}[/]")
            return 1
    if as_json:
        print(json.dumps(result.figures()))  # noqa: T201
    else:
        Console().print(_table(result))
    for fault in result.faults:
        console.print(f"[bold red]{fault}[/]")
    return 1 if result.faults else 0


async def _run(folder: Path, kills: Sequence[str], conversations: int, seed: int, console: Console) -> DemoResult:
    def on_line(name: str, line: str) -> None:
        console.print(line_of(name, line, colours=False), style="dim", markup=False)

    clock = SystemClock()
    sample = SampleRun(pace_of(_TIMEOUT, seconds=_SECONDS), conversations=conversations, seed=seed)
    stack = Stack(folder, port=0, thread_timeout=_TIMEOUT, on_line=on_line, evaluators=EVALUATORS)
    client = ClickHouse(stack.clickhouse)
    try:
        await stack.start()
        await client.start()
        delivery = await _send(stack, sample, kills, clock, console)
        await _settle(sample, stack.kafka, client, clock)
        return await measure(sample, delivery, stack.kafka, client)
    finally:
        await client.close()
        await stack.stop()


async def _send(stack: Stack, sample: SampleRun, kills: Sequence[str], clock: Clock, console: Console) -> Delivery:
    sending = asyncio.ensure_future(sample.send(stack.base_url, clock, console))
    failing = asyncio.ensure_future(stack.first_failure())
    killing = asyncio.ensure_future(_kill_meanwhile(stack, sample, kills, console))
    await asyncio.wait({sending, failing}, return_when=asyncio.FIRST_COMPLETED)
    failing.cancel()
    if not sending.done():
        sending.cancel()
        raise ThreadlineError(failing.result())
    await killing
    return await sending


async def _kill_meanwhile(stack: Stack, sample: SampleRun, kills: Sequence[str], console: Console) -> None:
    """Kill processes one after another, evenly spread over the run, and start each again a little later."""
    for number, name in enumerate(kills, 1):
        await sample.answered(number / (len(kills) + 1))
        console.print(f"[bold yellow]kill -9 {name}[/]")
        await stack.kill(name)
        await asyncio.sleep(_RESTART_AFTER_SECONDS)
        await stack.restart(name)


async def _settle(sample: SampleRun, kafka: KafkaSettings, client: ClickHouse, clock: Clock) -> None:
    """Wait until every expected session is closed and evaluated, and all is stored; no longer than stated."""
    expected = sum(len(sessions) for sessions in expected_sessions(sample.conversations, sample.pace).values())
    until = clock.monotonic() + _SETTLE_SECONDS_MAX
    while clock.monotonic() < until:
        stored = await sessions_stored(client)
        # In this order: what the evaluators have committed they have published before, so it counts as pending.
        if (
            stored.closed >= expected
            and await _is_evaluated(kafka)
            and not any(balance.pending for balance in await balance_all(kafka, client))
        ):
            return
        await asyncio.sleep(_LOOK_INTERVAL_SECONDS)


async def _is_evaluated(kafka: KafkaSettings) -> bool:
    bounds = await read_bounds(kafka, [THREADS], EVALUATORS_GROUP)
    return all(one.committed >= one.end for one in bounds[THREADS.name])


def _table(result: DemoResult) -> Table:
    table = Table("what", "value", title="threadline demo", title_style="bold")
    for name, value in result.figures().items():
        table.add_row(name.replace("_", " "), f"{value:,.3f}" if isinstance(value, float) else f"{value:,}")
    return table
