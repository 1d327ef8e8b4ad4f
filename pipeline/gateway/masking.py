"""What is masked, and how: rules over the text of a value, in a time that grows with its length only.

A rule is a regular expression (of RE2, which has no pattern of exponential time), one of the built-in ones, or a path.
Expressions see each string of a JSON value as it reads, not as it is escaped, and each number; what they find is
replaced, and every other byte stays as it came. A path names a member whatever it holds: `$.metadata.user.email`,
`$.input.messages[*].content`, or `$..password` for one at any depth.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple

import msgspec
import re2

from pipeline.errors import InvalidSettings

Check = Callable[[bytes], bool]
"""Tells whether what an expression found is what is meant."""


class Pattern(NamedTuple):
    """An expression of RE2 over UTF-8, what stands in place of what it finds, and what must hold for that."""

    name: str
    expression: str
    replacement: str
    is_meant: Check | None = None


def _has_luhn_sum(found: bytes) -> bool:
    """Tell whether the digits end in their check digit (ISO/IEC 7812-1, annex B)."""
    digits = [byte - 48 for byte in found if 48 <= byte <= 57]  # noqa: PLR2004 - from 0 to 9
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    return (sum(doubled) + sum(digits[-1::-2])) % 10 == 0


def _has_length_of_a_number(found: bytes) -> bool:
    """Tell whether there are as many digits as a telephone number has (ITU-T E.164: at most 15)."""
    return 8 <= sum(48 <= byte <= 57 for byte in found) <= 15  # noqa: PLR2004 - from 0 to 9


BUILT_IN: Final = {
    rule.name: rule
    for rule in (
        Pattern("email", r"[A-Za-z0-9][A-Za-z0-9._%+'-]*@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+", "[email]"),
        Pattern(
            "phone",
            # International, with its area in brackets, or as in North America; UUIDs and times have none of the three.
            r"(?:\+\d|\(\d{2,5}\) ?\d)[\d ()./-]{4,16}\d\b|\b\d{3}[ .-]\d{3}[ .-]\d{4}\b",
            "[phone]",
            _has_length_of_a_number,
        ),
        # 13 to 19 digits that begin as those of the large networks do: milliseconds since 1970 do not.
        Pattern("card", r"\b(?:2[2-7]|[3-6]\d)\d{2}(?:[ -]?\d){9,15}\b", "[card]", _has_luhn_sum),
        Pattern(
            "key",
            r"\b(?:sk|pk|rk)[-_](?:[A-Za-z0-9]+[-_])*[A-Za-z0-9]{16,}\b|\bgh[pousr]_[A-Za-z0-9]{36,}|\bgithub_pat_\w{22,}"
            r"|\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bAIza[\w-]{35}|\bxox[abeprs]-[\w-]{10,}|\bhf_[A-Za-z0-9]{30,}"
            r"|\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]{8,}|\btl_[0-9a-f]{12}_[\w-]{43}"
            r"|-----BEGIN [A-Z ]*PRIVATE KEY-----(?:[^-]*-----END [A-Z ]*PRIVATE KEY-----)?",
            "[key]",
        ),
    )
}

_TOKEN: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|-?\d[\d.eE+-]*+', re.DOTALL)
"""A string or a number of JSON; possessive, so that no text takes longer than its length."""
_STEP: Final = re.compile(r"\.\.(?P<deep>[^.\[\]]+)|\.(?P<member>[^.\[\]]+)|(?P<every>\[\*\])")
_ANCHOR: Final = re.compile(r"[\^$]|\\[AzZ]")
_TEXT: Final = msgspec.json.Decoder(str)
_DEEP: Final = ".."
_EVERY: Final = "*"

Counts = dict[str, int]
"""How often each rule replaced something."""


class Expressions:
    """The expressions of one workspace, compiled."""

    def __init__(self, patterns: Sequence[Pattern]) -> None:
        """Raise InvalidSettings where RE2 does not take one."""
        self._rules: Final = [
            (pattern, _compiled(pattern.name, pattern.expression), pattern.replacement.encode()) for pattern in patterns
        ]
        self._any: Final = _compiled("all", "|".join(f"(?:{pattern.expression})" for pattern in patterns))
        self._may_look_at_once: Final = not any(_ANCHOR.search(pattern.expression) for pattern in patterns)

    def in_text(self, text: bytes, counts: Counts) -> bytes:
        """Return plain text without what the rules find in it."""
        if self._any.search(text) is None:
            return text
        for pattern, compiled, replacement in self._rules:
            text = _replaced(pattern, compiled, replacement, text, counts)
        return text

    def in_json(self, text: bytes, counts: Counts) -> bytes:
        """Return JSON text without what the rules find in its strings and numbers.

        In text without escapes, what is in a string is in the text as well, so one look mostly suffices; but for
        expressions that ask where a string begins or ends.
        """
        if self._may_look_at_once and b"\\" not in text and self._any.search(text) is None:
            return text
        return _TOKEN.sub(lambda token: self._in_token(token[0], counts), text)

    def _in_token(self, token: bytes, counts: Counts) -> bytes:
        if not token.startswith(b'"'):
            masked = self.in_text(token, counts)
            return token if masked is token else _json(masked)
        if b"\\" not in token:
            inside = token[1:-1]
            masked = self.in_text(inside, counts)
            return token if masked is inside else _json(masked)
        try:
            inside = _TEXT.decode(token).encode()
        except (msgspec.DecodeError, UnicodeError):
            return self.in_text(token, counts)  # no string of JSON, so it stands in what could not be decoded anyway
        masked = self.in_text(inside, counts)
        return token if masked is inside else _json(masked)


class Path(NamedTuple):
    """A path rule: its steps from the root, and what stands in place of what it names."""

    name: str
    steps: tuple[tuple[str, str], ...]
    replacement: str

    @property
    def members(self) -> Iterator[str]:
        """The names that a document must contain for the path to lead anywhere."""
        return (name for kind, name in self.steps if kind != _EVERY)


def path_of(name: str, text: str, replacement: str) -> Path:
    """Return the path that `text` writes; raises InvalidSettings where it is none."""
    steps: list[tuple[str, str]] = []
    place = 1
    while text.startswith("$") and place < len(text) and (found := _STEP.match(text, place)):
        place = found.end()
        if found["deep"] is not None:
            steps.append((_DEEP, found["deep"]))
        elif found["member"] is not None:
            steps.append((_EVERY, "") if found["member"] == _EVERY else ("", found["member"]))
        else:
            steps.append((_EVERY, ""))
    if not steps or place < len(text):
        raise InvalidSettings(f"rule {name}: {text!r} is no path such as $.metadata.user, $.input.list[*] or $..name")
    return Path(name, tuple(steps), replacement)


def replace_at(path: Path, document: Any) -> int:
    """Replace, inside `document`, what `path` names, and return how often; without recursion."""
    replaced = 0
    left: list[tuple[Any, int]] = [(document, 0)]
    while left:
        place, step = left.pop()
        kind, name = path.steps[step]
        is_last = step == len(path.steps) - 1
        for key in _keys_of(place):
            is_named = kind == _EVERY or key == name
            if is_named and is_last:
                place[key] = path.replacement
                replaced += 1
            elif is_named:
                left.append((place[key], step + 1))
            if kind == _DEEP and not (is_named and is_last):
                left.append((place[key], step))
    return replaced


def _keys_of(place: Any) -> Sequence[Any]:
    if isinstance(place, dict):
        return list(place)
    return range(len(place)) if isinstance(place, list) else ()


def _json(text: bytes) -> bytes:
    """Return a text as a string of JSON; an expression of single bytes may have cut a character."""
    return msgspec.json.encode(text.decode(errors="replace"))


def _compiled(name: str, expression: str) -> Any:
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(expression.encode(), options=options)
    except re2.error as error:
        raise InvalidSettings(f"rule {name}: RE2 does not take its pattern: {error}") from error


def _replaced(pattern: Pattern, compiled: Any, replacement: bytes, text: bytes, counts: Counts) -> bytes:
    pieces: list[bytes] = []
    end = 0
    for found in compiled.finditer(text):
        if found.end() == found.start() or (pattern.is_meant is not None and not pattern.is_meant(found.group())):
            continue
        pieces += (text[end : found.start()], replacement)
        end = found.end()
        counts[pattern.name] = counts.get(pattern.name, 0) + 1
    if not pieces:
        return text
    return b"".join([*pieces, text[end:]])
