"""The gateway over real sockets, with a real broker and a real stream worker: recorded traffic, and trouble."""

import asyncio
import gzip
import io
import json
import re
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import jsonschema
import pytest
import pytest_asyncio
import uuid_utils.compat as uuids
from aiokafka import TopicPartition

from pipeline.adapters.clock import SystemClock
from pipeline.adapters.kafka.admin import ensure_topics
from pipeline.adapters.kafka.producer import EventProducer
from pipeline.adapters.kafka.replies import ReplyReader
from pipeline.adapters.listener import Listener
from pipeline.adapters.web.app import build
from pipeline.gateway.gateway import Gateway
from pipeline.local.broker import EmbeddedBroker
from pipeline.local.process import free_port
from pipeline.settings import GatewaySettings, KafkaSettings
from pipeline.topics import ANNOTATIONS, DEAD_LETTERS, SCORES, SPANS, TRACES, Topic
from tests.integration.stream.worker_process import WorkerProcess, is_behind, reader
from tests.support.gateway import gateway_settings
from tests.support.recorded import RECORDING

pytestmark = pytest.mark.asyncio(loop_scope="module")

SCHEMAS = Path(__file__).parents[3] / "schemas" / "events"
PARTITIONS = 4
COMMAND_SECONDS_MAX = 120.0
SILENCE_SECONDS = 1.0
OF_OTHERS = re.compile(
    r"GET /v1/.*|POST .*/(search|retrieve)|PATCH .*/comments/.*|POST .*/comments/delete|.*/auth(/.*)?"
)
"""Recorded requests that read, or that must ask storage where a comment stands: see test_read_back.py."""


class Running(NamedTuple):
    """A gateway that listens."""

    kafka: KafkaSettings
    gateway: Gateway
    listener: Listener
    session: aiohttp.ClientSession


async def start_gateway(kafka: KafkaSettings, settings: GatewaySettings) -> Running:
    clock = SystemClock()
    replies = ReplyReader(kafka, waiters_max=settings.commands_in_flight_max)
    gateway = Gateway(settings, clock, EventProducer(kafka, client_id="gateway"), replies)
    await gateway.start()
    app = build({"gateway": gateway.routes()}, clock=clock, retry_after_seconds=settings.retry_after_seconds)
    listener = Listener(app, host="127.0.0.1", port=0, drain_seconds=5)
    await listener.start()
    return Running(kafka, gateway, listener, aiohttp.ClientSession(f"http://127.0.0.1:{listener.port}"))


async def stop_gateway(running: Running) -> None:
    await running.session.close()
    await running.listener.stop()
    await running.gateway.stop()


async def start_kafka() -> tuple[EmbeddedBroker, KafkaSettings]:
    broker = EmbeddedBroker(free_port())
    await broker.start()
    kafka = KafkaSettings(
        bootstrap=broker.bootstrap,
        last_record_alone=True,
        partitions=PARTITIONS,
        session_timeout_ms=6000,
        heartbeat_interval_ms=1000,
        request_timeout_ms=2000,
    )
    await ensure_topics(kafka.model_copy(update={"request_timeout_ms": 60_000}), SystemClock())
    return broker, kafka


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def running() -> AsyncIterator[Running]:
    broker, kafka = await start_kafka()
    try:
        started = await start_gateway(kafka, gateway_settings(command_timeout_seconds=COMMAND_SECONDS_MAX))
        yield started
        await stop_gateway(started)
    finally:
        await broker.kill()


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def worker(running: Running) -> AsyncIterator[WorkerProcess]:
    names = ("bootstrap", "partitions", "session_timeout_ms", "heartbeat_interval_ms", "last_record_alone")
    env = {f"THREADLINE_KAFKA_{name.upper()}": str(getattr(running.kafka, name)) for name in names}
    env |= {"THREADLINE_STREAM_TRANSACTIONS": "false", "THREADLINE_OPERATION_PORT": "0"}  # the embedded broker has none
    worker = await WorkerProcess.start(env)
    try:
        await worker.wait_until_ready()
        yield worker
        await worker.stop()
    finally:
        await worker.kill()


def recorded() -> list[dict[str, Any]]:
    """Return the recorded requests that this stage answers, in order."""
    requests = [json.loads(line) for line in RECORDING.read_text().splitlines()]
    return [request for request in requests if not OF_OTHERS.fullmatch(f"{request['method']} {request['path']}")]


def a_trace(**fields: Any) -> dict[str, Any]:
    return {"id": str(uuids.uuid7()), "start_time": "2026-11-22T09:23:26.883729Z", **fields}


