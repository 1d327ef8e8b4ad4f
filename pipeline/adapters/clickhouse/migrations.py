"""Bring the tables to what `schemas/clickhouse` declares: numbered files, in order, once each, only forward.

The files say what is on one node; where a cluster is set, `cluster` says the same for all of its nodes.
A file counts as applied when all its statements ran; they are written so that a second run does no harm, since a
crash may come in between. What was applied is kept, with the checksum of the file, in the table `schema_migrations`.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from pipeline.adapters.clickhouse.client import ClickHouse
from pipeline.adapters.clickhouse.cluster import on_cluster, rendered
from pipeline.adapters.clickhouse.schema_lock import schema_lock
from pipeline.adapters.clickhouse.statements import split_statements
from pipeline.errors import SchemaMismatch
from pipeline.schema_files import schema_files

_NAME: Final = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")
_TABLE: Final = """
CREATE TABLE IF NOT EXISTS schema_migrations
(
    number UInt32,
    name String,
    checksum String COMMENT 'SHA-256 of the file',
    applied_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree
ORDER BY number"""

_ENGINE: Final = "SELECT engine FROM system.tables WHERE database = currentDatabase() AND name = 'schema_migrations'"


@dataclass(frozen=True, slots=True)
class Migration:
    """One file of `schemas/clickhouse`."""

    number: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """SHA-256 of the file, in hexadecimal digits."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def declared() -> list[Migration]:
    """Return the migrations of this version in order; raises SchemaMismatch where a name or a number is wrong."""
    migrations: list[Migration] = []
    for file in schema_files("clickhouse", ".sql"):
        found = _NAME.fullmatch(file.name)
        if found is None or int(found[1]) != len(migrations) + 1:
            raise SchemaMismatch(f"{file.name}: expected is {len(migrations) + 1:04}_<what>.sql")
        migrations.append(Migration(int(found[1]), file.name, file.read_text(encoding="utf-8")))
    return migrations


async def apply(client: ClickHouse) -> list[str]:
    """Apply what is missing, one instance at a time, and return the names of those files.

    Raises SchemaMismatch where an applied file has changed since, the database is newer than this version, or was made
    for a cluster and none is set, or the other way round; and StorageUnavailable where ClickHouse does not answer.
    """
    await _ensure_database(client)
    for statement in rendered(_TABLE.strip(), client.settings.cluster):
        await client.command(statement)
    check_form((await client.rows(_ENGINE))[0]["engine"], client.settings.cluster)
    if not pending(declared(), await _applied(client)):
        return []
    async with schema_lock(client):
        missing = pending(declared(), await _applied(client))
        for migration in missing:
            for statement in statements_of(migration, client.settings.cluster):
                await client.command(statement)
            await client.command(
                "INSERT INTO schema_migrations (number, name, checksum) "
                "SELECT {number:UInt32}, {name:String}, {checksum:String}",
                {"number": migration.number, "name": migration.name, "checksum": migration.checksum},
            )
    return [migration.name for migration in missing]


def check_form(engine: str, cluster: str) -> None:
    """Raise SchemaMismatch where `engine`, of `schema_migrations`, is that of one node and `cluster` is set, or not.

    What exists would stay as it is, and be taken for what was wanted.
    """
    if engine.startswith("Replicated") != bool(cluster):
        wanted, found = ("a cluster", "one node") if cluster else ("one node", "a cluster")
        raise SchemaMismatch(f"the database was made for {found}, THREADLINE_CLICKHOUSE_CLUSTER asks for {wanted}")


def statements_of(migration: Migration, cluster: str) -> Iterator[str]:
    """Yield what a file says, for one node where `cluster` is '', else for the nodes of that cluster."""
    for statement in split_statements(migration.sql):
        yield from rendered(statement, cluster)


def pending(migrations: Iterable[Migration], applied: dict[int, tuple[str, str]]) -> list[Migration]:
    """Return which are not in `applied` (number: name and checksum); raises SchemaMismatch as `apply` does."""
    known = {migration.number: migration for migration in migrations}
    for number, (name, checksum) in sorted(applied.items()):
        migration = known.get(number)
        if migration is None:
            raise SchemaMismatch(f"the database has {name}, which this version does not know: it is newer")
        if migration.checksum != checksum:
            raise SchemaMismatch(
                f"{migration.name} was changed after it was applied (as {name}); add a new file instead"
            )
    return [migration for number, migration in sorted(known.items()) if number not in applied]


async def _applied(client: ClickHouse) -> dict[int, tuple[str, str]]:
    rows = await client.rows("SELECT number, name, checksum FROM schema_migrations FINAL")
    return {row["number"]: (row["name"], row["checksum"]) for row in rows}


async def _ensure_database(client: ClickHouse) -> None:
    """Create the database; only the database `default`, which is always there, can be asked to."""
    wanted = client.settings.database
    if wanted == "default":
        return
    async with ClickHouse(client.settings.model_copy(update={"database": "default"})) as root:
        here = on_cluster(client.settings.cluster)
        await root.command(f"CREATE DATABASE IF NOT EXISTS {{database:Identifier}}{here}", {"database": wanted})
