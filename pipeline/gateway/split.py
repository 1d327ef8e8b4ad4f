"""Find the items of a list in JSON that no decoder takes as a whole, so that one of them does not cost the others.

Only strings and brackets are understood here; whether an item is JSON, its own decoding tells. There is no recursion,
since an item may be nested deeper than any decoder goes.
"""

import re
from itertools import pairwise
from typing import Final

from pipeline.errors import Malformed

TOKENS_MAX: Final = 1_000_000
"""Brackets, commas, colons and strings looked at, about a second; a batch of 1000 ordinary traces has 60,000."""

_TOKEN: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[\[\]{},:"]', re.DOTALL)
_OPENER_OF: Final = {b"]": b"[", b"}": b"{"}
_LIST: Final = b"{["


def split_items(body: bytes, member: str) -> list[bytes]:
    """Return the items of the list under `member` of the object `body`, each as the bytes between its commas.

    Raises Malformed where there is no such list, where brackets or strings do not close, and beyond TOKENS_MAX.
    """
    marks = _marks(body, b'"%b"' % member.encode())
    if not marks:
        raise Malformed(f"the body is not a JSON object with a list {member!r}", field=member)
    items = [body[before + 1 : after].strip() for before, after in pairwise(marks)]
    return [] if items == [b""] else items


def _marks(body: bytes, member: bytes) -> list[int]:
    """Return where the list opens, where its commas stand and where it closes; nothing where there is no list."""
    path = bytearray()
    marks: list[int] = []
    is_inside = False
    last_two = (b"", b"")
    for count, token in enumerate(_TOKEN.finditer(body)):
        text = token[0]
        if text in b"[{":
            path += text
            if path == _LIST and last_two == (member, b":"):
                is_inside, marks = True, [token.start()]
        elif text in b",]}":
            if is_inside and path == _LIST:
                marks.append(token.start())
            if text != b",":
                _pop(path, text)
                is_inside = is_inside and len(path) >= len(_LIST)
        elif text == b'"':
            raise Malformed("the body is not JSON: a string does not end", field="body")
        last_two = (last_two[1], text)
        if count == TOKENS_MAX:
            raise Malformed(f"the body is faulty, and too large to be taken apart: {TOKENS_MAX:,} tokens", field="body")
    if path:
        raise Malformed("the body is not JSON: a bracket does not close", field="body")
    return marks


def _pop(path: bytearray, closer: bytes) -> None:
    if not path.endswith(_OPENER_OF[closer]):
        raise Malformed("the body is not JSON: brackets do not match", field="body")
    path.pop()
