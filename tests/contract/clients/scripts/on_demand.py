"""Log as many turns as each line of the input asks for, and say which they were once all are sent."""

import json
import sys

import opik

client = opik.Opik()
for line in sys.stdin:
    asked = json.loads(line)
    ids = []
    for number in range(asked["turns"]):
        named = {"project_name": asked["project"], "thread_id": f"conversation-{number % 3}"}
        trace = client.trace(name="turn", input={"user": f"question {number}"}, **named)
        trace.span(name="complete", type="llm", input={"prompt": "question"}).end(output={"text": "answer"})
        trace.end(output={"assistant": f"answer {number}"})
        ids.append(trace.id)
    is_flushed = client.flush(timeout=240)
    print(json.dumps({"ids": ids, "is_flushed": is_flushed}), flush=True)
