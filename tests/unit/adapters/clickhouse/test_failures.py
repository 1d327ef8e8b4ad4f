import pytest

from pipeline.adapters.clickhouse.failures import ISOLATE, RETRY, STOP, failure_of
from pipeline.errors import FatalError, StorageUnavailable, ThreadlineError, Unstorable


@pytest.mark.parametrize(
    ("code", "kind"), [(117, Unstorable), (27, Unstorable), (469, Unstorable), (241, StorageUnavailable),
                       (60, StorageUnavailable), (0, StorageUnavailable), (516, FatalError), (497, FatalError)]
)  # fmt: skip
def test_a_code_says_what_to_do(code: int, kind: type[ThreadlineError]) -> None:
    failure = failure_of(code, "why")

    assert type(failure) is kind
    assert "why" in str(failure)


def test_no_code_stands_in_two_tables() -> None:
    assert len({**ISOLATE, **RETRY, **STOP}) == len(ISOLATE) + len(RETRY) + len(STOP)


def test_an_unknown_code_is_retried_so_that_it_cannot_lose_rows() -> None:
    failure = failure_of(4242, "new")

    assert isinstance(failure, StorageUnavailable)
    assert failure.code == 4242


def test_too_many_partitions_in_one_insert_is_a_matter_of_its_rows() -> None:
    many_parts = failure_of(252, "Too many parts (3000 with average size ...)")
    many_partitions = failure_of(252, "Too many partitions for single INSERT block (more than 1000)")

    assert isinstance(many_parts, StorageUnavailable)
    assert isinstance(many_partitions, Unstorable)