async def rows_of(running: Running, topic: Topic) -> list[tuple[dict[str, str], dict[str, Any]]]:
    """Return headers and value of every record of `topic` but ticks: up to its end, and until only ticks come."""
    found = []
    async with reader(running.kafka) as consumer:
        places = [TopicPartition(topic.name, number) for number in range(PARTITIONS)]
        consumer.assign(places)
        ends = await consumer.end_offsets(places)
        silent_since = time.monotonic()
        while time.monotonic() - silent_since < SILENCE_SECONDS or await is_behind(consumer, ends):
            for share in (await consumer.getmany(timeout_ms=int(SILENCE_SECONDS * 1000))).values():
                for record in share:
                    headers = {name: value.decode() for name, value in record.headers}
                    if headers["kind"] != "tick":
                        found.append((headers, json.loads(record.value)))
                        silent_since = time.monotonic()
    return found


async def send(running: Running, request: dict[str, Any]) -> tuple[int, Any]:
    """Send a recorded request as its SDK did, and return status and JSON of the answer."""
    body = b"" if request["body"] is None else json.dumps(request["body"]).encode()
    names = ("comet-workspace", "content-type", "content-encoding")
    headers = {name: request["headers"][name] for name in names if name in request["headers"]}
    if headers.get("content-encoding") == "gzip":
        body = gzip.compress(body, 6)
    async with running.session.request(
        request["method"], f"/api{request['path']}", data=body, headers=headers
    ) as answer:
        return answer.status, await answer.json() if answer.content_type == "application/json" else None


def expected_events(requests: list[dict[str, Any]], kind: str) -> Counter[tuple[str, str]]:
    """Return (event, id) of every recorded create or patch of `kind`."""
    events: Counter[tuple[str, str]] = Counter()
    for request in requests:
        path, body = request["path"], request["body"]
        if path in {f"/v1/private/{kind}/batch", f"/v1/private/{kind}"}:
            events.update(("create", item["id"]) for item in body.get(kind, [body]))
        elif request["method"] == "PATCH" and (found := re.fullmatch(f"/v1/private/{kind}/([^/]+)", path)):
            events[("patch", found[1])] += 1
    return events


def trace_scores(requests: list[dict[str, Any]]) -> int:
    """Return how many scores of traces were recorded."""
    return sum(len(one["body"]["scores"]) for one in requests if one["path"] == "/v1/private/traces/feedback-scores")


async def test_recorded_traffic_of_the_sdks_becomes_events_that_their_schemas_describe(
    running: Running, worker: WorkerProcess
) -> None:
    assert worker.process.returncode is None
    requests = recorded()
    refused = []
    for request in requests:
        status, content = await send(running, request)
        if status == 409:
            refused.append((request["label"], content["message"]))
        else:
            assert status in {200, 201, 204}, (request["method"], request["path"], content)

    # In the recording it scores one thread before it closes it, and again after it has opened it.
    active = "Threads must be closed before scoring. Thread IDs are active: '[user-session-1]'"
    assert refused == [("j_programmatic", active)] * 2

    traces = await rows_of(running, TRACES)
    spans = await rows_of(running, SPANS)
    scores = await rows_of(running, SCORES)

    events = [row for headers, row in traces if headers["kind"] == "trace"]
    assert Counter((row["event"], row["id"]) for row in events) == expected_events(requests, "traces")
    assert Counter((row["event"], row["id"]) for _, row in spans) == expected_events(requests, "spans")
    assert Counter(headers["kind"] for headers, _ in traces if headers["kind"] != "trace") == {
        "close": 5, "open": 1, "score": 3, "unscore": 1, "delete": 1, "setting": PARTITIONS,
    }  # fmt: skip
    assert Counter((row["entity_type"], row["event"]) for _, row in scores) == {
        ("trace", "set"): trace_scores(requests), ("trace", "delete"): 1, ("thread", "set"): 1, ("thread", "delete"): 1,
    }  # fmt: skip
    annotations = [row for _, row in await rows_of(running, ANNOTATIONS)]
    assert Counter((row["entity_type"], row["annotation"]) for row in annotations) == {
        ("thread", "tags"): 3, ("thread", "comment"): 1, ("trace", "comment"): 1,
    }  # fmt: skip
    settings = [row for headers, row in traces if headers["kind"] == "setting"]
    assert {(row["workspace"], row["timeout_ms"]) for row in settings} == {("default", 1_800_000)}
    assert await rows_of(running, DEAD_LETTERS) == []
    for name, rows in (
        ("trace", events), ("span", [row for _, row in spans]), ("score", [row for _, row in scores]),
        ("annotation", annotations), ("setting", settings),
    ):  # fmt: skip
        schema = json.loads((SCHEMAS / f"{name}.v1.json").read_text())
        for row in rows:
            jsonschema.validate(row, schema)
            assert "\n" not in json.dumps(row)


