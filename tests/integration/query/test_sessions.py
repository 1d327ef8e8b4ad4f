from pipeline.adapters.clickhouse.client import ClickHouse
from tests.support.reading import Reads
from tests.support.stored import Log

PATH = "/v1/private/traces/threads/sessions"


async def test_the_sessions_of_a_thread_come_newest_first_with_why_they_ended(
    reads: Reads, log: Log, writer: ClickHouse
) -> None:
    for reason in ("inactive", "requested"):
        log.trace("talk")
        log.opened("talk", log.offset)
        log.closed("talk", log.offset - 1, log.offset - 1, reason=reason)  # type: ignore[arg-type]
    log.trace("talk")
    log.opened("talk", log.offset)
    log.opened("other", log.offset)
    await log.store(writer)

    answer = await reads.get(PATH, project_id=str(log.project), thread_id="talk")

    sessions = answer.json["sessions"]
    assert [session.get("reason") for session in sessions] == [None, "requested", "inactive"]
    assert "closed_at" not in sessions[0]
    assert all(session["opened_at"] <= session["closed_at"] for session in sessions[1:])


async def test_a_thread_must_be_named(reads: Reads, log: Log) -> None:
    assert (await reads.get(PATH, project_id=str(log.project))).status == 400
