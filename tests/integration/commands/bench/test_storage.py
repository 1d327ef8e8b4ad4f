import pytest

from pipeline.commands.bench.measure import resident_bytes
from pipeline.commands.bench.storage import embedded_storage


async def test_a_storage_has_our_tables_counts_what_is_read_and_is_gone_afterwards() -> None:
    async with embedded_storage() as storage:
        assert resident_bytes(storage.pid) > 0
        assert await storage.client.rows("SELECT count() AS traces FROM traces") == [{"traces": 0}]
        before = await storage.rows_read()
        applied = await storage.client.rows("SELECT name FROM schema_migrations")
        assert await storage.rows_read() >= before + len(applied) > before

    with pytest.raises(FileNotFoundError):
        resident_bytes(storage.pid)
