"""The same tables on a cluster: what `schemas/clickhouse` says for one node, said for shards and replicas.

Each table `t` becomes two: `t_local`, replicated, holds the rows of its shard; `t`, Distributed, is what everybody
reads and inserts into, under the name that the table has on one node. Views read what comes into their shard and insert
through the Distributed table. Rows that are versions of one another have the same columns in `SHARDED_BY`, so they meet
in one shard; the turns of a thread lie together, as on one node. A server that is told to keep its replicas under
`{shard}` and `{replica}` (macros) needs nothing else.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from pipeline.errors import SchemaMismatch

_THREAD: Final = "cityHash64(workspace, thread_id)"
_THREAD_OR_TRACE: Final = "cityHash64(workspace, if(thread_id = '', toString(id), thread_id))"
_ENTITY: Final = "cityHash64(workspace, entity_id)"
_PLACE: Final = "cityHash64(log_id, log_partition)"

SHARDED_BY: Final[Mapping[str, str]] = {
    "trace_events": _THREAD_OR_TRACE,
    "trace_fields": "cityHash64(workspace, id)",
    "traces": _THREAD_OR_TRACE,
    "projects": "cityHash64(workspace, project_id)",
    "span_events": "cityHash64(workspace, trace_id)",
    "spans": "cityHash64(workspace, trace_id)",
    "score_events": _ENTITY,
    "annotation_events": _ENTITY,
    "thread_events": _THREAD,
    "thread_ids": "cityHash64(workspace, thread_model_id)",
    "thread_sessions": _THREAD,
    "thread_traces": _THREAD,
    "threads": _THREAD,
    "thread_previews": _THREAD,
    "threads_by_first_trace": _THREAD,
    "dead_letters": "cityHash64(workspace, log_id, log_partition)",
    "controls": _PLACE,
    "skipped_offsets": _PLACE,
    "deleted_places": _PLACE,
}
"""By columns of the sorting key only."""
EVERYWHERE: Final = frozenset({"schema_migrations", "erased"})
"""Small tables of which every node has a whole copy, under the plain name."""
PASSING: Final = frozenset({"folded_threads"})
"""Tables that keep nothing: views take what is inserted on any node, and put it where it belongs."""

SETTINGS: Final[Mapping[str, str | int]] = {
    "distributed_product_mode": "global",  # what stands in IN and JOIN is read from all shards, once
    "distributed_foreground_insert": 1,  # an insert is done when its shards have it
    "insert_quorum": "auto",  # and most of their replicas
    # Who reads what it has just inserted asks the replica that took it: all prefer the first that is there.
    "load_balancing": "in_order",
    "prefer_localhost_replica": 0,
    "alter_sync": 2,
    "allow_nondeterministic_mutations": 1,  # a deletion looks into `erased`, which is the same everywhere
    "distributed_ddl_task_timeout": 600,
}
"""What every statement to a cluster carries."""

_CREATE: Final = re.compile(
    r"CREATE TABLE IF NOT EXISTS (?P<name>\w+)(?P<columns>.*)"
    r"\bENGINE = (?P<engine>\w*MergeTree)(?:\((?P<arguments>[^)]*)\))?(?P<rest>.*)",
    re.DOTALL,
)
_CREATE_PASSING: Final = re.compile(r"CREATE TABLE IF NOT EXISTS (?P<name>\w+)(?P<rest>.*\bENGINE = Null)", re.DOTALL)
_CREATE_TWIN: Final = re.compile(r"CREATE TABLE IF NOT EXISTS (?P<name>\w+) AS (?P<of>\w+)")
_VIEW: Final = re.compile(r"CREATE MATERIALIZED VIEW IF NOT EXISTS (?P<name>\w+) (?P<select>TO \w+ AS\b.*)", re.DOTALL)
_VIEW_QUERY: Final = re.compile(r"ALTER TABLE (?P<name>\w+) (?P<select>MODIFY QUERY\b.*)", re.DOTALL)
_ALTER: Final = re.compile(r"ALTER TABLE (?P<name>\w+)(?P<change>.*)", re.DOTALL)
_OF_COLUMNS: Final = re.compile(r"\b(ADD|DROP|MODIFY|COMMENT|RENAME) COLUMN\b")
_FROM: Final = re.compile(r"\bFROM (\w+)")


def local(table: str) -> str:
    """Return the name under which a shard keeps its rows of `table`."""
    return table if table in EVERYWHERE | PASSING else f"{table}_local"


def stored(table: str, cluster: str) -> str:
    """Return what follows TABLE in a statement that changes rows or parts of `table`, wherever they are."""
    return f"{local(table)} ON CLUSTER {_quoted(cluster)}" if cluster else table


def named(table: str, cluster: str, database: str) -> str:
    """Return the full name under which a node keeps its rows of `table`, where a statement names a second table.

    The default database of a statement to a cluster is not that of the client, but each node's own.
    """
    return f"`{database}`.{local(table) if cluster else table}"


def on_cluster(cluster: str) -> str:
    """Return what follows the name in a statement about a table of every node by itself; nothing without a cluster."""
    return f" ON CLUSTER {_quoted(cluster)}" if cluster else ""


def of_every_node(system_table: str, cluster: str) -> str:
    """Return what to read where a table in which each node tells of itself is wanted from all."""
    return f"clusterAllReplicas({_quoted(cluster)}, {system_table})" if cluster else system_table


def rendered(statement: str, cluster: str) -> Iterator[str]:
    """Yield the statements that do on `cluster` what one of a migration does on a node, where it is ''.

    Raises SchemaMismatch for a kind of statement that migrations have not had so far, and for a table that is not in
    `SHARDED_BY`.
    """
    if not cluster or statement.startswith("INSERT INTO"):
        yield statement
    elif found := _CREATE.fullmatch(statement):
        yield from _created(found, cluster)
    elif (found := _CREATE_PASSING.fullmatch(statement)) and found["name"] in PASSING:
        yield f"CREATE TABLE IF NOT EXISTS {found['name']}{on_cluster(cluster)}{found['rest']}"
    elif found := _CREATE_TWIN.fullmatch(statement):
        # The engine comes along: it keeps its replicas under {uuid}, which is another one for each table.
        yield f"CREATE TABLE IF NOT EXISTS {local(found['name'])}{on_cluster(cluster)} AS {local(found['of'])}"
        yield _distributed(found["name"], found["of"], cluster)
    elif found := _VIEW.fullmatch(statement):
        yield f"CREATE MATERIALIZED VIEW IF NOT EXISTS {found['name']}{on_cluster(cluster)} {_of_shard(found)}"
    elif found := _VIEW_QUERY.fullmatch(statement):
        yield f"ALTER TABLE {found['name']}{on_cluster(cluster)} {_of_shard(found)}"
    elif found := _ALTER.fullmatch(statement):
        yield f"ALTER TABLE {stored(found['name'], cluster)}{found['change']}"
        if _OF_COLUMNS.search(found["change"]) and found["name"] not in EVERYWHERE:
            yield f"ALTER TABLE {found['name']}{on_cluster(cluster)}{found['change']}"
    else:
        raise SchemaMismatch(f"no form for a cluster of: {statement[:100]}")


def _of_shard(view: re.Match[str]) -> str:
    """Return the query of a view, which reads what comes into its shard."""
    return _FROM.sub(lambda source: f"FROM {local(source[1])}", view["select"])


def _created(found: re.Match[str], cluster: str) -> Iterator[str]:
    name, here = found["name"], on_cluster(cluster)
    if name in EVERYWHERE:
        replica = "'/clickhouse/tables/{uuid}', '{shard}-{replica}'"
    elif name in SHARDED_BY:
        replica = "'/clickhouse/tables/{uuid}/{shard}', '{replica}'"
    else:
        raise SchemaMismatch(f"nothing says by what {name} is sharded")
    arguments = f"{replica}, {found['arguments']}" if found["arguments"] else replica
    engine = f"ENGINE = Replicated{found['engine']}({arguments})"
    yield f"CREATE TABLE IF NOT EXISTS {local(name)}{here}{found['columns']}{engine}{found['rest']}"
    if name in SHARDED_BY:
        yield _distributed(name, name, cluster)


def _distributed(name: str, like: str, cluster: str) -> str:
    """Return the statement for the table that reads and writes all shards of `name`, sharded as `like` is."""
    engine = f"Distributed({_quoted(cluster)}, currentDatabase(), {local(name)}, {SHARDED_BY[like]})"
    return f"CREATE TABLE IF NOT EXISTS {name}{on_cluster(cluster)} AS {local(name)} ENGINE = {engine}"


def _quoted(cluster: str) -> str:
    return f"'{cluster}'"
