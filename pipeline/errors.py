"""What can go wrong, named by what the caller must do.

ThreadlineError
├── Refused              tell the caller (4xx); the input is at fault
│   ├── Malformed            400: a field is wrong; the message names it
│   │   └── Unprocessable        422: nothing in the request can be used
│   ├── Unauthorized         403: the caller may not do this
│   │   └── Unauthenticated      401: nobody knows who calls
│   ├── Unknown              404: no such thing
│   ├── Conflict             409: the state of the thing forbids it
│   ├── TimedOut             408: the request did not come to its end
│   └── TooLarge             413: over a stated limit
├── TransientError       try again later
│   ├── BrokerUnavailable    Kafka did not take or give records
│   ├── StorageUnavailable   ClickHouse did not answer, or said "later"
│   ├── ModelUnavailable     a language model did not answer in time, or said "later"
│   └── Overloaded           a bound on work in flight is reached; carries when to come back
├── PermanentError       the same input fails again: to dead-letters
│   ├── Undecodable          a record is not what its schema says
│   ├── Unstorable           ClickHouse refuses this row
│   └── Unevaluable          a thread cannot be evaluated
├── Fenced               let go: another process owns it now
└── FatalError           stop the process and say why
    ├── InvalidSettings      a setting, or a relation between settings, cannot be
    ├── SchemaMismatch       topics or tables are not what this version declares
    └── Stalled              no progress; a supervisor should start us anew
"""

from typing import Final


class ThreadlineError(Exception):
    """Anything this package raises on purpose."""


class Refused(ThreadlineError):
    """The input is at fault: the caller is told, and nothing was done."""

    status: int = 400

    def __init__(self, reason: str, *, field: str | None = None) -> None:
        super().__init__(reason)
        self.reason: Final = reason
        self.field: Final = field


class Malformed(Refused):
    """A field is wrong; `field` is its path in the request."""

    status = 400


class Unprocessable(Malformed):
    """Nothing in the request can be used, though it is read well: where Opik answers 422."""

    status = 422


class Unauthorized(Refused):
    """The caller may not do this."""

    status = 403


class Unauthenticated(Unauthorized):
    """Nobody knows who calls: there is no key, or none that counts."""

    status = 401


class Unknown(Refused):
    """There is no such thing."""

    status = 404


class Conflict(Refused):
    """The state of the thing forbids it."""

    status = 409


class TimedOut(Refused):
    """The request did not come to its end in time."""

    status = 408


class TooLarge(Refused):
    """The request is over a stated limit."""

    status = 413


class TransientError(ThreadlineError):
    """Trying again later may help."""


class BrokerUnavailable(TransientError):
    """Kafka did not take or give records."""


class StorageUnavailable(TransientError):
    """ClickHouse did not answer, or asked to come back later; `code` is its error code, 0 if it gave none."""

    def __init__(self, reason: str, *, code: int = 0) -> None:
        super().__init__(reason)
        self.code: Final = code


class ModelUnavailable(TransientError):
    """A language model did not answer in time, or asked to come back later, after `retry_after_seconds` if it said."""

    def __init__(self, reason: str, *, retry_after_seconds: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after_seconds: Final = retry_after_seconds


class Overloaded(TransientError):
    """A bound on work in flight is reached."""

    def __init__(self, reason: str, *, retry_after_seconds: int = 1) -> None:
        super().__init__(reason)
        self.retry_after_seconds: Final = max(1, retry_after_seconds)


class PermanentError(ThreadlineError):
    """The same input fails again; it belongs into dead-letters."""


class Undecodable(PermanentError):
    """A record is not what its schema says."""


class Unstorable(PermanentError):
    """ClickHouse refuses this row; `code` is its error code, 0 if it gave none."""

    def __init__(self, reason: str, *, code: int = 0) -> None:
        super().__init__(reason)
        self.code: Final = code


class Unevaluable(PermanentError):
    """A thread, or its evaluator's answer, is such that no score can be given."""


class Fenced(ThreadlineError):
    """Another process owns this now; nothing of it may be written any more."""


class FatalError(ThreadlineError):
    """The process must stop and say why."""


class InvalidSettings(FatalError):
    """A setting, or a relation between settings, cannot be."""


class SchemaMismatch(FatalError):
    """Topics or tables are not what this version declares."""


class Stalled(FatalError):
    """No progress is made; a supervisor should start the process anew."""