async def test_an_open_thread_is_not_scored_and_a_closed_one_is(running: Running, worker: WorkerProcess) -> None:
    assert worker.process.returncode is None
    session = running.session
    threads = "/api/v1/private/traces/threads"
    named = {"project_name": "strict"}

    def scores(*thread_ids: str) -> dict[str, Any]:
        return {"scores": [{**named, "thread_id": one, "name": "s", "value": 1, "source": "sdk"} for one in thread_ids]}

    batch = {"traces": [a_trace(**named, thread_id=thread_id) for thread_id in ("b", "a", "c")]}
    assert (await session.post("/api/v1/private/traces/batch", json=batch)).status == 204
    assert (await session.put(f"{threads}/close", json={**named, "thread_ids": ["c"]})).status == 204

    answer = await session.put(f"{threads}/feedback-scores", json=scores("b", "a", "c"))

    assert (answer.status, await answer.json()) == (
        409,
        {"code": 409, "message": "Threads must be closed before scoring. Thread IDs are active: '[a, b]'"},
    )
    assert (await session.put(f"{threads}/close", json={**named, "thread_ids": ["a", "b"]})).status == 204
    assert (await session.put(f"{threads}/feedback-scores", json=scores("a", "b"))).status == 204
    stored = [row["thread_id"] for _, row in await rows_of(running, SCORES) if row.get("project_name") == "strict"]
    assert sorted(stored) == ["a", "b", "c"]


async def test_concurrent_batches_with_bad_items_are_all_accounted_for(running: Running) -> None:
    project = str(uuids.uuid7())
    before = len(await rows_of(running, DEAD_LETTERS))

    async def post(number: int) -> int:
        items = [a_trace(project_name=project, thread_id=f"t{item % 7}") for item in range(200)]
        items[number] = {"id": "no uuid"}
        body = gzip.compress(json.dumps({"traces": items}).encode())
        headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
        async with running.session.post("/v1/private/traces/batch", data=body, headers=headers) as answer:
            assert answer.headers["X-Threadline-Set-Aside"] == "1"
            return answer.status

    assert set(await asyncio.gather(*map(post, range(10)))) == {204}
    rows = [row for _, row in await rows_of(running, TRACES) if row.get("project_name") == project]
    assert len(rows) == 10 * 199
    assert len(await rows_of(running, DEAD_LETTERS)) - before == 10


async def test_a_body_over_the_bound_is_a_413_and_the_connection_goes_on(running: Running) -> None:
    bomb = gzip.compress(b" " * (65 * 1024 * 1024))
    connector = aiohttp.TCPConnector(limit=1)
    async with aiohttp.ClientSession(f"http://127.0.0.1:{running.listener.port}", connector=connector) as session:
        for body, headers in ((bomb, {"Content-Encoding": "gzip"}), (b" " * (65 * 1024 * 1024), {})):
            async with session.post("/api/v1/private/spans/batch", data=io.BytesIO(body), headers=headers) as answer:
                assert answer.status == 413
        async with session.get("/api/is-alive/ping") as answer:
            assert answer.status == 200


async def test_a_stopping_gateway_refuses_new_clients_and_finishes_what_it_has() -> None:
    broker, kafka = await start_kafka()
    stopping = await start_gateway(kafka, gateway_settings())
    answers, writer = await asyncio.open_connection("127.0.0.1", stopping.listener.port)
    body = json.dumps({"traces": [a_trace()]}).encode()
    head = f"POST /api/v1/private/traces/batch HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    writer.write(head + body[:10])
    await writer.drain()
    async with stopping.session.get("/api/is-alive/ping") as answer:  # by now the server has read the first half, too
        assert answer.status == 200

    stop = asyncio.create_task(stopping.listener.stop())
    await asyncio.sleep(0)
    while not stop.done():
        try:
            _, other = await asyncio.open_connection("127.0.0.1", stopping.listener.port)
            other.close()
        except (ConnectionRefusedError, ConnectionResetError):  # reset: it waited to be accepted when the socket closed
            break
    writer.write(body[10:])

    assert b" 204 " in await answers.readline()
    writer.close()
    await stop
    assert len(await rows_of(stopping, TRACES)) == 1
    await stopping.session.close()
    await stopping.gateway.stop()
    await broker.stop()


async def test_without_its_broker_the_gateway_answers_429_with_both_headers_and_takes_no_more_than_its_bytes() -> None:
    broker, kafka = await start_kafka()
    settings = gateway_settings(
        publish_timeout_seconds=0.5, retry_after_seconds=3, event_bytes_max=4096, body_bytes_max=4096,
        in_flight_bytes_max=30_000,
    )  # fmt: skip
    alone = await start_gateway(kafka, settings)
    await broker.kill()
    messages = set()
    for _ in range(12):
        body = {"traces": [a_trace(input="x" * 3000)]}
        async with alone.session.post("/api/v1/private/traces/batch", json=body) as answer:
            assert (answer.status, answer.headers["Retry-After"], answer.headers["RateLimit-Reset"]) == (429, "3", "3")
            messages.add(re.sub(r"[\d,.]+", "N", (await answer.json())["message"]))
        assert alone.gateway.budget.used <= 30_000

    assert "Kafka has not confirmed within N s" in messages
    async with alone.session.get("/api/is-alive/ping") as answer:
        assert answer.status == 200
    await stop_gateway(alone)
