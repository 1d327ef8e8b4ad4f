"""Run with the real `opik` package: log one turn, and watch its thread become active and then inactive."""

import json
import sys
import time

import opik

PROJECT = "first-conversation"
timeout_seconds, late_seconds_max = map(float, sys.argv[1:])


def status(client: opik.Opik) -> str | None:
    threads = client.search_threads(project_name=PROJECT, filter_string='id = "55d84"')
    return threads[0].status if threads else None


def seconds_until(client: opik.Opik, wanted: str, since: float, limit: float) -> float:
    while status(client) != wanted:
        if time.monotonic() - since > limit:
            sys.exit(f"not {wanted} after {limit} s, but {status(client)}")
        time.sleep(0.5)  # polls: there is nothing to await
    return time.monotonic() - since


client = opik.Opik(project_name=PROJECT)
client.trace(
    name="chat_conversation",
    input="What is Opik?",
    output="Opik is an Open Source GenAI platform",
    thread_id="55d84",
)
client.flush()
sent_at = time.monotonic()
active_after = seconds_until(client, "active", sent_at, timeout_seconds)
inactive_after = seconds_until(client, "inactive", sent_at, timeout_seconds + late_seconds_max)
(trace,) = client.search_traces(project_name=PROJECT, filter_string='thread_id = "55d84"')
content = client.get_trace_content(trace.id)
(thread,) = client.search_threads(project_name=PROJECT)
print(
    json.dumps(
        {
            "active_after": active_after,
            "inactive_after": inactive_after,
            "input": content.input,
            "output": content.output,
            "messages": thread.number_of_messages,
            "first_message": thread.first_message,
            "last_message": thread.last_message,
        }
    )
)
