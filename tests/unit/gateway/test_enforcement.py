"""Quotas and masking as requests meet them: on every path that leads out of the gateway."""

import base64
import json
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from pipeline.adapters.telemetry.metrics import GATEWAY_VALUES_MASKED
from pipeline.adapters.watched_file import LOOK_SECONDS
from pipeline.errors import InvalidSettings
from pipeline.gateway import enforcement
from pipeline.gateway.enforcement import enforcement_of
from pipeline.topics import DEAD_LETTERS, TRACES
from tests.support.asgi import call
from tests.support.gateway import MemoryGateway, MemoryStorage, gateway_settings

ID = "0193e3a0-0000-7000-8000-000000000001"
EMAIL = "joe@example.com"
SAID = {"text": f"I am {EMAIL}"}
TRACE = {"id": ID, "start_time": "2026-11-22T09:23:26Z", "input": SAID, "output": EMAIL}
SPAN = {**TRACE, "trace_id": ID, "error_info": {"message": EMAIL}, "metadata": SAID}
SCORE = {"id": ID, "name": "n", "value": 1, "source": "sdk", "reason": f"said {EMAIL}"}
BASE = "/api/v1/private"
EVERY_PATH: list[tuple[str, str, Any]] = [
    ("POST", "traces", TRACE),
    ("POST", "traces/batch", {"traces": [TRACE]}),
    ("POST", "traces/batch", {"traces": [{**TRACE, "start_time": EMAIL}, TRACE]}),
    ("PATCH", f"traces/{ID}", {"output": SAID}),
    ("PATCH", "traces/batch", {"ids": [ID, EMAIL], "update": {"metadata": SAID}}),
    ("POST", "spans", SPAN),
    ("POST", "spans/batch", {"spans": [SPAN]}),
    ("PATCH", f"spans/{ID}", {"trace_id": ID, "input": SAID}),
    ("PATCH", "spans/batch", {"ids": [ID], "update": {"trace_id": ID, "error_info": SAID}}),
    ("PUT", "traces/feedback-scores", {"scores": [SCORE]}),
    ("PUT", f"spans/{ID}/feedback-scores", SCORE),
    ("PUT", "traces/threads/feedback-scores", {"scores": [{**SCORE, "thread_id": "t"}]}),
    ("POST", f"traces/{ID}/comments", SAID),
    ("POST", f"traces/threads/{ID}/comments", SAID),
    ("PATCH", f"spans/comments/{ID}", SAID),
]


def a_gateway(folder: Path, policy: dict[str, Any], **settings: Any) -> MemoryGateway:
    path = folder / "policy.json"
    path.write_text(json.dumps(policy))
    storage = MemoryStorage()
    storage.add_comment("default", "span", UUID(ID))
    return MemoryGateway(storage=storage, policy_file=path, **settings)


def everything(gateway: MemoryGateway) -> bytes:
    """Return all that was published, dead letters as they read."""
    values = [record.value or b"" for records in gateway.producer.records.values() for record in records]
    letters = [json.loads(record.value or b"") for record in gateway.producer.of(DEAD_LETTERS)]
    return b"\n".join([*values, *(base64.b64decode(letter["value"]) for letter in letters)])


@pytest.mark.parametrize(("method", "path", "body"), EVERY_PATH)
async def test_on_every_path_out_of_the_gateway_it_is_masked(
    tmp_path: Path, method: str, path: str, body: dict[str, Any]
) -> None:
    plain, masking = a_gateway(tmp_path, {}), a_gateway(tmp_path, {"masking": {"default": ["email"]}})
    before = GATEWAY_VALUES_MASKED.labels("email")._value.get()

    for gateway in (plain, masking):
        assert (await call(gateway.app, method, f"{BASE}/{path}", body)).status in {201, 204}

    assert EMAIL.encode() in everything(plain)
    assert EMAIL.encode() not in everything(masking)
    assert b"[email]" in everything(masking)
    assert plain.producer.counts() == masking.producer.counts()
    assert GATEWAY_VALUES_MASKED.labels("email")._value.get() > before


async def test_only_the_workspace_that_is_meant_is_masked(tmp_path: Path) -> None:
    gateway = a_gateway(tmp_path, {"masking": {"shop": ["email"]}})

    for workspace in ("shop", "other"):
        await call(gateway.app, "POST", f"{BASE}/traces", TRACE, {"Comet-Workspace": workspace})

    masked = {row["workspace"]: EMAIL not in json.dumps(row) for row in gateway.producer.rows(TRACES)}
    assert masked == {"shop": True, "other": False}


async def test_what_is_large_is_masked_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(enforcement, "INLINE_BYTES_MAX", 10)
    gateway = a_gateway(tmp_path, {"masking": {"*": ["email"]}})

    assert (await call(gateway.app, "POST", f"{BASE}/traces", TRACE)).status == 201
    assert EMAIL.encode() not in everything(gateway)


async def test_a_changed_file_counts_within_seconds(tmp_path: Path) -> None:
    gateway = a_gateway(tmp_path, {})
    (tmp_path / "policy.json").write_text('{"masking": {"*": ["email"]}}')
    gateway.clock.advance(LOOK_SECONDS)

    await call(gateway.app, "POST", f"{BASE}/traces", TRACE)

    assert EMAIL.encode() not in everything(gateway)


async def test_a_workspace_over_its_quota_is_told_when_to_come_back_and_others_go_on(tmp_path: Path) -> None:
    gateway = a_gateway(tmp_path, {"quotas": {"shop": {"events_per_second": 1, "burst_seconds": 1}}})
    batch = {"traces": [TRACE] * 4}
    shop = {"Comet-Workspace": "shop"}
    assert (await call(gateway.app, "POST", f"{BASE}/traces/batch", batch, shop)).status == 204

    refused = await call(gateway.app, "POST", f"{BASE}/traces/batch", b"not read", shop)

    assert (refused.status, refused.headers["retry-after"], refused.headers["ratelimit-reset"]) == (429, "3", "3")
    assert (await call(gateway.app, "DELETE", f"{BASE}/traces/{ID}", b"", shop)).status == 429
    assert (await call(gateway.app, "POST", f"{BASE}/traces/batch", batch)).status == 204
    gateway.clock.advance(3.1)
    assert (await call(gateway.app, "POST", f"{BASE}/traces/batch", batch, shop)).status == 204
    assert len(gateway.producer.of(TRACES)) == 12


async def test_a_quota_of_bytes_counts_what_is_stored(tmp_path: Path) -> None:
    gateway = a_gateway(tmp_path, {"quotas": {"*": {"bytes_per_second": 10_000, "burst_seconds": 1}}})

    statuses = [
        (await call(gateway.app, "POST", f"{BASE}/traces", {**TRACE, "input": "x" * 30_000})).status for _ in range(2)
    ]

    assert statuses == [201, 429]


def test_without_a_file_nothing_is_enforced_and_a_faulty_one_stops_the_start(tmp_path: Path) -> None:
    clock = MemoryGateway().clock
    path = tmp_path / "policy.json"
    path.write_text("{")

    assert enforcement_of(gateway_settings(), clock) is None
    with pytest.raises(InvalidSettings, match="policy"):
        enforcement_of(gateway_settings(policy_file=path), clock)
