"""The named parts that statements are made of: traces that live, sessions, threads, scores.

Each is a SELECT that may name other parts. `thread_parts` and `trace_parts` give them, for a whole project or narrowed
to `thread_ids` by the leading columns of the sorting keys.

What they cost was measured with 1 M traces in 50 k threads, as CPU of ClickHouse; three rules follow.

* FINAL, not argMax over versions (partitions merged apart, which is sound because a row's partition follows from its
  id). Conditions on columns of the sorting key stand in PREWHERE, which FINAL does not choose by itself: they hold for
  all versions of a row or for none, and reading 2000 threads took 104 ms so, 356 ms without.
* Threads are read as the sink has folded them (`threads`): the page of a project took 330 ms when its traces were
  folded for it, 50 ms so.
* Deletions are rare and looked for first (`deletions.any_deleted`): without any, nothing is compared with them.
"""

from collections.abc import Mapping
from typing import Final

from pipeline.adapters.clickhouse.thread_sql import COLUMNS, folded, model_sql, place
from pipeline.events.scores import EntityType

_NARROW: Final = "/* narrow */"
BETWEEN: Final = """AND thread_id IN (
        SELECT thread_id FROM threads_by_first_trace
        PREWHERE workspace = {workspace:String} AND project_id = {project_id:UUID}
            AND bitNot(first_trace) BETWEEN bitNot({newest:UInt128}) AND bitNot({oldest:UInt128})
    )"""
"""Threads that stand between two first traces in the order of streams, or once did."""
BY_THREADS: Final = "AND thread_id IN {thread_ids:Array(String)}"
DELETED: Final = """
    workspace = {workspace:String} AND project_id = {project_id:UUID} /* narrow */
    AND deleted_at_us > 0"""

DELETIONS: Final = f"""
    SELECT thread_id, max(deleted_at_us) AS deleted_at_us
    FROM thread_sessions
    WHERE {DELETED.replace("deleted_at_us", "thread_sessions.deleted_at_us")}
    GROUP BY thread_id"""  # noqa: S608 - composed of constants of this module
"""Threads that were ever deleted, and when last: older traces stay gone, whatever closed the thread since."""

_ALL: Final = """
    SELECT *
    FROM traces FINAL
    PREWHERE workspace = {workspace:String} AND project_id = {project_id:UUID} /* narrow */"""
_DELETED: Final = "(SELECT (groupArray(thread_id), groupArray(deleted_at_us)) FROM deletions)"
_OF_DELETED: Final = "AND thread_id IN (SELECT thread_id FROM deletions)"
_SURVIVING: Final = f"""
    WHERE first_version_us > transform(
        thread_id, {_DELETED}.1, {_DELETED}.2, toInt64('-9223372036854775808')
    )"""

SESSIONS: Final = """
    SELECT
        thread_id, session, closed_activity, has_closed AND closed_session = session AS is_closed, changed_at_us,
        deleted_at_us
    FROM thread_sessions FINAL
    PREWHERE workspace = {workspace:String} AND project_id = {project_id:UUID} /* narrow */"""
"""The latest session of each thread, and the end of the latest that was closed: sessions of a thread follow each other,
so the latest closed one is also that with the last activity."""

MODEL: Final = model_sql("{project_id:String}")
"""`identity.thread_model_id` of a thread of the project, as a number."""

_STORED_COLUMNS: Final = f"{', '.join(COLUMNS)}, thread_id, model, usage, cost"
_THREADS: Final = """threads FINAL
    PREWHERE workspace = {workspace:String} AND project_id = {project_id:UUID} /* narrow */"""
_STORED: Final = f"""
    SELECT {_STORED_COLUMNS}
    FROM {_THREADS}"""  # noqa: S608
_REFOLDED: Final = f"""
    SELECT {", ".join(COLUMNS)}, thread_id, {MODEL} AS model, usage, cost
    FROM (SELECT thread_id, {folded()} FROM live WHERE thread_id != '' GROUP BY thread_id) AS folded_again
    LEFT JOIN costs USING (thread_id)"""  # noqa: S608
