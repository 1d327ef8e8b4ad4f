"""The cost of a span, as SQL: its rates times its usage (`pipeline.events.costs`).

Counts come from clients, so they are taken for no more than they can be: a part is at most the whole, none is below
zero, and what would not fit into the column is no cost.
"""

from typing import Final

from pipeline.events.costs import COUNTED, INPUT, OUTPUT, REQUEST, TIER_MARK

RATES: Final = "folded_rates"
USAGE: Final = "folded_usage"
"""The columns of which `COST_TERMS` makes `computed_cost`."""


def _count(kind: str) -> str:
    """Return the SQL of a count in the usage, 0 where it has none."""
    given = ", ".join(f"mapContains({USAGE}, '{name}'), {USAGE}['{name}']" for name in COUNTED[kind])
    return f"greatest(0, multiIf({given}, 0))"


def _charged(kind: str, count: str) -> str:
    return f"toDecimal256({RATES}[concat('{kind}', tier)], 9) * {count}"


_TIERS: Final = f"""arrayMap(
        kind -> toInt64OrZero(substring(kind, position(kind, '{TIER_MARK}') + 1)),
        arrayFilter(kind -> position(kind, '{TIER_MARK}') > 0, mapKeys({RATES}))
    )"""
_DOLLARS: Final = " + ".join(
    _charged(kind, count)
    for kind, count in (
        (INPUT, "tokens_in"),
        (OUTPUT, "tokens_out"),
        ("cache_read", "tokens_read"),
        ("cache_write", "tokens_written"),
        ("input_audio", "tokens_heard"),
        ("output_audio", f"least({_count('output_audio')}, tokens_out)"),
        (REQUEST, "1"),
    )
)
COST_TERMS: Final = f"""
    {_count(INPUT)} AS tokens_in,
    {_count(OUTPUT)} AS tokens_out,
    least({_count("cache_read")}, tokens_in) AS tokens_read,
    least({_count("cache_write")}, tokens_in - tokens_read) AS tokens_written,
    least({_count("input_audio")}, tokens_in - tokens_read - tokens_written) AS tokens_heard,
    arrayMax(arrayFilter(start -> start < tokens_in, {_TIERS})) AS tier_start,
    if(tier_start > 0, concat('{TIER_MARK}', toString(tier_start)), '') AS tier,
    if(
        notEmpty({RATES}) AND (tokens_in > 0 OR tokens_out > 0),
        accurateCastOrNull(round(toDecimal256({_DOLLARS}, 15) / 1000000, 9), 'Decimal(18, 9)'),
        NULL
    ) AS computed_cost"""
"""Terms of a WITH; `computed_cost` is US dollars, a Nullable(Decimal(18, 9)), NULL where rates or usage tell none."""
