from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.events.costs import COUNTED
from pipeline.sinks.costs import COST_TERMS, RATES, USAGE
from tests.support.events import RATES as SAMPLE_RATES
from tests.support.fold_oracle import cost_of
from tests.support.folding import EXAMPLES, Database

WHOLE = {
    "input": "3", "output": "15.5", "cache_read": "-2.7", "cache_write": "0.75", "input_audio": "40",
    "output_audio": "0.000000001", "request": "12000",
    "input@200000": "6", "output@200000": "22.5", "input@500000": "7", "cache_read@500000": "-5.4",
}  # fmt: skip
FIRST_NAMES = [names[0] for names in COUNTED.values()]
USAGES = st.dictionaries(
    st.sampled_from(FIRST_NAMES), st.integers(-5, 5) | st.integers(0, 700_000) | st.just(2**63 - 1), max_size=6
)
CASES = st.lists(st.tuples(st.sampled_from([{}, WHOLE, *SAMPLE_RATES]), USAGES), min_size=30, max_size=60)


COMPUTED = f"""WITH {COST_TERMS}
SELECT computed_cost
FROM (
    SELECT
        pair.1 AS position,
        JSONExtract(pair.2, 'Map(LowCardinality(String), Decimal(18, 9))') AS {RATES},
        JSONExtract(pair.3, 'Map(LowCardinality(String), Int64)') AS {USAGE}
    FROM (
        SELECT arrayJoin(arrayZip(range({{cases:UInt32}}), {{rates:Array(String)}}, {{usages:Array(String)}})) AS pair
    )
)
ORDER BY position"""  # noqa: S608 - made of our own constants only


async def costs(database: Database, cases: list[tuple[dict[str, str], dict[str, int]]]) -> list[Decimal | None]:
    rates, usages = ([msgspec.json.encode(case[place]).decode() for case in cases] for place in range(2))
    rows = await database.client.rows(COMPUTED, {"cases": len(cases), "rates": rates, "usages": usages})
    return [row["computed_cost"] for row in rows]


@given(cases=CASES)
@EXAMPLES
def test_clickhouse_computes_the_cost_that_plain_python_computes(
    database: Database, cases: list[tuple[dict[str, str], dict[str, int]]]
) -> None:
    found = database.run(costs(database, cases))

    assert found == [cost_of(rates, usage) for rates, usage in cases]


@pytest.mark.parametrize("kind", COUNTED)
def test_every_name_of_a_count_counts_the_same_and_the_first_that_is_there(database: Database, kind: str) -> None:
    whole = {"prompt_tokens": 1000, "completion_tokens": 500}
    first, *others = COUNTED[kind]
    usages = [whole | {name: 200} for name in (first, *others)] + [whole | {first: 200} | dict.fromkeys(others, 300)]

    found = database.run(costs(database, [(WHOLE, usage) for usage in usages]))

    assert set(found) == {cost_of(WHOLE, whole | {first: 200})}
