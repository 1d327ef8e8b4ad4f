"""Just enough of ClickHouse's grammar to know where a statement ends and its data begins.

Over HTTP an INSERT and its rows arrive as one stream of bytes; the engine wants them apart. Everything else about a
statement is left to the engine's own parser.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from pipeline.local.clickhouse.failures import SYNTAX_ERROR, QueryFailed

_TOKEN: Final = re.compile(
    rb"""
      (?P<space> \s+ | --[^\n]* | \#[!\ ][^\n]* | /\*.*?\*/ )
    | (?P<quoted> '(?:[^'\\]|\\.)*' | `(?:[^`\\]|\\.)*` | "(?:[^"\\]|\\.)*" | \$(?P<tag>\w*)\$.*?\$(?P=tag)\$ )
    | (?P<word> [A-Za-z_][A-Za-z0-9_$]* )
    | (?P<number> [0-9][A-Za-z0-9_.]* )
    | (?P<open> [(\[{] )
    | (?P<close> [)\]}] )
    | (?P<sign> . )
    """,
    re.VERBOSE | re.DOTALL,
)

# What follows FORMAT <name> or VALUES and does not belong to the data: blanks, then at most one line end.
_BEFORE_DATA: Final = re.compile(rb"[ \t\f]*\r?\n?")

_READS: Final = frozenset({b"SELECT", b"WITH", b"FROM", b"("})
_ANSWERS: Final = frozenset(
    {b"SHOW", b"DESCRIBE", b"DESC", b"EXPLAIN", b"EXISTS", b"CHECK", b"KILL", b"BACKUP", b"RESTORE"}
)
_SOURCES: Final = frozenset({b"SELECT", b"WITH", b"INFILE", b"WATCH"})
_NAMES_FOLLOW: Final = frozenset({b"INTO", b"TABLE", b"FUNCTION", b"."})


class Kind(Enum):
    """How a statement is to be run."""

    READ = auto()  # SELECT: its result can be streamed
    INSERT = auto()  # INSERT whose rows follow the statement
    SESSION = auto()  # SET or USE: changes what later statements of a session see
    ANSWER = auto()  # has a result, which cannot be streamed: SHOW, DESCRIBE, EXPLAIN, ...
    ACTION = auto()  # has no result: DDL, INSERT SELECT, SYSTEM, ...


@dataclass(frozen=True, slots=True)
class Statement:
    """What kind it is and the format it names.

    Of an INSERT also, in bytes: where its SETTINGS begin (`text_end` if it has none), where its text ends before FORMAT
    or VALUES, and where its data begins.
    """

    kind: Kind
    format_name: str | None = None
    settings_start: int = 0
    text_end: int = 0
    data_start: int = 0


@dataclass(frozen=True, slots=True)
class _Word:
    """A token outside of all brackets; `value` is in capitals, a quoted one is empty."""

    value: bytes
    start: int
    end: int
    raw: bytes


def parse_statement(text: bytes) -> Statement:
    """Classify the statement that `text` begins with.

    Of an INSERT with data only the beginning is needed, up to the first byte of data. Raises QueryFailed
    (SYNTAX_ERROR) where a second statement follows: over HTTP, ClickHouse takes one.
    """
    words = _top_level(text)
    first = next(words, None)
    if first is None:
        return Statement(Kind.ACTION)
    if first.value == b"INSERT":
        return _insert(first, words, text)
    rest = list(words)
    _refuse_second_statement(rest)
    if first.value in _READS and not any(word.value == b"INSERT" for word in rest):
        return Statement(Kind.READ, _output_format(rest))
    if first.value in (b"SET", b"USE"):
        return Statement(Kind.SESSION)
    if first.value in _ANSWERS:
        return Statement(Kind.ANSWER, _output_format(rest))
    return Statement(Kind.ACTION, _output_format(rest))


def _insert(first: _Word, words: Iterator[_Word], text: bytes) -> Statement:
    """Find FORMAT <name> or VALUES before any other source of rows."""
    seen: list[_Word] = []
    before = first
    settings_start: int | None = None
    for word in words:
        seen.append(word)
        if before.value in _NAMES_FOLLOW:
            before = word
            continue
        if word.value in _SOURCES:
            break
        if word.value == b"SETTINGS" and settings_start is None:
            settings_start = word.start
        if word.value == b"VALUES":
            end, name = word.start, "Values"
        elif before.value == b"FORMAT" and word.raw[:1].isalpha():
            end, name = before.start, word.raw.decode()
        else:
            before = word
            continue
        return Statement(
            Kind.INSERT, name, end if settings_start is None else settings_start, end, _data_start(text, word.end)
        )
    _refuse_second_statement([*seen, *words])
    return Statement(Kind.ACTION)


def _data_start(text: bytes, after: int) -> int:
    blank = _BEFORE_DATA.match(text, after)
    return blank.end() if blank else after


def _output_format(words: list[_Word]) -> str | None:
    """Return the name after the last FORMAT that has one."""
    for word, following in zip(reversed(words[:-1]), reversed(words[1:]), strict=True):
        if word.value == b"FORMAT" and following.raw[:1].isalpha():
            return following.raw.decode()
    return None


def _refuse_second_statement(words: list[_Word]) -> None:
    ended = False
    for word in words:
        if ended and word.raw != b";":
            raise QueryFailed(SYNTAX_ERROR, "SYNTAX_ERROR", "Syntax error (Multi-statements are not allowed)")
        ended = ended or word.raw == b";"


def _top_level(text: bytes) -> Iterator[_Word]:
    """Yield the tokens outside of brackets; an opening bracket at the top counts as one."""
    depth = 0
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup if match.lastgroup != "tag" else "quoted"
        if kind == "close":
            depth = max(0, depth - 1)
        elif kind != "space" and depth == 0:
            raw = match.group()
            yield _Word(b"" if kind == "quoted" else raw.upper(), match.start(), match.end(), raw)
        if kind == "open":
            depth += 1
