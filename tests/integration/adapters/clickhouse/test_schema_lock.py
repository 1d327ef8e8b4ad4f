import asyncio
from pathlib import Path

from pipeline.adapters.clickhouse.client import ClickHouse
from pipeline.adapters.clickhouse.migrations import apply, declared
from pipeline.adapters.clickhouse.schema_lock import schema_lock
from tests.support.clickhouse import ClickHouseProcess


async def test_many_instances_at_once_apply_each_file_once_and_a_holder_that_died_is_passed_over(
    tmp_path: Path,
) -> None:
    process = ClickHouseProcess(tmp_path)
    await process.start()
    try:
        clients = [ClickHouse(process.settings) for _ in range(5)]
        applied = await asyncio.gather(*(apply(client) for client in clients))
        assert sorted(name for names in applied for name in names) == [migration.name for migration in declared()]
        [first, second, *_] = clients
        assert await first.rows("SELECT count() AS rows FROM schema_migrations") == [{"rows": len(declared())}]

        held, inside = asyncio.Event(), list[int]()

        async def hold(number: int) -> None:
            async with schema_lock(clients[number]):
                inside.append(number)
                held.set()
                await asyncio.sleep(0.05)
                assert inside[-1] == number

        await asyncio.gather(*(hold(number) for number in range(3)))
        assert sorted(inside) == [0, 1, 2]

        await first.command("CREATE TABLE schema_lock (held UInt8) ENGINE = Memory COMMENT 'who died'")
        async with asyncio.timeout(120), schema_lock(second, stale_seconds=0):
            pass
        left = await first.rows("SELECT name FROM system.tables WHERE name LIKE 'schema_lock%'")
        assert left == []
        for client in clients:
            await client.close()
    finally:
        await process.kill()
