"""OpenAI Agents: the thread is the trace's group_id; an agent calls a tool."""

import asyncio

import openai
from agents import Agent, Runner, function_tool, set_trace_processors, trace
from opik.integrations.openai.agents import OpikTracingProcessor


@function_tool
def weather(city: str) -> str:
    """Tell the weather of a city."""
    return f"It rains in {city}"


agent = Agent(name="Assistant", instructions="Be brief.", model="gpt-4o-mini", tools=[weather])
processor = OpikTracingProcessor()
set_trace_processors([processor])


async def converse() -> None:
    with trace(workflow_name="Agent Conversation", group_id="group-1"):
        first = await Runner.run(agent, "What is machine learning?")
    with trace(workflow_name="Agent Conversation", group_id="group-1"):
        await Runner.run(agent, [*first.to_input_list(), {"role": "user", "content": "Now the weather in Oslo"}])
    with trace(workflow_name="Agent Conversation", group_id="group-2"):
        try:
            await Runner.run(agent, "Please refuse me")
        except openai.BadRequestError as error:
            print(error.status_code)


asyncio.run(converse())
assert processor.force_flush()
