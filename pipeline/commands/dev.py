"""`threadline dev`: the whole stack on this machine, each stage a process of its own, in one console."""

import asyncio
import signal
import sys
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from pipeline.adapters.clock import SystemClock
from pipeline.commands.sample_run import EVALUATORS, SampleRun, pace_of
from pipeline.errors import ThreadlineError
from pipeline.local.console import line_of
from pipeline.local.stack import Stack

_SAMPLE_TIMEOUT = "9s"
_SAMPLE_SECONDS = 240.0
_SAMPLE_CONVERSATIONS = 400


def run(*, data_dir: Path, port: int, thread_timeout: str | None, sample: bool) -> int:
    """Run until Ctrl-C, or until a process ends by itself (exit code 1)."""
    console = Console(highlight=False, soft_wrap=True)
    timeout = thread_timeout or (_SAMPLE_TIMEOUT if sample else None)

    def on_line(name: str, line: str) -> None:
        console.print(Text.from_ansi(line_of(name, line, colours=sys.stdout.isatty())))

    evaluators = EVALUATORS if sample else None
    stack = Stack(data_dir, port=port, thread_timeout=timeout, on_line=on_line, evaluators=evaluators)
    return asyncio.run(_run(stack, console, timeout if sample else None))


async def _run(stack: Stack, console: Console, sample_timeout: str | None) -> int:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    try:
        await _unless(stop, stack.start())
        if stop.is_set():
            return 0
        console.print(f"\n[bold green]Threadline is ready[/]   page [bold]{stack.base_url}/[/]")
        console.print(f"   Opik SDKs: [bold]OPIK_URL_OVERRIDE={stack.base_url}/api/[/]")
        for name, operation_port in stack.operation_ports.items():
            console.print(f"   {name}: http://127.0.0.1:{operation_port}/metrics")
        console.print("   Ctrl-C stops everything; the conversations stay, for the next start.\n")
        waiting: list[asyncio.Future[Any]] = [
            asyncio.ensure_future(stop.wait()),
            asyncio.ensure_future(stack.first_failure()),
        ]
        if sample_timeout is not None:
            waiting.append(asyncio.ensure_future(_play(stack, console, sample_timeout)))
        return await _until_over(waiting, console)
    except ThreadlineError as error:
        console.print(f"[bold red]{error}[/]")
        return 1
    finally:
        console.print("stopping ...")
        await stack.stop()


async def _unless(stop: asyncio.Event, work: Coroutine[Any, Any, None]) -> None:
    """Run `work`, but give it up when `stop` is set."""
    doing = asyncio.ensure_future(work)
    stopping = asyncio.ensure_future(stop.wait())
    await asyncio.wait({doing, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if doing.done():
        await doing
    else:
        doing.cancel()


async def _until_over(waiting: Sequence[asyncio.Future[Any]], console: Console) -> int:
    """Wait for the end: 0 when asked to stop, 1 when a process failed; a finished sample is not the end."""
    stopping, failing, *playing = waiting
    await asyncio.wait({stopping, failing}, return_when=asyncio.FIRST_COMPLETED)
    for task in playing:
        task.cancel()
    if failing.done():
        console.print(f"[bold red]{failing.result()}[/]")
        return 1
    return 0


async def _play(stack: Stack, console: Console, thread_timeout: str) -> None:
    run = SampleRun(pace_of(thread_timeout, seconds=_SAMPLE_SECONDS), conversations=_SAMPLE_CONVERSATIONS, seed=1)
    await run.send(stack.base_url, SystemClock(), console)
    console.print(
        f"[bold green]All {len(run.conversations)} sample conversations are sent.[/] Threadline goes on running."
    )
