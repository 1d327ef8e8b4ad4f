"""Send one turn of a thread to the address that is given, close the thread, read the turn back, delete both."""  # noqa: INP001

import json
import sys
import time
import urllib.error
import urllib.request
import uuid

TRACES = sys.argv[1].rstrip("/") + "/api/v1/private/traces"
WAIT_SECONDS = 60
OK, NO_CONTENT = 200, 204


def call(method: str, path: str, body: object = None) -> int:
    """Return the status of the answer."""
    request = urllib.request.Request(  # noqa: S310 - the address of our own service
        TRACES + path,
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=15) as answer:  # noqa: S310
            return int(answer.status)
    except urllib.error.HTTPError as refusal:
        return refusal.code


def must(what: str, wanted: int, method: str, path: str, body: object = None) -> None:
    """Repeat the call until the answer is `wanted`; exit with a sentence where it does not come in time."""
    began = time.monotonic()
    while (status := call(method, path, body)) != wanted:
        if time.monotonic() - began > WAIT_SECONDS:
            sys.exit(f"{what} failed for {WAIT_SECONDS} s: HTTP {status}")
        time.sleep(0.2)
    print(f"{what}: {time.monotonic() - began:.2f} s", flush=True)  # noqa: T201


def uuid7() -> str:
    """Return a UUID of now: version 7, as the SDKs make them."""
    milliseconds = time.time_ns() // 1_000_000  # noqa: TID251 - a script of its own, outside the package
    bits = milliseconds << 80 | 7 << 76 | (uuid.uuid4().int & ((1 << 76) - 1))
    return str(uuid.UUID(int=bits & ~(3 << 62) | 2 << 62))


def main() -> None:
    """Go through every process: serve takes it, the worker closes the thread, the sink stores, serve reads."""
    thread = {"project_name": "Helm test", "thread_id": uuid7()}
    trace = {
        **thread,
        "id": uuid7(),
        "name": "round trip",
        "start_time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "input": {"question": "does it arrive?"},
    }
    must("taking the trace (serve, Kafka)", NO_CONTENT, "POST", "/batch", {"traces": [trace]})
    must("closing its thread (worker)", NO_CONTENT, "PUT", "/threads/close", thread)
    must("reading it back (sink, ClickHouse)", OK, "GET", f"/{trace['id']}")
    threads = {"project_name": thread["project_name"], "thread_ids": [thread["thread_id"]]}
    must("deleting the thread", NO_CONTENT, "POST", "/threads/delete", threads)
    must("deleting the trace", NO_CONTENT, "DELETE", f"/{trace['id']}")


main()
