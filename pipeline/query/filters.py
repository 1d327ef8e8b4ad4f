"""The filter language of Opik: a list of {field, operator, key, value}, all of which must hold, as bound SQL.

Which fields there are is the business of whoever reads them (`Field`); which operators a field knows follows from its
kind. Text compares without regard to case, exact text with it and by code point; a comparison with what is absent does
not hold, except that absent text is empty text.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, Literal, NamedTuple

import msgspec

from pipeline.errors import Malformed
from pipeline.query.statement import Statement
from pipeline.query.times import parse_us

Kind = Literal["exact", "text", "number", "time", "choice", "list", "score", "document", "presence"]
Predicate = Callable[[str], str]
"""Given an SQL expression, the condition on it."""

FILTERS_MAX: Final = 50
_COMPARISONS: Final = {"=": "=", "!=": "!=", ">": ">", ">=": ">=", "<": "<", "<=": "<="}
_NUMERIC: Final = frozenset(_COMPARISONS)
_TEXTUAL: Final = frozenset({"=", "!=", "contains", "not_contains", "starts_with", "ends_with", ">", "<"})
_EMPTINESS: Final = frozenset({"is_empty", "is_not_empty"})
OPERATORS: Final[dict[Kind, frozenset[str]]] = {
    "exact": _TEXTUAL,
    "text": _TEXTUAL,
    "number": _NUMERIC,
    "time": _NUMERIC,
    "choice": frozenset({"=", "!=", "in", "not_in"}),
    "list": frozenset({"=", "!=", "contains", "not_contains"}) | _EMPTINESS,
    "score": _NUMERIC | _EMPTINESS,
    "document": _TEXTUAL | _NUMERIC,
    "presence": _EMPTINESS,
}
_KEYED: Final = frozenset({"score", "document"})


class Filter(msgspec.Struct, frozen=True):
    """One condition as it came; members that we do not know are ignored, as Opik does."""

    field: str
    operator: str
    value: str | int | float | bool | None = None
    key: str | None = None

    @property
    def text(self) -> str:
        """The value as text; on the wire it nearly always is."""
        return "" if self.value is None else str(self.value)


class Field(NamedTuple):
    """A field that can be filtered: what kind it is, and how a predicate on it is said of a row.

    `condition` gets the predicate, the bound name of `key` ("" where the kind has none) and the statement.
    """

    kind: Kind
    condition: Callable[[Predicate, str, Statement], str]


def column(kind: Kind, expression: str) -> Field:
    """Return the field whose value is simply `expression`."""
    return Field(kind, lambda predicate, _key, _statement: predicate(expression))


ABSENT_LIST: Final = column("list", "CAST([], 'Array(String)')")
ABSENT_TEXT: Final = column("text", "CAST(NULL, 'Nullable(String)')")
"""Fields of Opik's that nothing has here, since there are no annotation queues, experiments or guardrails: the SDK lets
people filter by them, and is answered as by a project that uses none."""


def decode(text: str | bytes) -> list[Filter]:
    """Return the filters in a JSON array; raises Malformed where it is none."""
    try:
        return msgspec.json.decode(text, type=list[Filter])
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise Malformed(f"filters: {error}", field="filters") from error


def apply(filters: Sequence[Filter], fields: Mapping[str, Field], statement: Statement) -> None:
    """Add every filter to `statement`.

    Raises Malformed, naming what is wrong, for an unknown field, an operator that the field does not have, a missing
    key, a value that is not of the field's kind, and for more than `FILTERS_MAX` filters.
    """
    if len(filters) > FILTERS_MAX:
        raise Malformed(f"filters: at most {FILTERS_MAX}, {len(filters)} were given", field="filters")
    for given in filters:
        field = fields.get(given.field)
        if field is None:
            known = ", ".join(sorted(fields))
            raise Malformed(f"filters: unknown field '{given.field}'; the fields are {known}", field="filters")
        operators = OPERATORS[field.kind]
        if given.operator not in operators:
            raise Malformed(
                f"filters: field '{given.field}' has no operator '{given.operator}'; "
                f"it has {' '.join(sorted(operators))}",
                field="filters",
            )
        statement.where(_condition(given, field, statement))


def contains(text: str, fields: Sequence[Field], statement: Statement) -> str:
    """Return the condition that at least one of `fields` contains `text`, in whatever case."""
    predicate = _folded("contains", statement.bind(text, "String"))
    return " OR ".join(field.condition(predicate, "", statement) for field in fields)


def _condition(given: Filter, field: Field, statement: Statement) -> str:
    key = ""
    if field.kind in _KEYED:
        if not given.key:
            raise Malformed(f"filters: field '{given.field}' needs a key", field="filters")
        key = statement.bind(given.key, "String")
    if field.kind == "score" and given.operator in _EMPTINESS:
        exists = field.condition(lambda _: "1", key, statement)
        return exists if given.operator == "is_not_empty" else f"NOT ({exists})"
    return field.condition(_PREDICATES[field.kind](given, statement), key, statement)


def _exact(given: Filter, statement: Statement) -> Predicate:
    return _text(given.operator, statement.bind(given.text, "String"))


def _caseless(given: Filter, statement: Statement) -> Predicate:
    return _folded(given.operator, statement.bind(given.text, "String"))


def _numeric(given: Filter, statement: Statement) -> Predicate:
    return _compared(given.operator, statement.bind(_number(given), "Float64"))


def _temporal(given: Filter, statement: Statement) -> Predicate:
    return _compared(given.operator, statement.bind(_time(given), "Int64"))


def _presence(given: Filter, _: Statement) -> Predicate:
    test = "empty" if given.operator == "is_empty" else "notEmpty"
    return lambda expression: f"{test}(ifNull({expression}, ''))"


def _text(operator: str, value: str) -> Predicate:
    def condition(expression: str) -> str:
        text = f"ifNull({expression}, '')"
        return {
            "contains": f"position({text}, {value}) > 0",
            "not_contains": f"position({text}, {value}) = 0",
            "starts_with": f"startsWith({text}, {value})",
            "ends_with": f"endsWith({text}, {value})",
        }.get(operator) or f"{text} {_COMPARISONS[operator]} {value}"

    return condition


def _folded(operator: str, value: str) -> Predicate:
    exact = _text(operator, f"lowerUTF8({value})")
    return lambda expression: exact(f"lowerUTF8({expression})")


def _compared(operator: str, value: str) -> Predicate:
    return lambda expression: f"ifNull({expression} {_COMPARISONS[operator]} {value}, 0)"


def _choice(given: Filter, statement: Statement) -> Predicate:
    several = given.operator in {"in", "not_in"}
    values = [value.strip() for value in given.text.split(",")] if several else [given.text]
    bound = statement.bind(values, "Array(String)")
    negation = "NOT " if given.operator in {"!=", "not_in"} else ""
    return lambda expression: f"{negation}has({bound}, ifNull({expression}, ''))"


def _list(given: Filter, statement: Statement) -> Predicate:
    match given.operator:
        case "is_empty":
            return lambda expression: f"empty({expression})"
        case "is_not_empty":
            return lambda expression: f"notEmpty({expression})"
    value = statement.bind(given.text, "String")
    part = f"position(lowerUTF8(tag), lowerUTF8({value})) > 0" if "contains" in given.operator else f"tag = {value}"
    negation = "NOT " if given.operator in {"!=", "not_contains"} else ""
    return lambda expression: f"{negation}arrayExists(tag -> {part}, {expression})"


def _document(given: Filter, statement: Statement) -> Predicate:
    """Compare what stands at the key: by size where the value is a number, else as text without regard to case."""
    if given.operator in {">", ">=", "<", "<="}:
        number = _compared(given.operator, statement.bind(_number(given), "Float64"))
        return lambda expression: number(f"toFloat64OrNull({expression})")
    return _folded(given.operator, statement.bind(given.text, "String"))


def _number(given: Filter) -> float:
    try:
        return float(given.text)
    except ValueError as error:
        raise Malformed(
            f"filters: field '{given.field}' compares with a number, not with '{given.text[:100]}'", field="filters"
        ) from error


def _time(given: Filter) -> int:
    try:
        return parse_us(given.text)
    except ValueError as error:
        raise Malformed(
            f"filters: field '{given.field}' compares with a time such as 2024-01-31T00:00:00Z, "
            f"not with '{given.text[:100]}'",
            field="filters",
        ) from error


_PREDICATES: Final[dict[Kind, Callable[[Filter, Statement], Predicate]]] = {
    "exact": _exact,
    "text": _caseless,
    "number": _numeric,
    "score": _numeric,
    "time": _temporal,
    "choice": _choice,
    "list": _list,
    "document": _document,
    "presence": _presence,
}
