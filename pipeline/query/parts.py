"""The named parts that statements are made of: traces that live, sessions, threads, costs, reviews.

Each is a SELECT that may name parts before it. `thread_parts` and `trace_parts` give them in order, for a whole
project or narrowed to `thread_ids` by the leading columns of the sorting keys.

FINAL, not argMax: folding 1 M rows of `traces` to 50 k threads took 61 ms with FINAL (partitions merged apart, which
is sound because a row's partition follows from its id), 255 ms with GROUP BY and argMax, 51 ms with neither.
"""

from typing import Final, Literal

_NARROW: Final = "/* narrow */"
_BY_THREADS: Final = "AND thread_id IN {thread_ids:Array(String)}"

DELETIONS: Final = """
    SELECT thread_id, max(assumeNotNull(closed_at_us)) AS deleted_at_us
    FROM thread_events
    WHERE workspace = {workspace:String} AND project_id = {project_id:UUID} /* narrow */
      AND event = 'closed' AND reason = 'deleted' AND closed_at_us IS NOT NULL
    GROUP BY thread_id"""
"""Threads that were ever deleted, and when last: older traces stay gone, whatever closed the thread since."""

SURVIVORS: Final = """
    SELECT id
    FROM traces FINAL INNER JOIN deletions USING (thread_id)
    WHERE workspace = {workspace:String} AND project_id = {project_id:UUID} /* narrow */
      AND thread_id IN (SELECT thread_id FROM deletions) AND first_version_us > deleted_at_us"""

LIVE: Final = """
    SELECT *
    FROM traces FINAL
    WHERE workspace = {workspace:String} AND project_id = {project_id:UUID} /* narrow */
      AND (thread_id NOT IN (SELECT thread_id FROM deletions) OR id IN (SELECT id FROM survivors))"""
"""The traces of the project without those that went with their thread. Deleted threads are few, so only theirs join."""

SESSIONS: Final = """
    SELECT
        thread_id,
        max((toUInt128(session_log_id), first_offset)) AS session,
        maxIf((toUInt128(session_log_id), first_offset), event = 'closed') AS closed_session,
        argMaxIf(
            (toUInt128(session_log_id), last_offset), (toUInt128(session_log_id), first_offset, last_offset),
            event = 'closed'
        ) AS closed_activity,
        countIf(event = 'closed') > 0 AND closed_session = session AS is_closed,
        max(greatest(opened_at_us, ifNull(closed_at_us, 0))) AS changed_at_us,
        maxIf(ifNull(closed_at_us, 0), event = 'closed' AND reason = 'deleted') AS deleted_at_us
    FROM thread_events
    WHERE workspace = {workspace:String} AND project_id = {project_id:UUID} /* narrow */
      AND event IN ('opened', 'closed')
    GROUP BY thread_id"""
"""The latest session of each thread. Log ids are UUIDv7, so (log id, offset) orders sessions over logs."""

MODEL: Final = """bitOr(
            bitAnd(
                reinterpretAsUInt128(reverse(substring(SHA1(concat(
                    unhex(replaceAll({project_id:String}, '-', '')), thread_id)), 1, 16))),
                toUInt128('340282366920937330081583660661634760703')
            ),
            toUInt128('377798542001608471871488')
        )"""
"""`identity.thread_model_id`, the UUIDv5 of project and thread id, as a number: SHA1 with version and variant set."""

FOLDED: Final = f"""
    SELECT
        thread_id,
        count() AS traces,
        min(toUInt128(id)) AS first_trace,
        min(start_time_us) AS start_us,
        max(end_time_us) AS end_us,
        argMin((id, input_preview, input_bytes), (isNull(start_time_us), ifNull(start_time_us, 0), toUInt128(id)))
            AS first,
        argMaxIf((id, output_preview, output_bytes), (ifNull(end_time_us, 0), toUInt128(id)), end_time_us IS NOT NULL)
            AS last,
        min(created_at_us) AS created_us,
        max(last_updated_at_us) AS updated_us,
        argMin(source, toUInt128(id)) AS source,
        argMin(environment, toUInt128(id)) AS environment,
        max((toUInt128(activity_log_id), toInt64(activity_offset))) AS activity,
        {MODEL} AS model
    FROM live
    WHERE thread_id != ''
    GROUP BY thread_id"""  # noqa: S608 - composed of constants of this module

