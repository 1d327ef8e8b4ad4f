import pytest

from pipeline import errors
from pipeline.errors import (
    Conflict,
    FatalError,
    Fenced,
    Malformed,
    Overloaded,
    PermanentError,
    Refused,
    StorageUnavailable,
    ThreadlineError,
    TooLarge,
    TransientError,
    Unauthorized,
    Unknown,
    Unprocessable,
    Unstorable,
)

KINDS = (Refused, TransientError, PermanentError, Fenced, FatalError)
DECLARED = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, ThreadlineError)]


@pytest.mark.parametrize("declared", [error for error in DECLARED if error is not ThreadlineError])
def test_every_error_says_one_thing_that_the_caller_must_do(declared: type[ThreadlineError]) -> None:
    assert sum(issubclass(declared, kind) for kind in KINDS) == 1


@pytest.mark.parametrize("declared", DECLARED)
def test_every_error_stands_in_the_picture_at_the_top(declared: type[ThreadlineError]) -> None:
    assert declared.__name__ in (errors.__doc__ or "")


@pytest.mark.parametrize(
    ("refused", "status"),
    [(Malformed, 400), (Unprocessable, 422), (Unauthorized, 403), (Unknown, 404), (Conflict, 409), (TooLarge, 413)],
)
def test_a_refusal_carries_its_status_its_reason_and_the_field(refused: type[Refused], status: int) -> None:
    error = refused("must be a uuid", field="traces[3].id")

    assert (error.status, error.reason, error.field, str(error)) == (
        status, "must be a uuid", "traces[3].id", "must be a uuid",
    )  # fmt: skip


@pytest.mark.parametrize(("asked", "said"), [(7, 7), (1, 1), (0, 1), (-3, 1)])
def test_an_overload_never_asks_to_come_back_at_once(asked: int, said: int) -> None:
    assert Overloaded("full", retry_after_seconds=asked).retry_after_seconds == said


@pytest.mark.parametrize("stored", [StorageUnavailable, Unstorable])
def test_an_error_of_storage_carries_its_code_or_zero(stored: type[StorageUnavailable | Unstorable]) -> None:
    assert (stored("no").code, stored("no", code=241).code) == (0, 241)
