from datetime import UTC, datetime
from decimal import Decimal

import pytest
from genai_prices import Usage, calc_price, data_snapshot
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.gateway.prices import SOURCE, Prices, rated
from tests.support.fold_oracle import cost_of

AT_US = 1_790_000_000_000_000
AT = datetime.fromtimestamp(AT_US / 1_000_000, UTC)
MODELS = [
    ("openai", "gpt-4o-mini"), ("openai", "gpt-4o"), ("openai", "gpt-4o-audio-preview"), ("openai", "gpt-5.4"),
    ("anthropic", "claude-sonnet-4-5"), ("anthropic", "claude-3-5-haiku-latest"), ("google", "gemini-2.5-pro"),
    ("google", "gemini-1.5-flash"), ("groq", "llama-3.3-70b-versatile"), ("mistral", "mistral-small-latest"),
    ("perplexity", "sonar"),
]  # fmt: skip
PRICES = Prices()


def cost(provider: str | None, model: str, **usage: int) -> Decimal | None:
    return cost_of(PRICES.rates(provider, model, AT_US), usage)


@pytest.mark.parametrize(("provider", "model"), MODELS)
@settings(max_examples=25)
@given(
    tokens=st.tuples(st.integers(0, 2_000_000), st.integers(1, 200_000)),
    cached=st.tuples(st.floats(0, 0.5), st.floats(0, 0.5)),
)
def test_a_cost_is_what_the_library_says(
    provider: str, model: str, tokens: tuple[int, int], cached: tuple[float, float]
) -> None:
    read, written = (int(tokens[0] * share) for share in cached)
    usage = Usage(input_tokens=tokens[0], output_tokens=tokens[1], cache_read_tokens=read, cache_write_tokens=written)
    wanted = calc_price(usage, model, provider_id=provider, genai_request_timestamp=AT).total_price

    got = cost(
        provider, model, prompt_tokens=tokens[0], completion_tokens=tokens[1], cache_read_input_tokens=read,
        cache_creation_input_tokens=written,
    )  # fmt: skip

    assert got == pytest.approx(wanted, abs=Decimal("1e-9"))


def test_the_price_of_every_tier_counts_from_its_start_on() -> None:
    per_token = {tokens: (cost("google", "gemini-2.5-pro", prompt_tokens=tokens) or 0) / tokens for tokens in (
        1, 200_000, 200_001, 400_000,
    )}  # fmt: skip

    assert per_token[1] == per_token[200_000] < per_token[200_001] == per_token[400_000]


@pytest.mark.parametrize(
    "provider",
    [
        None,
        "",
        "openai",
        "OpenAI",
        "azure.ai.openai",
        "api.openai.com",
        "https://api.openai.com/v1/",
        "openai.responses",
    ],
)
def test_providers_are_known_by_their_names_and_hosts(provider: str | None) -> None:
    assert cost(provider, "gpt-4o-mini", prompt_tokens=1_000_000) == Decimal("0.15")


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("google_ai", "gemini-2.5-flash"), ("google_vertexai", "gemini-2.5-flash"), ("gcp.gemini", "gemini-2.5-flash"),
        ("gcp.vertex_ai", "gemini-2.5-flash"), ("gcp.gen_ai", "gemini-2.5-flash"), ("x_ai", "grok-4"),
        ("generativelanguage.googleapis.com", "gemini-2.5-flash"), ("api.anthropic.com", "claude-sonnet-4-5"),
        ("anthropic_vertexai", "claude-sonnet-4-5"), ("bedrock", "anthropic.claude-3-5-sonnet-20241022-v2:0"),
        ("aws.bedrock", "anthropic.claude-3-5-sonnet-20241022-v2:0"), ("mistral_ai", "mistral-small-latest"),
    ],
)  # fmt: skip
def test_the_names_that_senders_use_are_known(provider: str, model: str) -> None:
    assert cost(provider, model, prompt_tokens=1000) or Decimal(0) > 0


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("127.0.0.1", "gpt-4o-mini"), ("ollama", "llama3"), ("my-proxy.internal:4000", "gpt-4o"),
        ("openai", "my-model"),        (None, "my-model"), ("openai", "m" * 10_000), ("p" * 10_000, "gpt-4o"),
    ],
)  # fmt: skip
def test_what_is_not_in_the_list_has_no_cost(provider: str | None, model: str) -> None:
    assert cost(provider, model, prompt_tokens=1000) is None


def test_a_call_that_is_charged_as_such_costs_that_once() -> None:
    ten, twenty = (cost("perplexity", "sonar", prompt_tokens=tokens) or Decimal() for tokens in (10, 20))

    assert (ten, twenty) == (Decimal("0.01201"), Decimal("0.01202"))


def test_rates_are_as_few_as_tell_the_price() -> None:
    assert PRICES.rates("openai", "gpt-4o-mini", AT_US) == {"input": "0.15", "output": "0.6", "cache_read": "-0.075"}


def test_a_price_list_that_changes_with_time_is_read_at_the_time_of_the_call() -> None:
    provider = next(one for one in data_snapshot.get_snapshot().providers if one.id == "deepseek")
    changing = next(model for model in provider.models if isinstance(model.prices, list))
    moments = [AT_US + hour * 3_600_000_000 for hour in range(24)]

    for at_us in moments:
        at = datetime.fromtimestamp(at_us / 1_000_000, UTC)
        wanted = calc_price(Usage(input_tokens=1000), changing.id, provider_id="deepseek", genai_request_timestamp=at)
        assert cost_of(PRICES.rates("deepseek", changing.id, at_us), {"prompt_tokens": 1000}) == wanted.total_price


def test_names_without_number_do_not_fill_the_memory() -> None:
    prices = Prices(models_max=4)
    for number in range(10):
        prices.rates("openai", f"gpt-4o-{number}", AT_US)

    assert prices._model.cache_info().currsize == 4


def test_an_event_that_names_a_model_and_no_cost_carries_rates() -> None:
    rates = PRICES.rates("openai", "gpt-4o-mini", AT_US)

    assert rated("gpt-4o-mini", "openai", AT_US, given=None) == (rates, SOURCE)
    assert rated("gpt-4o-mini", "openai", AT_US, given=Decimal(0)) == ({}, None)
    assert rated("gpt-4o-mini", "ollama", AT_US, given=None) == ({}, None)
    assert rated(None, "openai", AT_US, given=None) == ({}, None)
