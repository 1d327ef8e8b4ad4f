"""Run with the real `opik` package: log so many traces within so many seconds, and say which were sent.

Says `logging` once it has begun, and at its end, in one line of JSON, the ids and whether the SDK calls all of them
sent.
"""

import asyncio
import json
import sys
import time

import opik


async def log(client: opik.Opik, count: int, seconds: float) -> list[str]:
    ids = []
    began_at = time.monotonic()
    for number in range(count):
        await asyncio.sleep(max(0.0, began_at + number * seconds / count - time.monotonic()))
        trace = client.trace(
            name="turn", input={"number": number}, output={"text": "x" * 200}, thread_id=f"sdk-{number % 7}"
        )
        ids.append(trace.id)
        if number == 0:
            print("logging", flush=True)
    return ids


client = opik.Opik(project_name="faults")
ids = asyncio.run(log(client, int(sys.argv[1]), float(sys.argv[2])))
print(json.dumps({"ids": ids, "is_flushed": client.flush(timeout=240)}), flush=True)
client.end()
