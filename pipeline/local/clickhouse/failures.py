"""The errors of ClickHouse: code, name, text, and the HTTP status that goes with them."""

import re
from typing import Final

from pipeline.errors import ThreadlineError

BAD_ARGUMENTS: Final = 36
NOT_IMPLEMENTED: Final = 48
SYNTAX_ERROR: Final = 62
UNKNOWN_COMPRESSION_METHOD: Final = 89
TOO_MANY_SIMULTANEOUS_QUERIES: Final = 202
CANNOT_DECOMPRESS: Final = 271
SESSION_NOT_FOUND: Final = 372
SESSION_IS_LOCKED: Final = 373
INVALID_SESSION_TIMEOUT: Final = 374
QUERY_IS_TOO_LARGE: Final = 229
LIMIT_EXCEEDED: Final = 290
UNKNOWN_EXCEPTION: Final = 1002

# The table of ClickHouse's src/Server/HTTP/exceptionCodeToHTTPStatus.cpp, by the codes of src/Common/ErrorCodes.cpp.
_BAD_REQUEST: Final = frozenset(
    {6, 8, 15, 25, 26, 27, 36, 37, 38, 41, 44, 53, 62, 72, 117, 123, 167, 168, 223, 321, 376, 427, 441, 675, 676}
)
_NOT_FOUND: Final = frozenset({46, 47, 50, 56, 60, 63, 73, 78, 81, 115, 152, 336, 511})
_FORBIDDEN: Final = frozenset({192, 193, 497, 512, 516})
_OTHERS: Final = {48: 501, 76: 503, 159: 408, 194: 401, 209: 503, 229: 413, 381: 411, 439: 503, 779: 415}

_EXCEPTION: Final = re.compile(r"Code: (\d+)\. ")
_NAME: Final = re.compile(r"\(([A-Z][A-Z0-9_]+)\)(?: \(version [^)]*(?:\([^)]*\))?\))?\s*$")


class QueryFailed(ThreadlineError):
    """ClickHouse refused or could not finish a query; `code` and `name` are those of its list of errors."""

    def __init__(self, code: int, name: str, reason: str) -> None:
        super().__init__(f"Code: {code}. DB::Exception: {reason}. ({name})")
        self.code: Final = code
        self.name: Final = name

    @property
    def status(self) -> int:
        """Return the HTTP status that a ClickHouse server answers this code with."""
        if self.code in _BAD_REQUEST:
            return 400
        if self.code in _NOT_FOUND:
            return 404
        if self.code in _FORBIDDEN:
            return 403
        return _OTHERS.get(self.code, 500)

    def text(self, version: str) -> str:
        """Return the line a server sends as the body."""
        line = str(self)
        return f"{line}\n" if "(version " in line else f"{line} (version {version} (chDB))\n"


class EngineFailed(QueryFailed):
    """The engine's own exception, with its text as it came."""

    def __init__(self, message: str) -> None:
        start = _EXCEPTION.search(message)
        name = _NAME.search(message)
        code = int(start.group(1)) if start else UNKNOWN_EXCEPTION
        super().__init__(code, name.group(1) if name else "UNKNOWN_EXCEPTION", message)
        if start:
            self.args = (message[start.start() :].strip(),)
