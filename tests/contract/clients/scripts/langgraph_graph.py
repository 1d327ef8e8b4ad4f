"""LangGraph: the graph's own thread_id, kept by a checkpointer; a tool is called on the way."""

import os
from typing import Any

import opik
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition
from openai import BadRequestError
from opik.integrations.langchain import OpikTracer


@tool
def weather(city: str) -> str:
    """Tell the weather of a city."""
    return f"It rains in {city}"


model = ChatOpenAI(model="gpt-4o-mini", base_url=os.environ["OPENAI_BASE_URL"], max_retries=0).bind_tools([weather])


def bot(state: MessagesState) -> dict[str, Any]:
    return {"messages": [model.invoke(state["messages"])]}


builder = StateGraph(MessagesState)
builder.add_node("bot", bot)
builder.add_node("tools", ToolNode([weather]))
builder.add_edge(START, "bot")
builder.add_conditional_edges("bot", tools_condition)
builder.add_edge("tools", "bot")
graph = builder.compile(checkpointer=InMemorySaver())
tracer = OpikTracer()
config: RunnableConfig = {"callbacks": [tracer], "configurable": {"thread_id": "user-conversation-789"}}

for text in ("What is machine learning?", "Now the weather in Oslo"):
    graph.invoke({"messages": [{"role": "user", "content": text}]}, config=config)
try:
    graph.invoke({"messages": [{"role": "user", "content": "Please refuse me"}]}, config=config)
except BadRequestError as error:
    print(error.status_code)
tracer.flush()
assert opik.get_global_client().flush()
