import jsonschema
import pytest
from pydantic import SecretStr

from pipeline.adapters.chat import ChatModel, Completion, Message, Usage
from pipeline.errors import ModelUnavailable, Unevaluable
from pipeline.evaluators.judge import SCHEMA
from tests.support.judge_server import ANSWER_TOKENS, HOPELESS, PROMPT_TOKENS, JudgeServer

KEY = "sk-very-secret"
ASKED = [Message("system", "judge"), Message("user", "x" * 40)]


async def ask(server: JudgeServer, *, said: str = "", timeout_seconds: float = 20, key: str = KEY) -> Completion:
    async with ChatModel(server.url, SecretStr(key), timeout_seconds=timeout_seconds) as model:
        messages = [*ASKED, Message("user", said)] if said else ASKED
        return await model.complete("m", messages, schema_name="opinion", schema=SCHEMA, tokens_max=50)


async def test_a_question_carries_the_schema_and_the_key_and_an_answer_says_what_it_took() -> None:
    async with JudgeServer() as server:
        completion = await ask(server)

    assert completion == Completion('{"reason": "it reads well", "score": 0.75}', Usage(PROMPT_TOKENS, ANSWER_TOKENS))
    [body] = server.bodies
    assert body["messages"] == [message._asdict() for message in ASKED]
    assert (body["model"], body["temperature"], body["max_tokens"]) == ("m", 0, 50)
    asked_for = body["response_format"]["json_schema"]
    assert (body["response_format"]["type"], asked_for["name"], asked_for["strict"]) == ("json_schema", "opinion", True)
    jsonschema.Draft202012Validator.check_schema(asked_for["schema"])
    assert server.keys == {f"Bearer {KEY}"}


async def test_without_a_key_no_header_is_sent() -> None:
    async with JudgeServer() as server:
        await ask(server, key="")

    assert server.keys == {None}


@pytest.mark.parametrize("behaviour", ["error", "not json"])
async def test_what_may_be_better_later_is_unavailable(behaviour: str) -> None:
    async with JudgeServer([behaviour]) as server:
        with pytest.raises(ModelUnavailable):
            await ask(server)


async def test_a_server_that_is_busy_says_for_how_long() -> None:
    async with JudgeServer(["busy"]) as server:
        with pytest.raises(ModelUnavailable, match="429") as error:
            await ask(server)

    assert error.value.retry_after_seconds == 1


async def test_a_server_that_hangs_is_given_up() -> None:
    async with JudgeServer(["hang"]) as server:
        with pytest.raises(ModelUnavailable):
            await ask(server, timeout_seconds=0.2)


async def test_a_server_that_is_not_there_is_unavailable() -> None:
    async with JudgeServer() as server:
        pass
    with pytest.raises(ModelUnavailable):
        await ask(server)


async def test_a_refused_question_is_not_asked_again_and_no_error_shows_the_key() -> None:
    async with JudgeServer() as server:
        with pytest.raises(Unevaluable, match=r"400 bad request; your key is \*\*\*") as error:
            await ask(server, said=HOPELESS)

    assert KEY not in str(error.value)


async def test_a_model_that_refuses_is_taken_at_its_word() -> None:
    async with JudgeServer(["refusal"]) as server:
        with pytest.raises(Unevaluable, match="I will not"):
            await ask(server)


async def test_tokens_that_nobody_counted_are_estimated_from_characters() -> None:
    async with JudgeServer(["uncounted"]) as server:
        completion = await ask(server)

    assert completion.usage == Usage(45 // 4, 24 // 4)
