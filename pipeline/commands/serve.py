"""`threadline serve`: the gateway and the query side under one port, with the page."""

import asyncio

from pipeline.adapters.clickhouse.client import ClickHouse
from pipeline.adapters.clock import SystemClock
from pipeline.adapters.kafka.admin import check_topics
from pipeline.adapters.kafka.producer import EventProducer
from pipeline.adapters.kafka.replies import ReplyReader
from pipeline.adapters.listener import Listener
from pipeline.adapters.telemetry import logs
from pipeline.adapters.telemetry.health import Health
from pipeline.adapters.web.app import build
from pipeline.commands import stage_process
from pipeline.commands.openapi import document_route
from pipeline.errors import InvalidSettings
from pipeline.gateway.gateway import Gateway
from pipeline.query.reader import query_settings
from pipeline.query.routes import Query
from pipeline.settings import Settings

_log = logs.logger(__name__)


def run(settings: Settings) -> int:
    """Run until told to stop; return the exit code."""

    async def body(health: Health, stop: asyncio.Event) -> None:
        await _serve(settings, health, stop)

    return stage_process.run("gateway", settings, body)


async def _serve(settings: Settings, health: Health, stop: asyncio.Event) -> None:
    clock = SystemClock()
    client = ClickHouse(settings.clickhouse, query_settings=query_settings(settings.query))
    query = Query(settings.query, clock, client)
    gateway = Gateway(
        settings.gateway,
        clock,
        EventProducer(settings.kafka, client_id="threadline-serve"),
        ReplyReader(settings.kafka, waiters_max=settings.gateway.commands_in_flight_max),
        storage=query,
    )
    gateway_routes, query_routes = gateway.routes(), query.routes()
    described = document_route([*gateway_routes, *query_routes])
    app = build(
        {"gateway": gateway_routes, "query": [described, *query_routes]},
        clock=clock,
        retry_after_seconds=settings.gateway.retry_after_seconds,
    )
    listener = Listener(
        app,
        host=settings.gateway.host,
        port=settings.gateway.port,
        drain_seconds=settings.gateway.shutdown_seconds,
    )
    await check_topics(settings.kafka)
    await gateway.start()
    try:
        await query.start()
        await _listen(listener, settings)
        health.set_ready(ready=True)
        _log.info("ready", url=f"http://{settings.gateway.host}:{listener.port}/")
        await stop.wait()
        health.set_ready(ready=False)
    finally:
        # The listening socket closes first: clients that are refused park what they have and come back, while those
        # in flight are answered once Kafka has their events.
        await asyncio.gather(listener.stop(), app.drain(settings.gateway.shutdown_seconds))
        await gateway.stop()
        await query.stop()


async def _listen(listener: Listener, settings: Settings) -> None:
    try:
        await listener.start()
    except OSError as error:
        place = f"{settings.gateway.host}:{settings.gateway.port}"
        raise InvalidSettings(f"cannot listen on {place}: {error.strerror}") from error
