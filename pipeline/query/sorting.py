"""The sort language: `[{"field":"duration","direction":"DESC"}]`, as an ORDER BY of known expressions.

A field such as `usage.*` stands for many: `usage.total_tokens` sorts by what has that name. The name is all that
follows the first dot, exactly as it is written, and is bound as a value.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, Literal

import msgspec

from pipeline.errors import Malformed
from pipeline.query.statement import Statement

SORTS_MAX: Final = 5
ANY_NAME: Final = ".*"
"""The end of a field that stands for one of each name."""

Expression = str | Callable[[str], str]
"""SQL of what is compared; of a field that ends with `ANY_NAME` what makes it of the bound name. NULL where absent."""


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


def order_by(
    sorts: Sequence[Sort], expressions: Mapping[str, Expression], otherwise: Sequence[str], statement: Statement
) -> str:
    """Return the ORDER BY of `sorts`, with absent values last and what is equal in the order `otherwise`.

    Raises Malformed for a field that `expressions` does not have, and for more than `SORTS_MAX` criteria.
    """
    if len(sorts) > SORTS_MAX:
        raise Malformed(f"sorting: at most {SORTS_MAX} fields", field="sorting")
    terms = [f"{_expression(sort.field, expressions, statement)} {sort.direction} NULLS LAST" for sort in sorts]
    return "ORDER BY " + ", ".join((*terms, *otherwise))


def entry(of: str) -> Callable[[str], str]:
    """Return what makes the SQL of the value that the map `of` has under a bound name, NULL where it has none."""
    return lambda name: f"if(mapContains({of}, {name}), {of}[{name}], NULL)"


def listed(tags: str) -> str:
    """Return the SQL that compares lists of sorted tags one by one; there is no order of arrays with absent ones last.

    NUL, which no tag contains, is less than every character: a list comes after those that it begins with.
    """
    return f"if(empty({tags}), NULL, arrayStringConcat({tags}, '\\0'))"


def _expression(field: str, expressions: Mapping[str, Expression], statement: Statement) -> str:
    group, _, name = field.partition(".")
    if isinstance(known := expressions.get(field), str):
        return known
    if name and callable(named := expressions.get(group + ANY_NAME)):
        return named(statement.bind(name, "String"))
    raise Malformed(f"sorting: unknown field '{field[:100]}'; it can be {', '.join(expressions)}", field="sorting")
