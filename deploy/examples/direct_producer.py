#!/usr/bin/env python3
"""Log one turn of a conversation straight into Kafka, without the gateway. It needs aiokafka and nothing of Threadline.

    python direct_producer.py --bootstrap 127.0.0.1:9092 --thread support-1 "How do I reset it?" "Hold the button."

What counts is in `schemas/README.md`: a trace of a thread is keyed by its thread, a span by its trace, and the
partitioner is Kafka's own (murmur2, which aiokafka uses), so that one thread stays in one partition whoever writes.
"""

import argparse
import asyncio
import json
import os
import time
import uuid
from typing import Any

from aiokafka import AIOKafkaProducer

PROJECTS = uuid.UUID("6f1f7a5e-5a0c-5a53-8a53-7a1d2f0c9b11")
"""The namespace of project ids."""

Event = dict[str, Any]


def headers(kind: str) -> list[tuple[str, bytes]]:
    """Return what every record says of itself."""
    return [("kind", kind.encode()), ("schema-version", b"1")]


def project_id(workspace: str, name: str) -> str:
    """Return the id of a project: names compare trimmed and case-folded."""
    return str(uuid.uuid5(PROJECTS, f"{workspace}\t{name.strip().casefold()}"))


def thread_key(workspace: str, project: str, thread_id: str) -> bytes:
    """Return the key under which everything about a thread is written."""
    return f"thread\t{workspace}\t{project}\t{thread_id}".encode()


def uuid7(at_us: int) -> str:
    """Return a UUID of version 7: 48 bits of milliseconds, then chance."""
    chance = int.from_bytes(os.urandom(10), "big")
    bits = (at_us // 1000) << 80 | 0x7 << 76 | (chance >> 68 & 0xFFF) << 64 | 0b10 << 62 | chance & (1 << 62) - 1
    return str(uuid.UUID(int=bits))


def turn(arguments: argparse.Namespace) -> tuple[bytes, Event, Event]:
    """Return the key of the thread, the trace of one turn, and a span of it; times are microseconds since 1970 UTC."""
    now_us = time.time_ns() // 1000
    project = project_id(arguments.workspace, arguments.project)
    common: Event = {
        "workspace": arguments.workspace,
        "version_us": now_us,  # of two events that name the same field, the newer one counts
        "received_at_us": now_us,
        "event": "create",
        "project_id": project,
        "project_name": arguments.project,
        "start_time_us": now_us - 1_000_000,
        "end_time_us": now_us,
        "input": json.dumps({"user": arguments.question}),  # input, output and metadata are JSON in a string
        "output": json.dumps({"assistant": arguments.answer}),
    }
    trace = common | {"id": uuid7(now_us), "name": "turn", "thread_id": arguments.thread}
    usage = {"prompt_tokens": 7, "completion_tokens": 4, "total_tokens": 11}
    call: Event = {"name": "complete", "type": "llm", "model": "gpt-4o-mini", "provider": "openai", "usage": usage}
    span = common | call | {"id": uuid7(now_us), "trace_id": trace["id"]}
    return thread_key(arguments.workspace, project, arguments.thread), trace, span


async def publish(bootstrap: str, key: bytes, trace: Event, span: Event) -> None:
    """Write both, and return when the broker has them on every replica."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all")
    await producer.start()
    try:
        await producer.send_and_wait("traces", json.dumps(trace).encode(), key=key, headers=headers("trace"))
        spans_key = trace["id"].encode()
        await producer.send_and_wait("spans", json.dumps(span).encode(), key=spans_key, headers=headers("span"))
    finally:
        await producer.stop()


def main() -> None:
    """Publish one turn and print the id of its trace."""
    parser = argparse.ArgumentParser(description="Log one turn of a conversation straight into Kafka.")
    parser.add_argument("--bootstrap", default="127.0.0.1:9092")
    parser.add_argument("--workspace", default="default")
    parser.add_argument("--project", default="Default Project")
    parser.add_argument("--thread", required=True)
    parser.add_argument("question")
    parser.add_argument("answer")
    arguments = parser.parse_args()
    key, trace, span = turn(arguments)
    asyncio.run(publish(arguments.bootstrap, key, trace, span))
    print(trace["id"])


if __name__ == "__main__":
    main()
