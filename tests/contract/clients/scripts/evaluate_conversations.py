"""evaluate_threads with a metric of one's own: closed threads are read back as conversations and scored."""

import json
import os
import time
from typing import Any

import opik
from opik.evaluation import evaluate_threads
from opik.evaluation.metrics.conversation import conversation_thread_metric
from opik.evaluation.metrics.score_result import ScoreResult

PROJECT = os.environ["OPIK_PROJECT_NAME"]
CLOSED = 'id != "open"'
SECONDS_MAX = 120
CONVERSATIONS = {"short": ["Hello"], "long": ["What is Opik?", "And a thread?", "Thanks"], "open": ["Still here"]}


class Turns(conversation_thread_metric.ConversationThreadMetric):
    """How many answers were given, and to what."""

    def __init__(self) -> None:
        super().__init__(name="turns")

    def score(self, conversation: list[dict[str, str]], **_ignored: Any) -> ScoreResult:
        asked = [message["content"] for message in conversation if message["role"] == "user"]
        answers = [message for message in conversation if message["role"] == "assistant"]
        return ScoreResult(name=self.name, value=len(answers), reason=" | ".join(asked))


client = opik.Opik()
for thread_id, texts in CONVERSATIONS.items():
    for text in texts:
        client.trace(name="turn", input={"user": text}, output={"assistant": text.upper()}, thread_id=thread_id)
assert client.flush()
client.search_traces(wait_for_at_least=5)
give_up = time.monotonic() + SECONDS_MAX
while (
    len(client.search_threads(project_name=PROJECT, filter_string=CLOSED)) < 2
):  # threads are listed after their traces
    assert time.monotonic() < give_up
    time.sleep(0.5)  # polls: there is nothing to await
client.rest_client.traces.close_trace_thread(project_name=PROJECT, thread_ids=["short", "long"])
results = evaluate_threads(
    project_name=PROJECT,
    filter_string=CLOSED,
    eval_project_name=f"{PROJECT}-evaluation",
    metrics=[Turns()],
    trace_input_transform=lambda message: message["user"],
    trace_output_transform=lambda message: message["assistant"],
    verbose=0,
)
assert client.flush()
found = {result.thread_id: [[score.value, score.reason] for score in result.scores] for result in results.results}
print(json.dumps(found))