_DERIVED: Final = "(end_us - start_us) / 1000 AS duration_ms, traces * 2 AS messages"
UNTOLD: Final = f"SELECT *, {_DERIVED} FROM ({_STORED}\n)"  # noqa: S608
UNTOLD_AROUND_DELETIONS: Final = f"""
    SELECT *, {_DERIVED}
    FROM (
        {_STORED}
        WHERE thread_id NOT IN (SELECT thread_id FROM deletions)
        UNION ALL
        {_REFOLDED}
    )"""  # noqa: S608
"""Threads as their traces tell of them, without their texts: as the sink has folded them, and folded here, from the
traces that survived, where the thread was ever deleted."""
FOLDED: Final = "SELECT * FROM untold"
PICKED_COLUMNS: Final = f"{_STORED_COLUMNS}, duration_ms, messages"
_IN_ORDER: Final = _THREADS.replace("threads", "threads_by_first_trace").replace(_NARROW, "")
STREAM_ORDER: Final = "ORDER BY first_trace DESC, model DESC"
STORED_ORDER: Final = "ORDER BY bitNot(first_trace), bitNot(model)"
"""The same, as `in_order` has it."""
PLACE: Final = f"SELECT first_trace, model FROM {_THREADS.replace(_NARROW, '')}"  # noqa: S608
"""The place of a thread in the order of streams, to be narrowed to that one."""

PREVIEWS: Final = """
    SELECT trace_id, trace_events, is_last, preview
    FROM thread_previews
    PREWHERE workspace = {workspace:String} AND project_id = {project_id:UUID}"""
_NAMED: Final = (
    "ANY LEFT JOIN (SELECT * FROM previews WHERE is_last = {}) AS {} ON {}.trace_id = {} AND {}.trace_events = {}"
)
FOLDED_WITH_PREVIEWS: Final = f"""
    SELECT untold.*, began.preview AS first_preview, ended.preview AS last_preview
    FROM untold
    {_NAMED.format(0, "began", "began", "first_id", "began", "first_events")}
    {_NAMED.format(1, "ended", "ended", "last_id", "ended", "last_events")}"""  # noqa: S608
"""Threads with the beginnings of their messages; '' where a message is not among the previews under its name."""

PREVIEW_COLUMNS: Final = frozenset({"first_preview", "last_preview"})
"""What `folded` knows with previews only."""

STATED: Final = """
    SELECT
        folded.*,
        sessions.is_closed AND activity > sessions.closed_activity AS is_reopening,
        sessions.is_closed AND NOT is_reopening AS is_inactive,
        if(is_inactive, 'inactive', 'active') AS status,
        if(is_reopening, activity, sessions.session) AS reopened,
        sessions.deleted_at_us AS deleted_at_us,
        greatest(updated_us, sessions.changed_at_us) AS last_updated_us
    FROM folded LEFT JOIN sessions USING (thread_id)"""
"""Threads with their status. A trace that is stored before the `opened` of its session makes the thread active
already (`is_reopening`), and counts as the reopening that human scores must be younger than."""
PICKED: Final = STATED.replace("folded", "picked")
"""The same of those threads only that a part called `picked` has. One look at all sessions of a project costs 13 ms of
CPU for 50,000 threads; asking for those of 2,000 threads by their ids took 30."""
SESSION_COLUMNS: Final = frozenset(
    {"is_reopening", "is_inactive", "status", "reopened", "deleted_at_us", "last_updated_us"}
)
"""What `stated` knows and `folded` does not."""

COSTS: Final = """
    SELECT thread_id, sumMap(usage) AS usage, sum(total_estimated_cost) AS cost
    FROM (
        SELECT toUInt128(trace_id) AS trace, usage, total_estimated_cost
        FROM spans FINAL
        PREWHERE workspace = {workspace:String} AND toUInt128(trace_id) IN (SELECT toUInt128(id) FROM live)
    ) AS spent INNER JOIN (SELECT thread_id, toUInt128(id) AS trace FROM live) AS named USING (trace)
    GROUP BY thread_id"""

