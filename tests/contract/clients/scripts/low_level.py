"""The client itself: explicit end and update, nested spans, scores; the thread is named only when a turn ends."""

import sys

import opik

client = opik.Opik(batching="--unbatched" not in sys.argv)
THREAD = "support-1"


def turn(text: str, answer: str, error: str | None = None) -> None:
    trace = client.trace(name="turn", input={"user": text}, metadata={"channel": "web"}, tags=["support"])
    retrieval = trace.span(name="retrieve", type="tool", input={"query": text})
    model = retrieval.span(name="complete", type="llm", input={"prompt": text}, model="gpt-4o-mini", provider="openai")
    prompt, completion = len(text.split()), len(answer.split())
    usage = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
    model.update(metadata={"attempt": 1})
    model.end(output={"text": answer}, usage=usage)
    model.log_feedback_score("grounded", 1)
    retrieval.end(output={"documents": 2})
    trace.update(metadata={"channel": "phone"})
    if error:
        problem = {"exception_type": "TimeoutError", "message": error, "traceback": "at turn"}
        trace.end(error_info=problem, thread_id=THREAD)
    else:
        trace.end(output={"assistant": answer}, thread_id=THREAD)
    trace.log_feedback_score("helpful", 0.5 if error else 1, reason="as the user said")


turn("How do I reset it?", "Hold the button for ten seconds.")
turn("And then?", "Wait for the light.")
turn("It stays dark.", "", error="no answer within 30 s")
client.trace(name="no thread", input="ping", output="pong")
assert client.flush(), client.get_errors_report()
