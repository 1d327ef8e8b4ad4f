"""The filter language of the Opik SDK as people write it: `status = "inactive" and feedback_scores.helpful > 0.5`.

    filters  = filter { "and" filter }
    filter   = field operator value | field ( "is_empty" | "is_not_empty" )
             | field ( "in" | "not_in" ) "(" text { "," text } ")"
    field    = name [ "." ( name | text ) ]
    operator = "=" "!=" ">" ">=" "<" "<=" "contains" "not_contains" "starts_with" "ends_with"
    value    = text | number
    text     = '"' any characters, of which '"' is written twice '"'

The grammar is that of the SDK's `opik_query_language.py`, which sends what it has parsed as JSON (`filters.decode`).
Which fields there are, and which operators a field has, is not said here: `filters.apply` knows.
"""

import re
from typing import Final

from pipeline.errors import Malformed
from pipeline.query.filters import Filter

CHARACTERS_MAX: Final = 100_000
_WITHOUT_VALUE: Final = frozenset({"is_empty", "is_not_empty"})
_OF_SEVERAL: Final = frozenset({"in", "not_in"})
_FLAT: Final = "usage"
"""Its members are fields of their own (`usage.total_tokens`), not keys."""

_SPACE: Final = re.compile(r"\s*")
_NAME: Final = re.compile(r"\w+")
_TEXT: Final = re.compile(r'"((?:[^"]|"")*)"')
_NUMBER: Final = re.compile(r"-?\d+(?:\.\d+)?")
_OPEN: Final = re.compile(r"\(")
_CLOSE: Final = re.compile(r"\)")
_OPERATOR: Final = re.compile(r"!=|>=|<=|=|>|<|\w+")


def parse(text: str) -> list[Filter]:
    """Return the filters in `text`, none in a blank one; raises Malformed, naming the place, where it is no filter."""
    if len(text) > CHARACTERS_MAX:
        raise Malformed(f"filter: at most {CHARACTERS_MAX} characters, {len(text)} were given", field="filter")
    reader = _Text(text)
    if reader.at_end():
        return []
    found = [_filter(reader)]
    while not reader.at_end():
        connector = reader.take(_NAME, "`and`").lower()
        if connector == "or":
            raise reader.fault("`or` is not part of the language; conditions are joined by `and`")
        if connector != "and":
            raise reader.fault(f"`and` is expected, not `{connector}`")
        found.append(_filter(reader))
    return found


class _Text:
    """The text, and how far it has been read."""

    def __init__(self, text: str) -> None:
        self._text: Final = text
        self._at = 0
        self._began = 0

    def at_end(self) -> bool:
        self._skip_space()
        return self._at == len(self._text)

    def take(self, token: re.Pattern[str], expected: str) -> str:
        """Return the next token: its first group, where it has one, else the whole."""
        self._skip_space()
        self._began = self._at
        found = token.match(self._text, self._at)
        if found is None:
            raise self.fault(f"{expected} is expected")
        self._at = found.end()
        return found[found.lastindex or 0]

    def next_is(self, start: str) -> bool:
        """Tell whether `start` comes next."""
        self._skip_space()
        return self._text.startswith(start, self._at)

    def take_if(self, start: str, *, after_space: bool = True) -> bool:
        """Pass over `start` where it comes next, and tell whether it did."""
        if after_space:
            self._skip_space()
        follows = self._text.startswith(start, self._at)
        if follows:
            self._began = self._at
            self._at += len(start)
        return follows

    def fault(self, reason: str) -> Malformed:
        """Return the error that says so, and where."""
        rest = self._text[self._began : self._began + 40]
        place = f"at `{rest}`" if rest else "at the end"
        return Malformed(f"filter: {reason}, {place}", field="filter")

    def _skip_space(self) -> None:
        found = _SPACE.match(self._text, self._at)
        if found is not None:
            self._at = found.end()


def _filter(reader: _Text) -> Filter:
    field, key = _field(reader)
    operator = reader.take(_OPERATOR, "an operator")
    if operator in _WITHOUT_VALUE:
        return Filter(field, operator, "", key)
    return Filter(field, operator, _several(reader) if operator in _OF_SEVERAL else _value(reader), key)


def _field(reader: _Text) -> tuple[str, str | None]:
    name = reader.take(_NAME, "the name of a field")
    if not reader.take_if(".", after_space=False):
        return name, None
    key = _text(reader) if reader.next_is('"') else reader.take(_NAME, "a key")
    return (f"{name}.{key}", None) if name == _FLAT else (name, key)


def _value(reader: _Text) -> str:
    return _text(reader) if reader.next_is('"') else reader.take(_NUMBER, 'a number or a text in `"`')


def _several(reader: _Text) -> str:
    reader.take(_OPEN, "`(`")
    values = [_text(reader)]
    while reader.take_if(","):
        values.append(_text(reader))
    reader.take(_CLOSE, "`)`")
    return ",".join(values)


def _text(reader: _Text) -> str:
    return reader.take(_TEXT, 'a text in `"`').replace('""', '"')
