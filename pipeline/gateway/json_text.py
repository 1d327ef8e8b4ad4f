r"""JSON text made fit to be stored and found: UTF-8 without NUL, lone surrogates and needless escapes.

Neither of the first two can be stored as text, and no producer loses a batch over them: both become U+FFFD, the
replacement character. `\\u0000` is an escaped backslash, and stays.

The Python SDK escapes every letter beyond ASCII. Stored so, `Gr\u00fc\u00dfe` would be found by nobody who looks for
"Grüße", and previews would hold a sixth of the text: such characters become themselves. Escapes of `"`, `\` and control
characters are needed, and stay, as does every other byte.
"""

import re
from functools import lru_cache
from typing import Any, Final

import re2

from pipeline.adapters.telemetry.metrics import GATEWAY_BODIES_NORMALISED


def _bytes() -> Any:
    """Return the options of RE2 for patterns over bytes, whatever text they are."""
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    return options


_REPLACEMENT: Final = "\ufffd".encode()
_HIGH: Final = rb"\\u[dD][89abAB][0-9a-fA-F]{2}"
_LOW: Final = rb"\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_LONE: Final = re.compile(rb"%b(?!%b)|(?<!%b)%b" % (_HIGH, _LOW, _HIGH, _LOW))
_ESCAPED: Final = re2.compile(rb"\\u[0-9a-fA-F]", options=_bytes())
"""In every body looked for: RE2 leaps from backslash to backslash, where `in` takes 15 % of all work on a batch."""
_NEEDED: Final = rb"00(?:[01][0-9a-fA-F]|22|5[cC])|[dD][89a-fA-F]"
_NEEDLESS: Final = rb"\\u(?:%b%b|(?!%b)[0-9a-fA-F]{4})" % (_HIGH.removeprefix(rb"\\u"), _LOW, _NEEDED)
_RUN: Final = re.compile(rb"%b(?:%b){0,15}" % (_NEEDLESS, _NEEDLESS))
"""Neighbours, so that a word of Chinese takes one step, and few enough of them that words repeat."""
RUNS_MAX: Final = 1_000_000
"""How many runs of escapes of one body are taken, 20 MB of German in half a second; the rest stays escaped."""
_RUNS_KEPT_MAX: Final = 4096
_ESCAPED_BACKSLASH: Final = rb"\\"
_PLACEHOLDER: Final = b"\\\0"


def normalised(body: bytes) -> bytes:
    """Return `body` without what cannot be stored and without needless escapes; the same object where it has none."""
    clean = body if body.isascii() else _valid_utf8(body)
    if b"\0" in clean:
        clean = clean.replace(b"\0", _REPLACEMENT)
    was_lost = clean is not body
    if _ESCAPED.search(clean):
        # There is no NUL byte any more, so one can mark escaped backslashes.
        marked = clean.replace(_ESCAPED_BACKSLASH, _PLACEHOLDER)
        storable = _LONE.sub(rb"\\ufffd", marked.replace(rb"\u0000", rb"\ufffd"))
        was_lost = was_lost or storable != marked
        clean = _RUN.sub(_plain, storable, RUNS_MAX).replace(_PLACEHOLDER, _ESCAPED_BACKSLASH)
    if was_lost:
        GATEWAY_BODIES_NORMALISED.inc()
    return clean


def _valid_utf8(body: bytes) -> bytes:
    try:
        body.decode()
    except UnicodeDecodeError:
        return body.decode(errors="replace").encode()
    return body


def _plain(run: re.Match[bytes]) -> bytes:
    return _unescaped(run[0])


@lru_cache(_RUNS_KEPT_MAX)
def _unescaped(run: bytes) -> bytes:
    r"""Return the characters of a run of `\uXXXX`, which are UTF-16."""
    return bytes.fromhex(run.replace(rb"\u", b"").decode()).decode("utf-16-be").encode()
