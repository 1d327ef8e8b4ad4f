"""What ClickHouse and the network say, sorted into what the caller must do: retry, isolate or stop.

The names are those of ClickHouse's `ErrorCodes.cpp`; `SELECT errorCodeToName(117)` shows them.
"""

from typing import Final

from pipeline.errors import FatalError, StorageUnavailable, ThreadlineError, Unstorable

ISOLATE: Final[dict[int, str]] = {
    6: "CANNOT_PARSE_TEXT",
    25: "CANNOT_PARSE_ESCAPE_SEQUENCE",
    26: "CANNOT_PARSE_QUOTED_STRING",
    27: "CANNOT_PARSE_INPUT_ASSERTION_FAILED",
    33: "CANNOT_READ_ALL_DATA",  # a value whose last string or brace is missing swallows the rows after it
    38: "CANNOT_PARSE_DATE",
    41: "CANNOT_PARSE_DATETIME",
    53: "TYPE_MISMATCH",
    69: "ARGUMENT_OUT_OF_BOUND",
    70: "CANNOT_CONVERT_TYPE",
    72: "CANNOT_PARSE_NUMBER",
    117: "INCORRECT_DATA",  # an unknown or repeated field too
    128: "TOO_LARGE_ARRAY_SIZE",
    130: "CANNOT_READ_ARRAY_FROM_TEXT",
    131: "TOO_LARGE_STRING_SIZE",
    190: "SIZES_OF_ARRAYS_DONT_MATCH",
    306: "TOO_DEEP_RECURSION",  # JSON nested without end
    321: "VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE",
    349: "CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN",
    376: "CANNOT_PARSE_UUID",
    407: "DECIMAL_OVERFLOW",
    441: "CANNOT_PARSE_DOMAIN_VALUE_FROM_STRING",
    467: "CANNOT_PARSE_BOOL",
    469: "VIOLATED_CONSTRAINT",  # a row without provenance: the second object of a value that holds two
    563: "CANNOT_READ_MAP_FROM_TEXT",
    621: "CANNOT_NORMALIZE_STRING",
    632: "UNEXPECTED_DATA_AFTER_PARSED_VALUE",
    636: "CANNOT_EXTRACT_TABLE_STRUCTURE",
    691: "UNKNOWN_ELEMENT_OF_ENUM",
}
"""The rows are at fault: without the bad ones the others can be stored."""

STOP: Final[dict[int, str]] = {
    192: "UNKNOWN_USER",
    193: "WRONG_PASSWORD",
    194: "REQUIRED_PASSWORD",
    497: "ACCESS_DENIED",
    516: "AUTHENTICATION_FAILED",
}
"""Only an operator can help, and waiting would hide it."""

RETRY: Final[dict[int, str]] = {
    16: "NO_SUCH_COLUMN_IN_TABLE",  # the migration has not run yet
    47: "UNKNOWN_IDENTIFIER",  # the same, said by a SELECT
    60: "UNKNOWN_TABLE",  # the same
    81: "UNKNOWN_DATABASE",  # the same
    159: "TIMEOUT_EXCEEDED",
    160: "TOO_SLOW",
    202: "TOO_MANY_SIMULTANEOUS_QUERIES",
    203: "NO_FREE_CONNECTION",
    209: "SOCKET_TIMEOUT",
    210: "NETWORK_ERROR",
    225: "NO_ZOOKEEPER",
    236: "ABORTED",  # the server is shutting down
    241: "MEMORY_LIMIT_EXCEEDED",
    242: "TABLE_IS_READ_ONLY",  # a replica that lost its keeper
    243: "NOT_ENOUGH_SPACE",
    252: "TOO_MANY_PARTS",  # merges are behind; but see `_of_too_many_partitions`
    255: "TOO_MANY_RETRIES_TO_FETCH_PARTS",
    279: "ALL_CONNECTION_TRIES_FAILED",
    285: "TOO_FEW_LIVE_REPLICAS",
    319: "UNKNOWN_STATUS_OF_INSERT",  # the same token again tells
    394: "QUERY_WAS_CANCELLED",
    425: "SYSTEM_ERROR",
    499: "S3_ERROR",
    519: "NO_REMOTE_SHARD_AVAILABLE",
    571: "DATABASE_REPLICATION_FAILED",
    733: "TABLE_IS_BEING_RESTARTED",
    735: "QUERY_WAS_CANCELLED_BY_CLIENT",
    745: "SERVER_OVERLOADED",
    999: "KEEPER_EXCEPTION",
}
"""Waiting may help. A code that stands in no table is retried too: what we do not know must not lose rows."""

_TOO_MANY_PARTS: Final = 252


def failure_of(code: int, reason: str) -> ThreadlineError:
    """Return our error for ClickHouse's `code` (0: it gave none) and its text."""
    if code in STOP:
        return FatalError(f"ClickHouse {code} {STOP[code]}: {reason}")
    if code in ISOLATE or _of_too_many_partitions(code, reason):
        return Unstorable(reason, code=code)
    return StorageUnavailable(f"ClickHouse {code} {RETRY.get(code, 'not in our tables')}: {reason}", code=code)


def _of_too_many_partitions(code: int, reason: str) -> bool:
    """Tell whether one insert touched more partitions than allowed; another failure has the same code."""
    return code == _TOO_MANY_PARTS and "too many partitions" in reason.lower()
