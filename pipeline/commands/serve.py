"""`threadline serve`: the gateway and the query side under one port, with the page."""

import asyncio
from ipaddress import ip_address

from pipeline.adapters.clickhouse.client import ClickHouse
from pipeline.adapters.clock import Clock, SystemClock
from pipeline.adapters.kafka.admin import check_topics
from pipeline.adapters.kafka.producer import EventProducer
from pipeline.adapters.kafka.replies import ReplyReader
from pipeline.adapters.kafka.rules import RuleLog
from pipeline.adapters.kafka.tail import follow
from pipeline.adapters.listener import Listener
from pipeline.adapters.memory import collect_seldom, give_back_large_blocks
from pipeline.adapters.telemetry import logs
from pipeline.adapters.telemetry.health import Health
from pipeline.adapters.watched_file import WatchedFile
from pipeline.adapters.web.access import Access
from pipeline.adapters.web.app import build
from pipeline.adapters.web.keys import ring_of
from pipeline.commands import serve_processes, stage_process
from pipeline.commands.openapi import document_route
from pipeline.errors import InvalidSettings
from pipeline.gateway.gateway import Gateway
from pipeline.gateway.live import Live
from pipeline.query.reader import query_settings, reading_user
from pipeline.query.routes import Query
from pipeline.settings import GatewaySettings, Settings
from pipeline.topics import THREADS

_log = logs.logger(__name__)


def run(settings: Settings) -> int:
    """Run until told to stop; return the exit code."""
    if settings.gateway.processes > 1:
        return serve_processes.run(settings)

    async def body(health: Health, stop: asyncio.Event) -> None:
        await _serve(settings, health, stop)

    return stage_process.run("gateway", settings, body)


async def _serve(settings: Settings, health: Health, stop: asyncio.Event) -> None:
    give_back_large_blocks()
    clock = SystemClock()
    client = ClickHouse(
        reading_user(settings.clickhouse, settings.query), query_settings=query_settings(settings.query)
    )
    query = Query(settings.query, clock, client)
    gateway = Gateway(
        settings.gateway,
        clock,
        EventProducer(settings.kafka, client_id="threadline-serve"),
        ReplyReader(settings.kafka, waiters_max=settings.gateway.commands_in_flight_max),
        storage=query,
        rules=RuleLog(settings.kafka),
    )
    live = Live(settings.gateway, lambda: follow(settings.kafka, THREADS))
    gateway_routes, query_routes = [*live.routes(), *gateway.routes()], query.routes()
    described = document_route([*gateway_routes, *query_routes])
    app = build(
        {"gateway": gateway_routes, "query": [described, *query_routes]},
        clock=clock,
        retry_after_seconds=settings.gateway.retry_after_seconds,
        access=access_of(settings.gateway, clock),
        cors_origins=[origin.strip() for origin in settings.gateway.cors_origins.split(",") if origin.strip()],
    )
    listener = Listener(
        app,
        host=settings.gateway.host,
        port=settings.gateway.port,
        drain_seconds=settings.gateway.shutdown_seconds,
        head_bytes_max=settings.gateway.head_bytes_max,
        head_seconds_max=settings.gateway.head_seconds_max,
        share_port=settings.gateway.share_port,
    )
    await check_topics(settings.kafka)
    await gateway.start()
    try:
        await query.start()
        await live.start()
        collect_seldom()
        await _listen(listener, settings)
        health.set_ready(ready=True)
        _log.info("ready", url=f"http://{settings.gateway.host}:{listener.port}/")
        await stop.wait()
        health.set_ready(ready=False)
    finally:
        await live.stop()  # streams end only so
        # The listening socket closes first: clients that are refused park what they have and come back, while those
        # in flight are answered once Kafka has their events.
        await asyncio.gather(listener.stop(), app.drain(settings.gateway.shutdown_seconds))
        await gateway.stop()
        await query.stop()


def access_of(settings: GatewaySettings, clock: Clock) -> Access | None:
    """Return who lets requests in; None, which is everybody, where no keys are in force.

    Raises InvalidSettings where that would be everybody of other machines too, unless the settings say so, and where
    the file of keys cannot be read.
    """
    if settings.keys_file is not None:
        keys = WatchedFile("keys", settings.keys_file, ring_of, clock)
        return Access(keys, clock, workspace_bytes_max=settings.key_bytes_max)
    if not (settings.open_to_all or _is_loopback(settings.host)):
        raise InvalidSettings(
            f"on {settings.host} everybody could read and write without a key: set THREADLINE_GATEWAY_KEYS_FILE (see "
            "`threadline keys create`), or THREADLINE_GATEWAY_OPEN_TO_ALL=true where that is meant"
        )
    return None


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


async def _listen(listener: Listener, settings: Settings) -> None:
    try:
        await listener.start()
    except OSError as error:
        place = f"{settings.gateway.host}:{settings.gateway.port}"
        raise InvalidSettings(f"cannot listen on {place}: {error.strerror}") from error
