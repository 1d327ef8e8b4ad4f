"""Run one of the bodies below the way a command runs its stage: python -m tests.support.stage BODY LOOP."""

import asyncio
import signal
import sys

from pipeline.adapters.telemetry import logs
from pipeline.adapters.telemetry.health import Health
from pipeline.commands import stage_process
from pipeline.errors import BrokerUnavailable, Stalled
from pipeline.settings import load

log = logs.logger("pipeline.test")


async def until_stopped(health: Health, stop: asyncio.Event) -> None:
    health.set_ready(ready=True)
    log.info("ready")
    await stop.wait()
    log.info("drained")


async def drains_until_asked(_: Health, stop: asyncio.Event) -> None:
    asked = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, asked.set)
    log.info("ready")
    await stop.wait()
    log.info("draining")
    await asked.wait()


async def fatal(_: Health, __: asyncio.Event) -> None:
    raise Stalled("no progress for 61 s")


async def transient(_: Health, __: asyncio.Event) -> None:
    raise BrokerUnavailable("no Kafka")


async def fault(_: Health, __: asyncio.Event) -> None:
    raise KeyError("of ours")


async def returns(_: Health, __: asyncio.Event) -> None:
    log.info("done")


if __name__ == "__main__":
    body, loop = globals()[sys.argv[1]], sys.argv[2]
    sys.exit(stage_process.run("test", load(), body, use_uvloop=loop == "uvloop"))
