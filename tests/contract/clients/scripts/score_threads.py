"""Scores closed threads, given as a JSON object of project names and thread ids, as a reviewer's script would."""

import json
import sys

import opik

client = opik.Opik()
for project, thread_ids in json.loads(sys.argv[1]).items():
    client.log_threads_feedback_scores(
        [{"id": thread_id, "name": "reviewed", "value": 0.9, "reason": "complete"} for thread_id in thread_ids],
        project_name=project,
    )
assert client.flush()
