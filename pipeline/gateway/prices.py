"""What calls of models cost, where their sender does not say: from model, provider and usage, by genai-prices.

The prices are those of the installed package; nothing is fetched at run time. The library takes some 100 us a span, so
it is asked once for each model and each tier of its prices: within those a cost is a sum of counts times rates.
"""

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import cached_property, lru_cache
from importlib.metadata import version
from typing import Final

from genai_prices import Usage, data_snapshot
from genai_prices.types import ModelInfo, ModelPrice, TieredPrices

from pipeline.adapters.telemetry.metrics import GATEWAY_COSTS
from pipeline.gateway.opik.values import DECIMAL_MAX

SOURCE: Final = f"genai-prices {version('genai-prices')}"
"""What `total_estimated_cost_version` says of a cost that was computed here."""
SENDER: Final = ""
"""What it says of a cost that its sender gave without a version, as in Opik: so that no older mark stays beside it."""

NAME_CHARACTERS_MAX: Final = 256
MODELS_MAX: Final = 4096
"""Most pairs of provider and model that are kept, known or not."""

_PROVIDERS: Final = {
    "x_ai": "x-ai", "fireworks_ai": "fireworks", "azure.ai.inference": "azure", "gcp.gen_ai": "google",
}  # fmt: skip
"""Names that senders use and the library does not know; it knows the others (google_ai, gcp.vertex_ai, bedrock...)."""

_INPUT: Final = ("prompt_tokens",)
_OUTPUT: Final = ("completion_tokens",)
_CACHE_READ: Final = (
    "cache_read_input_tokens",
    "original_usage.cache_read_input_tokens",
    "original_usage.prompt_tokens_details.cached_tokens",
    "original_usage.input_tokens_details.cached_tokens",
    "original_usage.cached_content_token_count",
)
_CACHE_WRITE: Final = ("cache_creation_input_tokens", "original_usage.cache_creation_input_tokens")
_INPUT_AUDIO: Final = ("input_audio_tokens", "original_usage.prompt_tokens_details.audio_tokens")
_OUTPUT_AUDIO: Final = ("output_audio_tokens", "original_usage.completion_tokens_details.audio_tokens")
_PROBE: Final = 1_000_000
_COMPUTED: Final = GATEWAY_COSTS.labels("computed")
_UNPRICED: Final = GATEWAY_COSTS.labels("unpriced")


@dataclass(frozen=True, slots=True)
class Rates:
    """US dollars a token; of the parts of input and output, what they cost more, or less, than the whole."""

    input: Decimal
    output: Decimal
    cache_read: Decimal
    cache_write: Decimal
    input_audio: Decimal
    output_audio: Decimal


class Prices:
    """Computes costs."""

    def __init__(self, models_max: int = MODELS_MAX) -> None:
        self._model: Final = lru_cache(models_max)(self._find)
        self._tariffs: Final[dict[int, Tariff]] = {}

    def load(self) -> None:
        """Read the price list, half a second that is better spent before the first request."""
        _ = self._providers

    def cost(self, provider: str | None, model: str, usage: Mapping[str, int], at_us: int) -> Decimal | None:
        """Return what a call at that moment cost in US dollars, or None where model, provider or usage tell too little.

        `usage` has Opik's names, in which `prompt_tokens` contains the tokens that were read from a cache.
        """
        tokens_in, tokens_out = _count(usage, _INPUT), _count(usage, _OUTPUT)
        if not tokens_in and not tokens_out:
            return None
        found = self._model(provider, model)
        if found is None:
            _UNPRICED.inc()
            return None
        price = found.get_prices(datetime.fromtimestamp(at_us / 1_000_000, UTC))
        rates = self._tariff(price).rates(tokens_in)
        read = min(_count(usage, _CACHE_READ), tokens_in)
        written = min(_count(usage, _CACHE_WRITE), tokens_in - read)
        heard = min(_count(usage, _INPUT_AUDIO), tokens_in - read - written)
        spoken = min(_count(usage, _OUTPUT_AUDIO), tokens_out)
        cost = rates.input * tokens_in + rates.output * tokens_out
        if read or written or heard or spoken:
            cost += rates.cache_read * read + rates.cache_write * written
            cost += rates.input_audio * heard + rates.output_audio * spoken
        _COMPUTED.inc()
        return cost if cost <= DECIMAL_MAX else None

    @cached_property
    def _providers(self) -> data_snapshot.DataSnapshot:
        return data_snapshot.get_snapshot()

    def _find(self, provider: str | None, model: str) -> ModelInfo | None:
        """Return the model that a sender means, by its provider's name or host; without one, by the model alone."""
        if len(model) > NAME_CHARACTERS_MAX or len(provider or "") > NAME_CHARACTERS_MAX:
            return None
        # A snapshot keeps every name that it was ever asked for: one of its own for each question.
        snapshot = data_snapshot.DataSnapshot(self._providers.providers, from_auto_update=False)
        for provider_id, host in _meant(provider):
            try:
                return snapshot.find_provider_model(model, None, provider_id, host)[1]
            except LookupError:
                continue
        return None

    def _tariff(self, price: ModelPrice) -> "Tariff":
        found = self._tariffs.get(id(price))  # prices live as long as the process
        if found is None:
            found = self._tariffs[id(price)] = Tariff(price)
        return found


