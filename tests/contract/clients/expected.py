"""What each client logs, as its script says it: conversations, turn by turn, with their spans."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

SCRIPTS = Path(__file__).parent / "scripts"
REFUSED = "Please refuse me"


class Turn(NamedTuple):
    """One trace: what was asked and answered, as text somewhere in its input and output, and its tree of spans.

    A tree is written as `name:type` of each span in order of its start, with its children in brackets.
    """

    asked: str
    answered: str | None
    spans: str
    error: str | None = None


@dataclass(frozen=True)
class Client:
    """One script, and what must be read back."""

    name: str
    script: str
    conversations: dict[str, tuple[Turn, ...]]
    tokens: dict[str, int]  # total_tokens of a conversation, counted in words; absent: no usage
    cost: dict[str, float] = field(default_factory=dict)  # of a conversation, in US dollars, where it is checked
    arguments: tuple[str, ...] = ()
    trace_scores: dict[str, float] = field(default_factory=dict)  # name of a score -> mean over the traces scored
    without_thread: int = 0  # traces that belong to no conversation
    closes: frozenset[str] = frozenset()  # conversations that the script closes, maybe before anybody looks
    requirements: str = "."  # the folder that says what its Python environment holds

    @property
    def project(self) -> str:
        """The project to which it logs, one for each client."""
        return self.name.lower().replace(" ", "-").replace("@", "").replace(",", "")


def low_level(name: str, *arguments: str) -> Client:
    spans = "retrieve:tool(complete:llm)"
    return Client(
        name,
        "low_level.py",
        arguments=arguments,
        conversations={
            "support-1": (
                Turn("How do I reset it?", "Hold the button for ten seconds.", spans),
                Turn("And then?", "Wait for the light.", spans),
                Turn("It stays dark.", None, spans, error="TimeoutError"),
            )
        },
        tokens={"support-1": 20},
        # The create names the model; the patch, which arrives before it, brings the usage.
        cost={"support-1": (10 * 0.15 + 10 * 0.60) / 1e6},
        trace_scores={"helpful": 2.5 / 3},
        without_thread=1,
    )


def said(text: str) -> str:
    """Return what the model server answers to a text."""
    return f"You said: {text}"


SEQUENCE = "RunnableParallel<answer>:general(RunnableSequence:general(ChatPromptTemplate:tool ChatOpenAI:llm{rest}))"
CHAIN = SEQUENCE.format(rest=" StrOutputParser:general")
BOT = "bot:general(ChatOpenAI:llm tools_condition:general)"
RESPONSE = "Response:llm"
AGENT = "Task:general(Assistant:general({turns}))"
GEMINI = "gemini-2.0-flash:llm"
CHAT = "chat gpt-4o-mini:llm"
RUNNABLES = "RunnableAssign<answer>:general(RunnableParallel<answer>:general(RunnableSequence:general({steps})))"
STEPS = "ChatPromptTemplate:general ChatOpenAI:llm"
REFUSED_BY_LANGCHAIN = "langchain_openai.chat_models.base.OpenAIInvalidRequestError"
HELPER = "invoke_agent helper:general(chat:llm execute_tool look_up:tool)"

CLIENTS = (
    low_level("opik low-level"),
    low_level("opik low-level, unbatched", "--unbatched"),
    Client(
        "opik @track",
        "tracked_functions.py",
        conversations={
            "by-caller": (
                Turn("What is Opik?", "1 page found", "answer:general(look_up:tool complete:llm)"),
                Turn(
                    "all at once",
                    "ALL AT ONCE",
                    "answer_later:general(describe:general describe:general describe:general)",
                ),
                Turn("Why so slow?", "0 page found", "answer_slowly:general(complete:llm)"),
                Turn("this", None, "fail:general", error="ValueError"),
            ),
            "from-inside": (
                Turn("What is a thread?", "1 page found", "answer_inside:general(look_up:tool complete:llm)"),
            ),
        },
        tokens={"by-caller": 12, "from-inside": 7},
        trace_scores={"helpful": 1},
    ),
    Client(
        "LangChain",
        "langchain_chain.py",
        conversations={
            "by-constructor": (
                Turn("What is Opik?", said("What is Opik?"), CHAIN),
                Turn("And a thread?", said("And a thread?"), CHAIN),
            ),
            "by-metadata": (
                Turn("Who asks?", said("Who asks?"), CHAIN),
                Turn(REFUSED, None, SEQUENCE.format(rest=""), error="Exception"),
            ),
        },
        tokens={"by-constructor": 20, "by-metadata": 8},
    ),
    Client(
        "LangGraph",
        "langgraph_graph.py",
        conversations={
            "user-conversation-789": (
                Turn("What is machine learning?", said("What is machine learning?"), BOT),
                Turn("the weather in Oslo", said("It rains in Oslo"), f"{BOT} tools:general(weather:tool) {BOT}"),
                Turn(REFUSED, None, "bot:general(ChatOpenAI:llm)", error="Exception"),
            )
        },
        tokens={"user-conversation-789": 51},
    ),
    Client(
        "OpenAI",
        "openai_client.py",
        conversations={
            "f174a": (
                Turn("What is Opik?", said("What is Opik?"), "responses_create:llm"),
                Turn("And a thread?", said("And a thread?"), "chat_completion_create:llm"),
                Turn("Word by word", said("Word by word"), "chat_completion_stream:llm"),
                Turn("Event by event", said("Event by event"), "responses_create:llm"),
                Turn("Inside a function", said("Inside a function"), "answer:general(responses_create:llm)"),
                Turn(REFUSED, None, "chat_completion_create:llm", error="BadRequestError"),
            )
        },
        tokens={"f174a": 65},
    ),
    Client(
        "OpenAI Agents",
        "openai_agents.py",
        conversations={
            "group-1": (
                Turn(
                    "What is machine learning?",
                    said("What is machine learning?"),
                    AGENT.format(turns=f"Turn:general({RESPONSE})"),
                ),
                Turn(
                    "the weather in Oslo",
                    said("It rains in Oslo"),
                    AGENT.format(turns=f"Turn:general({RESPONSE} weather:tool) Turn:general({RESPONSE})"),
                ),
            ),
            # Of a turn that fails, this client sends neither the question nor the error.
            "group-2": (Turn("", None, AGENT.format(turns=f"Turn:general({RESPONSE})")),),
        },
        tokens={"group-1": 51},
    ),
    Client(
        "Google GenAI",
        "google_genai.py",
        conversations={
            "f174a": (
                Turn("What is Opik?", said("What is Opik?"), f"generate_content: {GEMINI}"),
                Turn("Word by word", said("Word by word"), f"generate_content_stream: {GEMINI}"),
                Turn("Inside a function", said("Inside a function"), f"answer:general(generate_content: {GEMINI})"),
                Turn(REFUSED, None, f"generate_content: {GEMINI}", error="ClientError"),
            )
        },
        tokens={"f174a": 24},
    ),
    Client(
        "Google ADK",
        "google_adk.py",
        conversations={
            "conversation_456": (
                Turn("What is machine learning?", said("What is machine learning?"), f"bot:general({GEMINI})"),
                Turn("the weather in Oslo", said("It rains in Oslo"), f"bot:general({GEMINI} weather:tool {GEMINI})"),
            ),
            "conversation_457": (Turn(REFUSED, None, f"bot:general({GEMINI})", error="ClientError"),),
        },
        tokens={"conversation_456": 47},
    ),
    Client(
        "npm opik",
        "typescript.mjs",
        conversations={
            "by-option": (
                Turn("Hi there", "Hello!", "retrieve:tool(complete:llm)"),
                Turn("Are you there", "", "retrieve:tool(complete:llm)", error="TimeoutError"),
            ),
            "by-update": (Turn("Which thread", "This one", "retrieve:tool(complete:llm)"),),
        },
        tokens={"by-option": 7, "by-update": 4},
        trace_scores={"helpful": 1},
    ),
    Client(
        "OpenTelemetry OpenAI",
        "otel_openai.py",
        requirements="otel",
        conversations={
            "otel-1": (
                Turn("What is Opik?", "answered: What is Opik?", f"turn:general({CHAT})"),
                Turn("Word by word", "answered: Word by word", f"turn:general({CHAT})"),
                Turn(REFUSED, None, f"turn:general({CHAT})", error="openai.BadRequestError"),
            )
        },
        tokens={"otel-1": 26},
        cost={"otel-1": (16 * 0.15 + 10 * 0.60) / 1e6},  # of gpt-4o-mini
        without_thread=1,
    ),
    Client(
        "OpenInference LangChain",
        "otel_langchain.py",
        requirements="otel",
        conversations={
            "otel-session": (
                Turn(
                    "What is Opik?", said("What is Opik?"), RUNNABLES.format(steps=f"{STEPS} StrOutputParser:general")
                ),
                Turn(
                    "And a thread?", said("And a thread?"), RUNNABLES.format(steps=f"{STEPS} StrOutputParser:general")
                ),
                Turn(REFUSED, None, RUNNABLES.format(steps=STEPS), error=REFUSED_BY_LANGCHAIN),
            )
        },
        tokens={"otel-session": 20},
        cost={"otel-session": (10 * 0.15 + 10 * 0.60) / 1e6},
    ),
    Client(
        "OpenTelemetry npm, JSON",
        "otel_json.mjs",
        conversations={
            "otel-json": (
                Turn("What is a span", "One step", HELPER),
                Turn("Are you there", None, HELPER, error="TimeoutError"),
            )
        },
        tokens={"otel-json": 10},
    ),
    Client(
        "evaluate_threads",
        "evaluate_conversations.py",
        conversations={
            "short": (Turn("Hello", "HELLO", ""),),
            "long": (
                Turn("What is Opik?", "WHAT IS OPIK?", ""),
                Turn("And a thread?", "AND A THREAD?", ""),
                Turn("Thanks", "THANKS", ""),
            ),
            "open": (Turn("Still here", "STILL HERE", ""),),
        },
        tokens={},
        closes=frozenset({"short", "long"}),
    ),
)
