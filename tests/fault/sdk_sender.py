"""Run with the real `opik` package: log so many traces, wait until all are sent, and say which they were."""

import json
import sys

import opik

count = int(sys.argv[1])
client = opik.Opik(project_name="overload")
ids = [
    client.trace(name="turn", input={"number": number}, output={"text": "x" * 200}, thread_id=f"sdk-{number % 7}").id
    for number in range(count)
]
is_flushed = client.flush(timeout=240)
print(json.dumps({"ids": ids, "is_flushed": is_flushed}))
client.end()
