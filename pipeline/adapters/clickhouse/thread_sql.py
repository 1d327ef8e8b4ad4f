"""How traces become a thread, as SQL that the sinks' fold and the reads share, so that both say the same.

What is compared is one number (`place`, `_BEGIN`, `_END`), not a tuple, which has no fast path in min, max and argMin:
with 1 M traces folding took 182 ms so, 1054 ms with tuples.
"""

from typing import Final

_LOG_BITS: Final = 64
_TIME_BITS: Final = 128

_BEGIN: Final = f"""(bitShiftLeft(ifNull(toInt256(start_time_us), toInt256('18446744073709551616')), {_TIME_BITS})
            + toUInt128(id))"""
"""The order in which traces begin; one without a start is the last."""
_END: Final = f"""(bitShiftLeft(
                if(isNull(end_time_us), toInt256(0), toInt256('36893488147419103232'))
                    + toInt256(coalesce(end_time_us, start_time_us, 0)), {_TIME_BITS}
            ) + toUInt128(id))"""
"""The order in which traces end; one without an end comes before all that have one, by its start."""


def place(log_id: str, offset: str) -> str:
    """Return the SQL of a place in the logs as one number: log ids are UUIDv7, so it orders places over logs."""
    return f"(bitShiftLeft(toInt256(toUInt128({log_id})), {_LOG_BITS}) + {offset})"


def model_sql(project_id: str) -> str:
    """Return the SQL of `identity.thread_model_id` as a number: the UUIDv5 of project (its SQL as text) and thread."""
    digest = f"SHA1(concat(unhex(replaceAll({project_id}, '-', '')), thread_id))"
    return f"""bitOr(
            bitAnd(
                reinterpretAsUInt128(reverse(substring({digest}, 1, 16))),
                toUInt128('340282366920937330081583660661634760703')
            ),
            toUInt128('377798542001608471871488')
        )"""


_COLUMNS: Final = {
    "traces": ("count", ""),
    "first_trace": ("min", "toUInt128(id)"),
    "start_us": ("min", "start_time_us"),
    "end_us": ("max", "end_time_us"),
    "first_id": ("argMin", f"id, {_BEGIN}"),
    "last_id": ("argMax", f"id, {_END}"),
    "first_events": ("argMin", f"events, {_BEGIN}"),
    "last_events": ("argMax", f"events, {_END}"),
    "first_bytes": ("argMin", f"input_bytes, {_BEGIN}"),
    "last_bytes": ("argMax", f"output_bytes, {_END}"),
    "created_us": ("min", "created_at_us"),
    "updated_us": ("max", "last_updated_at_us"),
    "source": ("argMin", "source, toUInt128(id)"),
    "environment": ("argMin", "environment, toUInt128(id)"),
    "activity": ("max", place("activity_log_id", "activity_offset")),
}
COLUMNS: Final = tuple(_COLUMNS)
"""What the traces of a thread say of it; the last message is that of the trace that ended last, or of the one that
began last where none has ended. Of the two messages only where they stand: the trace, by its id and by how many events
it was folded from. The beginnings of their texts stand under that name in `thread_previews`."""


def folded(where: str = "") -> str:
    """Return the SQL of `COLUMNS`, each under its name, over rows of `traces`; over those only that are `where`."""
    terms = []
    for name, (function, arguments) in _COLUMNS.items():
        suffix, condition = ("If", ", ".join(filter(None, (arguments, where)))) if where else ("", arguments)
        terms.append(f"{function}{suffix}({condition}) AS {name}")
    return ",\n        ".join(terms)
