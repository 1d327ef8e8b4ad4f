"""A conversation as the query side has it, without a database."""

from typing import Any
from uuid import UUID

from pipeline.query.rows import Thread, Trace, raw

AT = "2026-01-02T03:04:05.000006Z"
DONE = {"created_at": AT, "last_updated_at": AT, "created_by": "admin", "last_updated_by": "admin"}


def a_thread(number: int = 0, **fields: Any) -> Thread:
    return Thread(
        id=f"t-{number}", project_id=UUID(int=1), thread_model_id=UUID(int=number), status="inactive",
        number_of_messages=2, start_time=AT, **DONE, **fields,
    )  # fmt: skip


def a_trace(number: int, **fields: Any) -> Trace:
    texts = {name: raw(fields.pop(name)) for name in ("input", "output") if name in fields}
    return Trace(id=UUID(int=number), project_id=UUID(int=1), start_time=AT, **DONE, **texts, **fields)
