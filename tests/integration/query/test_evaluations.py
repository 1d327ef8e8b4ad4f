from pipeline.adapters.clickhouse.client import ClickHouse
from tests.support.reading import Reads
from tests.support.stored import Log

PATH = "/v1/private/traces/threads/evaluations"


async def test_the_scores_of_every_session_are_shown_once_and_those_before_a_deletion_are_gone(
    log: Log, writer: ClickHouse, reads: Reads
) -> None:
    log.trace("t")
    model = log.model("t")

    def evaluated(session: str, name: str, value: str, closed_at_us: int) -> None:
        log.score(
            "thread", model, name, value, source="online_scoring", author=f"rule/{name}", session_id=session,
            version_us=closed_at_us, source_queue_id=f"id/{name}/1", reason=f"in {session}",
        )  # fmt: skip

    for _ in range(2):  # given again after a crash
        evaluated("log:0:1", "turns", "2", 1_760_000_000_000_000)
    evaluated("log:0:9", "turns", "4", 1_760_000_001_000_000)
    evaluated("log:0:9", "steps", "0.5", 1_760_000_001_000_000)
    log.score("thread", model, "helpful", "1", source="sdk")
    await log.store(writer)

    found = (await reads.get(PATH, project_id=str(log.project), thread_id="t")).json["content"]

    assert [(one["session_id"], one["name"], one["value"]) for one in found] == [
        ("log:0:9", "steps", 0.5), ("log:0:9", "turns", 4), ("log:0:1", "turns", 2),
    ]  # fmt: skip
    assert found[2] == {
        "session_id": "log:0:1", "closed_at": "2025-10-09T08:53:20.000000Z", "author": "rule/turns", "name": "turns",
        "value": 2, "reason": "in log:0:1", "origin": "id/turns/1",
    }  # fmt: skip

    log.closed("t", 0, 0, reason="deleted")
    evaluated("log:0:20", "turns", "1", log.now_us + 9_000_000)
    await log.store(writer)
    left = (await reads.get(PATH, project_id=str(log.project), thread_id="t")).json["content"]
    assert [one["session_id"] for one in left] == ["log:0:20"]


async def test_a_thread_that_nobody_evaluated_has_none_and_a_request_must_name_one(log: Log, reads: Reads) -> None:
    assert (await reads.get(PATH, project_id=str(log.project), thread_id="t")).json == {"content": []}
    assert (await reads.get(PATH, project_id=str(log.project))).status == 400
    assert (await reads.get(PATH, thread_id="t")).status == 400