class Tariff:
    """The rates of a model, which depend on how large the input is."""

    def __init__(self, price: ModelPrice) -> None:
        self._price: Final = price
        tiers = [tier for given in vars(price).values() if isinstance(given, TieredPrices) for tier in given.tiers]
        self._starts: Final = sorted({tier.start for tier in tiers})
        self._known: Final[dict[int, Rates]] = {}

    def rates(self, tokens_in: int) -> Rates:
        """Return the rates for an input of that size."""
        tier = bisect_left(self._starts, tokens_in) if self._starts else 0
        rates = self._known.get(tier)
        if rates is None:
            rates = self._known[tier] = _probed(self._price, self._starts[tier - 1] + 1 if tier else 1)
        return rates


PRICES: Final = Prices()


def costed(
    given: Decimal | None,
    given_version: str | None,
    *,
    provider: str | None,
    model: str | None,
    usage: Mapping[str, int],
    at_us: int,
) -> tuple[Decimal | None, str | None]:
    """Return the cost of a span and where it comes from: as its sender gives it, else computed, else unknown."""
    if given is not None:
        return given, given_version or SENDER
    cost = PRICES.cost(provider, model, usage, at_us) if usage and model else None
    return (None, given_version) if cost is None else (cost, SOURCE)


def _meant(provider: str | None) -> list[tuple[str | None, str | None]]:
    """Return what a provider's name may mean: an id of the library's, and the URL of an API."""
    if provider is None or not provider.strip():
        return [(None, None)]
    name = provider.strip().lower()
    return [(_PROVIDERS.get(name, name), None), (None, name if "://" in name else f"https://{name}")]


def _probed(price: ModelPrice, least_in: int) -> Rates:
    """Return the rates of a tier, of which `least_in` is the smallest input, from what the library says of samples."""

    def total(**counts: int) -> Decimal:
        return price.calc_price(Usage(input_tokens=least_in, output_tokens=_PROBE, **counts))["total_price"]

    with_output = total()
    alone = price.calc_price(Usage(input_tokens=least_in))["total_price"]
    return Rates(
        input=alone / least_in,
        output=(with_output - alone) / _PROBE,
        cache_read=(total(cache_read_tokens=least_in) - with_output) / least_in,
        cache_write=(total(cache_write_tokens=least_in) - with_output) / least_in,
        input_audio=(total(input_audio_tokens=least_in) - with_output) / least_in,
        output_audio=(total(output_audio_tokens=_PROBE) - with_output) / _PROBE,
    )


def _count(usage: Mapping[str, int], names: tuple[str, ...]) -> int:
    for name in names:
        count = usage.get(name)
        if count is not None:
            return max(0, count)
    return 0
