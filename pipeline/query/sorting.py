"""The sort language: `[{"field":"duration","direction":"DESC"}]`, as an ORDER BY of known expressions."""

from collections.abc import Mapping, Sequence
from typing import Final, Literal

import msgspec

from pipeline.errors import Malformed

SORTS_MAX: Final = 5


class Sort(msgspec.Struct, frozen=True):
    """One criterion; the first one counts most."""

    field: str
    direction: Literal["ASC", "DESC"] = "ASC"


def decode(text: str | None) -> list[Sort]:
    """Return the criteria in a JSON array, none for an absent one; raises Malformed where it is no such array."""
    if not text:
        return []
    try:
        return msgspec.json.decode(text, type=list[Sort])
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise Malformed(f"sorting: {error}", field="sorting") from error


def order_by(sorts: Sequence[Sort], expressions: Mapping[str, str], otherwise: Sequence[str]) -> str:
    """Return the ORDER BY of `sorts`, with absent values last and what is equal in the order `otherwise`.

    Raises Malformed for a field that `expressions` does not have, and for more than `SORTS_MAX` criteria.
    """
    if len(sorts) > SORTS_MAX:
        raise Malformed(f"sorting: at most {SORTS_MAX} fields", field="sorting")
    terms = []
    for sort in sorts:
        if sort.field not in expressions:
            raise Malformed(
                f"sorting: unknown field '{sort.field}'; it can be {', '.join(expressions)}", field="sorting"
            )
        terms.append(f"{expressions[sort.field]} {sort.direction} NULLS LAST")
    return "ORDER BY " + ", ".join((*terms, *otherwise))
