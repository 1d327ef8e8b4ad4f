"""Send one trace to the address in the first argument, read it back, and delete it again."""

import json
import sys
import time
import urllib.error
import urllib.request
import uuid

ADDRESS = sys.argv[1].rstrip("/") + "/api/v1/private/traces"
WAIT_SECONDS = 60


def call(method: str, path: str = "", body: object = None) -> int:
    """Return the status of the answer."""
    request = urllib.request.Request(  # noqa: S310 - the address of our own service
        ADDRESS + path,
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            return answer.status
    except urllib.error.HTTPError as refusal:
        return refusal.code


def uuid7() -> str:
    """Return a UUID of now: version 7, as the SDKs make them."""
    milliseconds = time.time_ns() // 1_000_000  # noqa: TID251 - a script of its own, outside the package
    bits = milliseconds << 80 | 7 << 76 | (uuid.uuid4().int & ((1 << 76) - 1))
    return str(uuid.UUID(int=bits & ~(3 << 62) | 2 << 62))


def main() -> None:
    """Exit with a sentence where the trace does not come back in time."""
    trace = {
        "id": uuid7(),
        "project_name": "Helm test",
        "name": "round trip",
        "start_time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "input": {"question": "does it arrive?"},
    }
    began = time.monotonic()
    status = call("POST", "/batch", {"traces": [trace]})
    if status != 204:  # noqa: PLR2004
        sys.exit(f"the trace was not accepted: HTTP {status}")
    while (status := call("GET", f"/{trace['id']}")) != 200:  # noqa: PLR2004
        if time.monotonic() - began > WAIT_SECONDS:
            sys.exit(f"accepted, but not readable after {WAIT_SECONDS} s: HTTP {status}; look at the sink and its lag")
        time.sleep(0.2)
    print(f"written and read back in {time.monotonic() - began:.2f} s")  # noqa: T201
    status = call("DELETE", f"/{trace['id']}")
    if status != 204:  # noqa: PLR2004
        sys.exit(f"the trace was not deleted: HTTP {status}")


main()
