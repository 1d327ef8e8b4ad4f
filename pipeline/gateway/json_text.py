r"""JSON text made fit to be stored: UTF-8 without NUL and without lone surrogates; every other byte stays as it came.

Neither can be stored as text, and no producer loses a batch over them: both become U+FFFD, the replacement character.
`\ud83d\ude00` is a pair, and stays; `\\u0000` is an escaped backslash, and stays too.
"""

import re
from typing import Final

from pipeline.adapters.telemetry.metrics import GATEWAY_BODIES_NORMALISED

_REPLACEMENT: Final = "\ufffd".encode()
_HIGH: Final = rb"\\u[dD][89abAB][0-9a-fA-F]{2}"
_LOW: Final = rb"\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_LONE: Final = re.compile(rb"%b(?!%b)|(?<!%b)%b" % (_HIGH, _LOW, _HIGH, _LOW))
_SUSPECT: Final = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")
_ESCAPED_BACKSLASH: Final = rb"\\"
_PLACEHOLDER: Final = b"\\\0"


def normalised(body: bytes) -> bytes:
    """Return `body` without what cannot be stored; the same object where there is nothing of it."""
    clean = body if body.isascii() else _valid_utf8(body)
    if b"\0" in clean:
        clean = clean.replace(b"\0", _REPLACEMENT)
    if b"\\u" in clean and _SUSPECT.search(clean):
        clean = _clean_escapes(clean)
    if clean is not body and clean != body:
        GATEWAY_BODIES_NORMALISED.inc()
    return clean


def _valid_utf8(body: bytes) -> bytes:
    try:
        body.decode()
    except UnicodeDecodeError:
        return body.decode(errors="replace").encode()
    return body


def _clean_escapes(body: bytes) -> bytes:
    """Replace escapes of NUL and of lone surrogates; `body` has no NUL byte, so one can mark escaped backslashes."""
    marked = body.replace(_ESCAPED_BACKSLASH, _PLACEHOLDER)
    marked = _LONE.sub(rb"\\ufffd", marked.replace(rb"\u0000", rb"\ufffd"))
    return marked.replace(_PLACEHOLDER, _ESCAPED_BACKSLASH)
