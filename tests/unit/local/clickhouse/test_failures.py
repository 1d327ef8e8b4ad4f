import pytest

from pipeline.local.clickhouse.failures import EngineFailed, QueryFailed


@pytest.mark.parametrize(
    ("message", "code", "name", "status"),
    [
        ("Code: 60. DB::Exception: Table x does not exist. (UNKNOWN_TABLE)", 60, "UNKNOWN_TABLE", 404),
        ("Code: 27. DB::Exception: (at row 1)\n. (INCORRECT_DATA) (version 26.9.2.1)", 27, "INCORRECT_DATA", 400),
        ("Code: 497. DB::Exception: no. (ACCESS_DENIED)", 497, "ACCESS_DENIED", 403),
        ("Code: 159. DB::Exception: late. (TIMEOUT_EXCEEDED)", 159, "TIMEOUT_EXCEEDED", 408),
        ("Code: 241. DB::Exception: full. (MEMORY_LIMIT_EXCEEDED)", 241, "MEMORY_LIMIT_EXCEEDED", 500),
        ("the engine fell over", 1002, "UNKNOWN_EXCEPTION", 500),
    ],
)
def test_the_engines_message_gives_code_name_and_status(message: str, code: int, name: str, status: int) -> None:
    failed = EngineFailed(message)

    assert (failed.code, failed.name, failed.status) == (code, name, status)


def test_the_version_is_told_once() -> None:
    ours = QueryFailed(62, "SYNTAX_ERROR", "no").text("26.9")
    engines = EngineFailed("Code: 62. DB::Exception: no. (SYNTAX_ERROR) (version 26.9)").text("26.9")

    assert ours == "Code: 62. DB::Exception: no. (SYNTAX_ERROR) (version 26.9 (chDB))\n"
    assert engines.count("version") == 1
