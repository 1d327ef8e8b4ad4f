"""A file of SQL as its statements."""

import re
from collections.abc import Iterator
from typing import Final

from pipeline.errors import SchemaMismatch

_TOKENS: Final = re.compile(
    r"""
      (?P<quoted> '(?:[^'\\]|\\.|'')*' | "(?:[^"\\]|\\.)*" | `(?:[^`\\]|\\.)*` )
    | (?P<comment> --[^\n]* | /\*.*?\*/ )
    | (?P<end> ; )
    | (?P<unclosed> ['"`] | /\* )
    | (?P<text> [^'"`;/-]+ | . )
    """,
    re.DOTALL | re.VERBOSE,
)


def split_statements(sql: str) -> Iterator[str]:
    """Yield the statements of `sql` without comments; a semicolon in a string, a name or a comment ends none.

    Raises SchemaMismatch where a string, a quoted name or a comment has no end.
    """
    parts: list[str] = []
    for token in _TOKENS.finditer(sql):
        if token.lastgroup == "unclosed":
            line = sql.count("\n", 0, token.start()) + 1
            raise SchemaMismatch(f"what begins with {token[0]} in line {line} has no end")
        if token.lastgroup != "end":
            parts.append(" " if token.lastgroup == "comment" else token[0])
            continue
        if statement := "".join(parts).strip():
            yield statement
        parts = []
    if statement := "".join(parts).strip():
        yield statement
