"""What models cost, where the sender of a span does not say: from model and provider, by genai-prices.

The prices are those of the installed package; nothing is fetched at run time. The library takes some 100 us a span, so
it is asked once for each model, by sample: within a tier of its prices a cost is a sum of counts times rates. What is
counted in something else than tokens and calls (images, pages, searches) is not in usage, and not in the rates.
"""

from datetime import UTC, datetime
from decimal import Decimal
from functools import cached_property, lru_cache
from importlib.metadata import version
from typing import Final

from genai_prices import Usage, data_snapshot
from genai_prices.types import ModelInfo, ModelPrice, TieredPrices

from pipeline.adapters.telemetry.metrics import GATEWAY_RATES
from pipeline.events.costs import INPUT, OUTPUT, REQUEST, TIER_MARK, Rates

SOURCE: Final = f"genai-prices {version('genai-prices')}"
"""What `total_estimated_cost_version` says of a cost that was computed from these rates."""
SENDER: Final = ""
"""What it says of a cost that its sender gave without a version, as in Opik: so that no older mark stays beside it."""

NAME_CHARACTERS_MAX: Final = 256
MODELS_MAX: Final = 4096
"""Most pairs of provider and model that are kept, known or not."""

_PROVIDERS: Final = {
    "x_ai": "x-ai", "fireworks_ai": "fireworks", "azure.ai.inference": "azure", "gcp.gen_ai": "google",
}  # fmt: skip
"""Names that senders use and the library does not know; it knows the others (google_ai, gcp.vertex_ai, bedrock...)."""

_SAMPLE: Final = 1_000_000
_MILLION: Final = 1_000_000
_RATE_MAX: Final = Decimal("999999999.999999999")
_NINE_PLACES: Final = Decimal("0.000000001")
_NONE: Final[Rates] = {}
_PRICED: Final = GATEWAY_RATES.labels("priced")
_UNPRICED: Final = GATEWAY_RATES.labels("unpriced")


class Prices:
    """Knows what models cost."""

    def __init__(self, models_max: int = MODELS_MAX) -> None:
        self._model: Final = lru_cache(models_max)(self._find)
        self._rates: Final[dict[int, Rates]] = {}

    def load(self) -> None:
        """Read the price list, half a second that is better spent before the first request."""
        _ = self._providers

    def rates(self, provider: str | None, model: str, at_us: int) -> Rates:
        """Return what the model costs at that moment (`pipeline.events.costs`); nothing where it is not known."""
        found = self._model(provider, model)
        if found is None:
            _UNPRICED.inc()
            return _NONE
        _PRICED.inc()
        price = found.prices  # most have one for all times
        if not isinstance(price, ModelPrice):
            price = found.get_prices(datetime.fromtimestamp(at_us / 1_000_000, UTC))
        rates = self._rates.get(id(price))  # prices live as long as the process
        if rates is None:
            rates = self._rates[id(price)] = _rates_of(price)
        return rates

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


PRICES: Final = Prices()


def rated(model: str | None, provider: str | None, at_us: int, *, given: Decimal | None) -> tuple[Rates, str | None]:
    """Return the rates of the model that an event names, and their price list: none where it says the cost itself."""
    if model is None or given is not None:
        return _NONE, None
    rates = PRICES.rates(provider, model, at_us)
    return rates, SOURCE if rates else None


def _meant(provider: str | None) -> list[tuple[str | None, str | None]]:
    """Return what a provider's name may mean: an id of the library's, and the URL of an API."""
    if provider is None or not provider.strip():
        return [(None, None)]
    name = provider.strip().lower()
    return [(_PROVIDERS.get(name, name), None), (None, name if "://" in name else f"https://{name}")]


def _rates_of(price: ModelPrice) -> Rates:
    """Return the rates of a model, of every tier that its prices have."""
    tiers = [tier for given in vars(price).values() if isinstance(given, TieredPrices) for tier in given.tiers]
    rates = _sampled(price, 1)
    for start in sorted({tier.start for tier in tiers}):
        rates |= {f"{kind}{TIER_MARK}{start}": rate for kind, rate in _sampled(price, start + 1).items()}
    if any(abs(rate) > _RATE_MAX for rate in rates.values()):
        return _NONE
    return {kind: format(rate, "f") for kind, rate in rates.items()}


def _sampled(price: ModelPrice, least_in: int) -> dict[str, Decimal]:
    """Return the rates of a tier, of which `least_in` is the smallest input, from what the library says of samples."""

    def total(**counts: int) -> Decimal:
        return price.calc_price(Usage(**counts))["total_price"]

    def difference(kind: str, count: int) -> Decimal:
        """Return what `count` tokens of the whole cost more, each, for being of that kind."""
        return (total(input_tokens=least_in, output_tokens=_SAMPLE, **{kind: count}) - whole) / count

    request = total()
    prompt = total(input_tokens=least_in)
    whole = total(input_tokens=least_in, output_tokens=_SAMPLE)
    dollars = {
        INPUT: (prompt - request) / least_in,
        OUTPUT: (whole - prompt) / _SAMPLE,
        "cache_read": difference("cache_read_tokens", least_in),
        "cache_write": difference("cache_write_tokens", least_in),
        "input_audio": difference("input_audio_tokens", least_in),
        "output_audio": difference("output_audio_tokens", _SAMPLE),
        REQUEST: request,
    }
    by_million = {kind: (rate * _MILLION).quantize(_NINE_PLACES) for kind, rate in dollars.items()}
    return {kind: rate.normalize() for kind, rate in by_million.items() if rate or kind == INPUT}
