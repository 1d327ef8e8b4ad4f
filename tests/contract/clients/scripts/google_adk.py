"""Google ADK: the thread is the session; an agent calls a tool."""

import asyncio

import opik
from google.adk import agents, runners, sessions
from google.genai import errors, types
from opik.integrations.adk import OpikTracer, track_adk_agent_recursive


def weather(city: str) -> str:
    """Tell the weather of a city."""
    return f"It rains in {city}"


async def converse() -> None:
    bot = agents.LlmAgent(name="bot", model="gemini-2.0-flash", instruction="Be brief.", tools=[weather])
    agent = agents.SequentialAgent(name="desk", sub_agents=[bot])
    track_adk_agent_recursive(agent, OpikTracer())
    service = sessions.InMemorySessionService()
    runner = runners.Runner(agent=agent, app_name="my_chatbot", session_service=service)
    for session in ("conversation_456", "conversation_457"):
        await service.create_session(app_name="my_chatbot", user_id="user_123", session_id=session)
    for session, text in (
        ("conversation_456", "What is machine learning?"),
        ("conversation_456", "Now the weather in Oslo"),
        ("conversation_457", "Please refuse me"),
    ):
        message = types.Content(role="user", parts=[types.Part(text=text)])
        try:
            async for _event in runner.run_async(user_id="user_123", session_id=session, new_message=message):
                pass
        except errors.ClientError as error:
            print(error.code)


asyncio.run(converse())
assert opik.get_global_client().flush()