THREADS: Final = """
    SELECT
        folded.*,
        sessions.is_closed AND activity > sessions.closed_activity AS is_reopening,
        sessions.is_closed AND NOT is_reopening AS is_inactive,
        if(is_inactive, 'inactive', 'active') AS status,
        if(is_reopening, activity, sessions.session) AS reopened,
        sessions.deleted_at_us AS deleted_at_us,
        greatest(updated_us, sessions.changed_at_us) AS last_updated_us,
        (end_us - start_us) / 1000 AS duration_ms,
        traces * 2 AS messages,
        first.1 AS first_id, first.2 AS first_preview, first.3 AS first_bytes,
        last.1 AS last_id, last.2 AS last_preview, last.3 AS last_bytes
    FROM folded LEFT JOIN sessions USING (thread_id)"""
"""Threads with their status. A trace that is stored before the `opened` of its session makes the thread active
already (`is_reopening`), and counts as the reopening that human scores must be younger than."""

COSTS: Final = """
    SELECT thread_id, sumMap(usage) AS usage, sum(cost) AS cost
    FROM (
        SELECT toUInt128(trace_id) AS trace, sumMap(usage) AS usage, sum(total_estimated_cost) AS cost
        FROM spans FINAL
        WHERE workspace = {workspace:String} AND toUInt128(trace_id) IN (SELECT toUInt128(id) FROM live)
        GROUP BY trace
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

REVIEWED: Final = """
    SELECT
        threads.*,
        arrayFilter(
            author -> author.5 > deleted_at_us AND (
                {lenient:Bool} OR ifNull(author.3.4, '') NOT IN ('ui', 'sdk') OR (author.3.5, author.3.6) > reopened
            ),
            authors
        ) AS counted,
        arraySort(arrayMap(added -> added.1, arrayFilter(added -> added.2 > deleted_at_us, added_tags))) AS tags
    FROM threads
    LEFT JOIN given ON given.entity = threads.model
    LEFT JOIN tagged ON tagged.entity = threads.model"""
"""Threads with the scores that count and their tags. In the strict regime human scores count only if they were decided
after the latest reopening; what is older than the thread's deletion went with it."""

THREAD_SCORES: Final = """
    SELECT model AS entity, score.1 AS name, avg(toFloat64(score.3.1)) AS average
    FROM reviewed ARRAY JOIN counted AS score
    GROUP BY entity, name"""

SCORES: Final = """
    SELECT entity, name, avg(toFloat64(newest.1)) AS average
    FROM score_authors
    GROUP BY entity, name"""

_BY_ENTITIES: Final = "AND toUInt128(entity_id) IN {entities:Array(UInt128)}"


def trace_parts() -> dict[str, str]:
    """Return `live`, the traces of a project."""
    return {"deletions": DELETIONS, "survivors": SURVIVORS, "live": LIVE}


def thread_parts(*, narrowed: bool = False) -> dict[str, str]:
    """Return `threads` and what it is made of; `narrowed` to the threads of the parameter `thread_ids`."""
    parts = trace_parts() | {"sessions": SESSIONS, "folded": FOLDED, "threads": THREADS}
    return {name: part.replace(_NARROW, _BY_THREADS if narrowed else "") for name, part in parts.items()}


def review_parts(*, narrowed: bool = False) -> dict[str, str]:
    """Return `reviewed` and `scores` of threads; they need `threads`, and `lenient`, the score regime.

    `narrowed` to the parameter `entities`, model ids as numbers.
    """
    narrow = _BY_ENTITIES if narrowed else ""
    authors = SCORE_AUTHORS.replace("'entity'", "'thread'")
    return {
        "score_authors": authors.replace(_NARROW, narrow),
        "given": GIVEN,
        "tagged": TAGGED.replace(_NARROW, narrow),
        "reviewed": REVIEWED,
        "scores": THREAD_SCORES,
    }


def score_parts(entity_type: Literal["trace", "span"], *, narrowed: bool = False) -> dict[str, str]:
    """Return `score_authors` and `scores` of traces; of spans their names begin with `span_`.

    `narrowed` to the parameter `entities`, ids as numbers.
    """
    prefix = "span_" if entity_type == "span" else ""
    authors = SCORE_AUTHORS.replace("'entity'", f"'{entity_type}'")
    return {
        f"{prefix}score_authors": authors.replace(_NARROW, _BY_ENTITIES if narrowed else ""),
        f"{prefix}scores": SCORES.replace("FROM score_authors", f"FROM {prefix}score_authors"),
    }
