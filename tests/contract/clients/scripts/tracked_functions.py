"""The decorator: thread from the caller and from inside; nested, async, longer than a batch, and failing functions."""

import asyncio
import time

import opik
from opik import opik_context

THREAD = {"trace": {"thread_id": "by-caller", "tags": ["decorated"]}}


@opik.track(type="tool")
def look_up(question: str) -> list[str]:
    return [f"a page on {question}"]


@opik.track(type="llm")
def complete(question: str, pages: list[str]) -> str:
    usage = {"prompt_tokens": len(question.split()), "completion_tokens": 3}
    usage["total_tokens"] = sum(usage.values())
    opik_context.update_current_span(model="gpt-4o-mini", provider="openai", usage=usage)
    return f"{len(pages)} page found"


@opik.track
def answer(question: str) -> str:
    return complete(question, look_up(question))


@opik.track
def answer_inside(question: str) -> str:
    opik_context.update_current_trace(
        thread_id="from-inside", feedback_scores=[{"name": "helpful", "value": 1, "reason": "by the function"}]
    )
    return complete(question, look_up(question))


@opik.track
async def answer_later(question: str) -> str:
    return " ".join(await asyncio.gather(*(describe(word) for word in question.split())))


@opik.track
async def describe(word: str) -> str:
    return word.upper()


@opik.track
def answer_slowly(question: str) -> str:
    time.sleep(3)  # polls: nothing; longer than the client's batch, so that a copy without the end goes ahead
    return complete(question, [])


@opik.track
def fail(question: str) -> str:
    raise ValueError(f"no answer to {question}")


answer("What is Opik?", opik_args=THREAD)
answer_inside("What is a thread?")
asyncio.run(answer_later("all at once", opik_args=THREAD))
answer_slowly("Why so slow?", opik_args=THREAD)
try:
    fail("this", opik_args=THREAD)
except ValueError as error:
    print(error)
assert opik.get_global_client().flush()
