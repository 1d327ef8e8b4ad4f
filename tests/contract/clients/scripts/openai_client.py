"""The OpenAI client, tracked: responses and chat completions, whole and streamed."""

import openai
import opik
from opik.integrations.openai import track_openai

client = track_openai(openai.OpenAI(max_retries=0))
THREAD = {"trace": {"thread_id": "f174a"}}
MODEL = "gpt-4o-mini"


def messages(text: str) -> list[dict[str, str]]:
    return [{"role": "system", "content": "You are a helpful assistant."}, {"role": "user", "content": text}]


@opik.track
def answer(text: str) -> str:
    return client.responses.create(model=MODEL, input=messages(text)).output_text


client.responses.create(model=MODEL, input=messages("What is Opik?"), opik_args=THREAD)
client.chat.completions.create(model=MODEL, messages=messages("And a thread?"), opik_args=THREAD)
chunks = client.chat.completions.create(
    model=MODEL,
    messages=messages("Word by word"),
    stream=True,
    stream_options={"include_usage": True},
    opik_args=THREAD,
)
assert len(list(chunks)) > 3
events = client.responses.create(model=MODEL, input=messages("Event by event"), stream=True, opik_args=THREAD)
assert len(list(events)) > 3
answer("Inside a function", opik_args=THREAD)
try:
    client.chat.completions.create(model=MODEL, messages=messages("Please refuse me"), opik_args=THREAD)
except openai.BadRequestError as error:
    print(error.status_code)
assert opik.get_global_client().flush()