SCORE_AUTHORS: Final = """
    SELECT
        entity, name, given_by,
        maxIf(version_us, is_set) AS set_us,
        minIf(received_at_us, is_set) AS first_set_us,
        argMaxIf(
            (value, reason, category_name, source, toUInt128(decided_log_id), toInt64(decided_offset)),
            (version_us, ifNull(value, 0), ifNull(reason, '')), is_set
        ) AS newest
    FROM (
        SELECT
            *, toUInt128(entity_id) AS entity, ifNull(author, '') AS given_by, event = 'set' AS is_set,
            max(if(event = 'delete' AND author IS NULL, version_us, -1)) OVER (PARTITION BY entity_id, name)
                AS deleted_by_all_us
        FROM score_events
        WHERE workspace = {workspace:String} AND entity_type = 'entity' /* narrow */
    )
    GROUP BY entity, name, given_by
    HAVING countIf(is_set) > 0
       AND set_us > greatest(any(deleted_by_all_us), max(if(is_set, -1, version_us)))"""
"""Who gave which score: the newest of each author, unless it or every author's was deleted since."""

GIVEN: Final = """
    SELECT entity, groupArray((name, given_by, newest, first_set_us, set_us)) AS authors
    FROM score_authors
    GROUP BY entity"""

TAGGED: Final = """
    SELECT entity, groupArray((tag, added_us)) AS added_tags
    FROM (
        SELECT
            entity, change.1 AS tag,
            max(if(change.2, version_us, -1)) AS added_us, max(if(change.2, -1, version_us)) AS removed_us,
            any(reset_us) AS reset_us
        FROM (
            SELECT entity, version_us, reset_us, arrayJoin(changes) AS change
            FROM (
                SELECT
                    toUInt128(entity_id) AS entity, version_us,
                    max(if(tags_reset, version_us, -1)) OVER (PARTITION BY entity_id) AS reset_us,
                    arrayConcat(arrayMap(tag -> (tag, true), tags_added), arrayMap(tag -> (tag, false), tags_removed))
                        AS changes
                FROM annotation_events
                WHERE workspace = {workspace:String} AND entity_type = 'thread' AND annotation = 'tags' /* narrow */
            )
        )
        GROUP BY entity, tag
    )
    WHERE added_us >= greatest(removed_us, reset_us)
    GROUP BY entity"""
"""Tags by thread: of adding and removing the newest counts, and what is older than a reset is forgotten."""

_COUNTED: Final = f"""
        arrayFilter(
            author -> author.5 > deleted_at_us AND (
                {{lenient:Bool}} OR ifNull(author.3.4, '') NOT IN ('ui', 'sdk')
                OR {place("author.3.5", "author.3.6")} > reopened
            ),
            authors
        ) AS counted"""
_TAGS: Final = """
        arraySort(arrayMap(added -> added.1, arrayFilter(added -> added.2 > deleted_at_us, added_tags))) AS tags"""
_WITH_SCORES: Final = "LEFT JOIN given ON given.entity = stated.model"
_WITH_TAGS: Final = "LEFT JOIN tagged ON tagged.entity = stated.model"

SCORED: Final = f"""
    SELECT stated.*, {_COUNTED}
    FROM stated {_WITH_SCORES}"""  # noqa: S608 - composed of constants of this module
"""Threads with the scores that count. In the strict regime human scores count only if they were decided after the
latest reopening; what is older than the thread's deletion went with it."""
LABELLED: Final = f"""
    SELECT stated.*, {_TAGS}
    FROM stated {_WITH_TAGS}"""  # noqa: S608 - composed of constants of this module
"""Threads with their tags; what is older than the thread's deletion went with it."""
REVIEWED: Final = f"""
    SELECT stated.*, {_COUNTED}, {_TAGS}
    FROM stated {_WITH_SCORES} {_WITH_TAGS}"""  # noqa: S608 - composed of constants of this module
"""Threads with both."""
SCORE_COLUMNS: Final = frozenset({"counted"})
TAG_COLUMNS: Final = frozenset({"tags"})
"""What `scored`, and what `labelled`, knows and `stated` does not; `reviewed` knows both."""

THREAD_SCORES: Final = """
    SELECT model AS entity, score.1 AS name, avg(toFloat64(score.3.1)) AS average
    FROM scored ARRAY JOIN counted AS score
    GROUP BY entity, name"""

SCORES: Final = """
    SELECT entity, name, avg(toFloat64(newest.1)) AS average
    FROM score_authors
    GROUP BY entity, name"""
