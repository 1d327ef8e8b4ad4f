"""Google GenAI, tracked: generate_content, whole and streamed."""

import opik
from google import genai
from opik.integrations.genai import track_genai

client = track_genai(genai.Client())
THREAD = {"trace": {"thread_id": "f174a"}}
MODEL = "gemini-2.0-flash"


@opik.track
def answer(text: str) -> str | None:
    return client.models.generate_content(model=MODEL, contents=text).text


client.models.generate_content(model=MODEL, contents="What is Opik?", opik_args=THREAD)
chunks = client.models.generate_content_stream(model=MODEL, contents="Word by word", opik_args=THREAD)
assert len(list(chunks)) > 3
answer("Inside a function", opik_args=THREAD)
try:
    client.models.generate_content(model=MODEL, contents="Please refuse me", opik_args=THREAD)
except genai.errors.ClientError as error:
    print(error.code)
assert opik.get_global_client().flush()
