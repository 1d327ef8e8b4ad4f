"""OpenInference's instrumentation of LangChain, exported in batches with gzip; the thread is the session."""

import os

from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnablePassthrough
from langchain_openai import ChatOpenAI
from openai import BadRequestError
from openinference.instrumentation import using_session
from openinference.instrumentation.langchain import LangChainInstrumentor
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

exporter = OTLPSpanExporter(endpoint=f"{os.environ['OPIK_URL_OVERRIDE']}v1/traces", compression=Compression.Gzip)
provider = TracerProvider(resource=Resource.create({"openinference.project.name": os.environ["OPIK_PROJECT_NAME"]}))
provider.add_span_processor(BatchSpanProcessor(exporter))
LangChainInstrumentor().instrument(tracer_provider=provider)

model = ChatOpenAI(model="gpt-4o-mini", base_url=os.environ["OPENAI_BASE_URL"], max_retries=0)
prompt = ChatPromptTemplate.from_messages([("system", "Be brief."), ("human", "{question}")])
chain = RunnablePassthrough.assign(answer=prompt | model | StrOutputParser())

with using_session("otel-session"):
    chain.invoke({"question": "What is Opik?"})
    chain.invoke({"question": "And a thread?"})
    try:
        chain.invoke({"question": "Please refuse me"})
    except BadRequestError as error:
        print(error.status_code)
provider.shutdown()