AVERAGES: Final = """
    SELECT entity, mapFromArrays(groupArray(name), groupArray(average)) AS averages
    FROM scores
    GROUP BY entity"""

GIVEN_ENTITIES: Final = "(SELECT arrayJoin(CAST({entities:String}, 'Array(UInt128)')))"
"""The ids in the parameter `entities`, as `reader.listed` gives them: 2,000 ids as a text take ClickHouse 2 ms, as an
array 6, since it then makes a literal of each."""
_OF_PROJECT: Final = """(
            SELECT model FROM threads
            PREWHERE workspace = {workspace:String} AND project_id = {project_id:UUID}
        )"""
"""What was said of a thread does not name its project in every event, but each thread of the project has a row."""


def trace_parts(*, narrowed: bool = False, with_deletions: bool = True) -> dict[str, str]:
    """Return `live`, the traces of a project; of threads that were deleted those that are younger.

    `with_deletions` may be false where `deletions.any_deleted` says that there are none.
    """
    parts = {"deletions": DELETIONS, "live": _ALL + _SURVIVING} if with_deletions else {"live": _ALL}
    return _narrow(parts, BY_THREADS if narrowed else "")


def thread_parts(*, narrow: str = "", with_deletions: bool = True) -> dict[str, str]:
    """Return `folded` and `stated`, and what they are made of; of a project's threads those that are `narrow`.

    That is a condition on the leading columns of the sorting keys, such as `BY_THREADS`.
    """
    parts = {"sessions": SESSIONS, "untold": UNTOLD, "folded": FOLDED, "stated": STATED}
    if with_deletions:
        live = _ALL + _OF_DELETED + _SURVIVING
        parts = {"deletions": DELETIONS, "live": live, "costs": COSTS} | parts | {"untold": UNTOLD_AROUND_DELETIONS}
    return _narrow(parts, narrow)


def in_order(place: str = "") -> str:
    """Return the source of threads as they are stored in the order of streams, from `place` (a tuple in SQL) on.

    To be read in `STORED_ORDER` and limited: only so much is read. It knows nothing of deletions, and a thread may be
    there in places, too, where it stands no more.
    """
    return _IN_ORDER + (f" AND bitNot(first_trace) >= bitNot({place}.1)" if place else "")


def preview_parts() -> dict[str, str]:
    """Return `folded` of `thread_parts` with previews, and what it is made of."""
    return {"previews": PREVIEWS, "folded": FOLDED_WITH_PREVIEWS}


def _narrow(parts: Mapping[str, str], narrow: str) -> dict[str, str]:
    return {name: part.replace(_NARROW, narrow) for name, part in parts.items()}


def review_parts(*, narrowed: bool = False) -> dict[str, str]:
    """Return `scored`, `labelled`, `reviewed` and `scores` of the threads of a project.

    They need `stated`, and `lenient`, the score regime. `narrowed` to the parameter `entities`, model ids as numbers.
    """
    among = GIVEN_ENTITIES if narrowed else _OF_PROJECT
    return {
        "score_authors": _authors("thread", among),
        "given": GIVEN,
        "tagged": narrowed_to(TAGGED, among),
        "scored": SCORED,
        "labelled": LABELLED,
        "reviewed": REVIEWED,
        "scores": THREAD_SCORES,
    }


def score_parts(entity_type: EntityType, among: str, *, prefix: str = "") -> dict[str, str]:
    """Return `score_authors`, `scores` and `averages` (of each entity, by name), their names beginning with `prefix`.

    They are of the traces, spans or threads whose ids, as numbers, are in the SQL `among`; of threads also what does
    not count (any more).
    """
    return {
        f"{prefix}score_authors": _authors(entity_type, among),
        f"{prefix}scores": SCORES.replace("FROM score_authors", f"FROM {prefix}score_authors"),
        f"{prefix}averages": AVERAGES.replace("FROM scores", f"FROM {prefix}scores"),
    }


def _authors(entity_type: EntityType, among: str) -> str:
    return narrowed_to(SCORE_AUTHORS.replace("'entity'", f"'{entity_type}'"), among)


def narrowed_to(part: str, entities: str) -> str:
    """Return `part` of those only whose ids, as numbers, are in the SQL `entities`."""
    return part.replace(_NARROW, f"AND toUInt128(entity_id) IN {entities}")
