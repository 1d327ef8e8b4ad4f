import uuid
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio

from pipeline.adapters.clickhouse.client import ClickHouse
from pipeline.errors import StorageUnavailable, Unstorable
from pipeline.local.process import free_port
from tests.support.clickhouse import ClickHouseProcess


@pytest_asyncio.fixture
async def server(tmp_path: Path) -> AsyncIterator[ClickHouseProcess]:
    process = ClickHouseProcess(tmp_path, database="default")
    await process.start()
    yield process
    await process.kill()


@pytest_asyncio.fixture
async def client(server: ClickHouseProcess) -> AsyncIterator[ClickHouse]:
    async with ClickHouse(server.settings) as connected:
        await connected.command(
            "CREATE TABLE numbers_kept (n UInt64, name Nullable(String)) ENGINE = MergeTree ORDER BY n "
            "SETTINGS non_replicated_deduplication_window = 100"
        )
        yield connected


async def kept(client: ClickHouse) -> list[object]:
    return [row["n"] for row in await client.rows("SELECT n FROM numbers_kept ORDER BY n")]


async def test_lines_become_rows_and_are_counted(client: ClickHouse) -> None:
    assert await client.insert_lines("numbers_kept", [b'{"n":1,"name":"a"}', b'{"n":2}'], token=None) == 2
    assert await client.rows("SELECT * FROM numbers_kept ORDER BY n") == [
        {"n": 1, "name": "a"},
        {"n": 2, "name": None},
    ]


async def test_a_known_token_stores_nothing_and_no_token_always_does(client: ClickHouse) -> None:
    for token in ("a", "a", "b", None, None):
        await client.insert_lines("numbers_kept", [b'{"n":1}'], token=token)

    assert await kept(client) == [1, 1, 1, 1]


@pytest.mark.parametrize(
    "line", [b'{"n":1,"m":2}', b'{"n":1,"n":2}', b'{"n":1,"name":5}', b'{"n":"x"}', b'{"n":1', b'{"n":1}}']
)
async def test_rows_that_are_not_as_declared_are_refused_with_their_code(client: ClickHouse, line: bytes) -> None:
    with pytest.raises(Unstorable) as refusal:
        await client.insert_lines("numbers_kept", [b'{"n":0}', line], token=None)

    assert refusal.value.code > 0
    assert str(refusal.value).startswith("Code: ")
    assert "http://" not in str(refusal.value)
    assert await kept(client) == []


async def test_values_are_bound_by_the_server(client: ClickHouse) -> None:
    odd = "it's {x:String} %s \t\\ ü"
    found = await client.rows(
        "SELECT {text:String} AS text, {id:UUID} AS id, {many:Array(UInt64)} AS many, {price:Decimal(18, 9)} AS price",
        {"text": odd, "id": uuid.UUID(int=5), "many": [1, 2**64 - 1], "price": Decimal("0.5")},
    )

    assert found == [{"text": odd, "id": uuid.UUID(int=5), "many": [1, 2**64 - 1], "price": Decimal("0.5")}]


async def test_a_parameter_that_the_sql_does_not_bind_is_refused(client: ClickHouse) -> None:
    with pytest.raises(ValueError, match="stray"):
        await client.rows("SELECT {bound:UInt8}", {"bound": 1, "stray": 2})


class Kept(msgspec.Struct, array_like=True):
    place: int
    name: str | None
    id: uuid.UUID
    price: Decimal
    used: dict[str, int]


async def test_rows_are_decoded_as_they_are_declared_with_numbers_of_any_size(client: ClickHouse) -> None:
    sql = """
    SELECT bitShiftLeft(toInt256(1), 200), nullIf({name:String}, ''), toUUID(x), toDecimal128('0.5', 9), map('a', n)
    FROM (SELECT '00000000-0000-0000-0000-000000000005' AS x, arrayJoin([7, -9223372036854775808]) AS n)"""
    decoder = msgspec.json.Decoder(Kept)

    named = await client.decoded(sql, decoder, {"name": 'q"\\\n ü'})
    unnamed = await client.decoded(sql, decoder, {"name": ""})

    assert named == [Kept(2**200, 'q"\\\n ü', uuid.UUID(int=5), Decimal("0.5"), {"a": n}) for n in (7, -(2**63))]
    assert [row.name for row in unnamed] == [None, None]
    assert await client.decoded("SELECT 1 WHERE 0", decoder) == []


async def test_what_is_no_utf_8_does_not_hide_the_other_rows(client: ClickHouse) -> None:
    sql = "SELECT arrayJoin(['good', unhex('62FF64')])"

    assert await client.decoded(sql, msgspec.json.Decoder(tuple[str])) == [("good",), ("b\ufffdd",)]


async def test_a_query_that_fails_after_its_first_rows_is_a_failure_not_fewer_rows(client: ClickHouse) -> None:
    with pytest.raises(StorageUnavailable) as failure:
        await client.decoded("SELECT throwIf(number = 2000000) FROM numbers(3000000)", msgspec.json.Decoder(tuple[int]))

    assert failure.value.code == 395


async def test_a_large_result_comes_in_blocks_and_may_be_left_early(client: ClickHouse) -> None:
    blocks = [block async for block in client.stream("SELECT number FROM numbers({n:UInt64})", {"n": 300_000})]

    assert len(blocks) > 1
    assert [row["number"] for block in blocks for row in block] == list(range(300_000))
    stream = client.stream("SELECT number FROM numbers(100000000)")
    assert (await anext(stream))[0] == {"number": 0}
    await stream.aclose()
    assert await kept(client) == []


async def test_a_query_that_fails_in_the_middle_of_its_result_says_so(client: ClickHouse) -> None:
    with pytest.raises(StorageUnavailable) as failure:
        async for _ in client.stream("SELECT throwIf(number = 2000000) FROM numbers(3000000)"):
            pass

    assert failure.value.code == 395


async def test_settings_for_queries_go_with_every_query(server: ClickHouseProcess) -> None:
    async with ClickHouse(server.settings, query_settings={"max_result_rows": 5}) as bounded:
        assert len(await bounded.rows("SELECT number FROM numbers(5)")) == 5
        with pytest.raises(StorageUnavailable, match="396"):
            await bounded.rows("SELECT number FROM numbers(100)")


async def test_a_client_made_before_its_database_works_as_soon_as_that_answers(tmp_path: Path) -> None:
    process = ClickHouseProcess(tmp_path, free_port(), database="default")
    async with ClickHouse(process.settings) as early:
        with pytest.raises(StorageUnavailable):
            await early.rows("SELECT 1 AS one")
        await process.start()
        try:
            assert await early.rows("SELECT 1 AS one") == [{"one": 1}]
            await process.kill()
            with pytest.raises(StorageUnavailable):
                await early.insert_lines("numbers_kept", [b'{"n":1}'], token=None)
            await process.start()
            assert await early.rows("SELECT 1 AS one") == [{"one": 1}]
        finally:
            await process.kill()


async def test_a_database_that_is_not_there_yet_is_waited_for(server: ClickHouseProcess) -> None:
    async with ClickHouse(server.settings.model_copy(update={"database": "nowhere"})) as client:
        with pytest.raises(StorageUnavailable) as failure:
            await client.rows("SELECT 1")

    assert failure.value.code == 81
