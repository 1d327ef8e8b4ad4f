"""OpenTelemetry's own instrumentation of the OpenAI client; every span is a request of its own, children come first."""

import os

os.environ["OTEL_SEMCONV_STABILITY_OPT_IN"] = "gen_ai_latest_experimental"
os.environ["OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"] = "span_only"

import openai
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.openai_v2 import OpenAIInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

MODEL = "gpt-4o-mini"
exporter = OTLPSpanExporter(
    endpoint=f"{os.environ['OPIK_URL_OVERRIDE']}v1/private/otel/v1/traces",
    headers={"projectName": os.environ["OPIK_PROJECT_NAME"], "Comet-Workspace": "default"},
)
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
OpenAIInstrumentor().instrument(tracer_provider=provider)
tracer = provider.get_tracer("chat")
client = openai.OpenAI(max_retries=0)


def ask(text: str, **options: object) -> None:
    messages = [{"role": "system", "content": "You are a helpful assistant."}, {"role": "user", "content": text}]
    answer = client.chat.completions.create(model=MODEL, messages=messages, **options)
    if options:
        assert len(list(answer)) > 3


def turn(text: str, **options: object) -> None:
    with tracer.start_as_current_span("turn", attributes={"thread_id": "otel-1", "session.id": "not this"}) as span:
        span.set_attribute("input.value", text)
        ask(text, **options)
        span.set_attribute("output.value", f"answered: {text}")


turn("What is Opik?")
turn("Word by word", stream=True, stream_options={"include_usage": True})
try:
    turn("Please refuse me")
except openai.BadRequestError as error:
    print(error.status_code)
ask("Nobody else's")
provider.shutdown()
