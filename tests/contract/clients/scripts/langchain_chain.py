"""LangChain: thread from the tracer's constructor, and from the metadata of a call."""

import os

import opik
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnablePassthrough
from langchain_openai import ChatOpenAI
from openai import BadRequestError
from opik.integrations.langchain import OpikTracer

model = ChatOpenAI(model="gpt-4o-mini", base_url=os.environ["OPENAI_BASE_URL"], max_retries=0)
prompt = ChatPromptTemplate.from_messages([("system", "Be brief."), ("human", "{question}")])
chain = RunnablePassthrough.assign(answer=prompt | model | StrOutputParser())


def ask(question: str, tracer: OpikTracer, **options: object) -> None:
    chain.invoke({"question": question}, config={"callbacks": [tracer], **options})


constructed = OpikTracer(thread_id="by-constructor")
ask("What is Opik?", constructed)
ask("And a thread?", constructed)
called = OpikTracer()
ask("Who asks?", called, metadata={"thread_id": "by-metadata"})
try:
    ask("Please refuse me", called, metadata={"thread_id": "by-metadata"})
except BadRequestError as error:
    print(error.status_code)
constructed.flush()
called.flush()
assert opik.get_global_client().flush()
