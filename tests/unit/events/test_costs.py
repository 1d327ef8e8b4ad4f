import re
from typing import get_args

from genai_prices import data_snapshot
from msgspec import Meta

from pipeline.events.costs import COUNTED, REQUEST, TIER_MARK, Rate
from pipeline.gateway.prices import PRICES


def test_the_rates_of_models_have_the_kinds_and_the_form_that_the_contract_gives_them() -> None:
    [pattern] = [meta.pattern for meta in get_args(Rate) if isinstance(meta, Meta) and meta.pattern]
    models = [(one.id, model.id) for one in data_snapshot.get_snapshot().providers for model in one.models]
    found = [PRICES.rates(provider, model, 1_790_000_000_000_000) for provider, model in models[::40]]

    assert sum(map(bool, found)) > len(found) / 2
    for rates in found:
        assert {kind.partition(TIER_MARK)[0] for kind in rates} <= {*COUNTED, REQUEST}
        assert all(re.search(pattern, rate) for rate in rates.values())
        assert all(f"input{TIER_MARK}{kind.partition(TIER_MARK)[2]}" in rates for kind in rates if TIER_MARK in kind)
