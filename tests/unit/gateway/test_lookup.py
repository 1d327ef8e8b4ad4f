from uuid import UUID

import pytest

from pipeline.errors import StorageUnavailable, Unknown
from pipeline.events.annotations import CommentPlace
from pipeline.events.identity import ThreadRef
from pipeline.gateway.lookup import Lookup
from tests.support.gateway import MemoryStorage

PROJECT, MODEL, COMMENT, OTHER, ENTITY = (UUID(int=number) for number in range(1, 6))


def storage_that_knows(*, asks_before_known: int = 0) -> MemoryStorage:
    storage = MemoryStorage()
    storage.threads = {("w", PROJECT, "known"): True}
    storage.models = {("w", MODEL)}
    storage.add_comment("w", "thread", COMMENT, ENTITY)
    storage.asks_before_known = asks_before_known
    return storage


async def test_what_storage_knows_only_later_is_waited_for() -> None:
    storage = storage_that_knows(asks_before_known=2)

    await Lookup(storage, seconds_max=1).require_thread_model("w", MODEL)

    assert storage.asks == 3
    storage = storage_that_knows(asks_before_known=1)
    assert await Lookup(storage, seconds_max=1).comment_places("w", "thread", [COMMENT]) == {
        COMMENT: CommentPlace(ENTITY, is_deleted=False)
    }


@pytest.mark.parametrize(("seconds_max", "asks"), [(0, 1), (0.001, 2)])
async def test_it_is_waited_no_longer_than_the_bound(seconds_max: float, asks: int) -> None:
    storage = storage_that_knows(asks_before_known=1000)

    with pytest.raises(Unknown, match=str(MODEL)):
        await Lookup(storage, seconds_max=seconds_max).require_thread_model("w", MODEL)

    assert storage.asks == asks


async def test_of_many_comments_those_that_are_known_come_back() -> None:
    lookup = Lookup(storage_that_knows(), seconds_max=0)

    assert (await lookup.comment_places("w", "thread", [OTHER, COMMENT])).keys() == {COMMENT}
    assert await lookup.comment_places("w", "trace", [COMMENT]) == {}
    assert await lookup.comment_places("other", "thread", [COMMENT]) == {}


async def test_threads_that_nobody_knows_are_named() -> None:
    lookup = Lookup(storage_that_knows(), seconds_max=0)
    known, *unknown = (ThreadRef("w", PROJECT, thread_id) for thread_id in ("known", "b", "a"))

    await lookup.require_threads([known])
    with pytest.raises(Unknown, match="Thread not found: a, b"):
        await lookup.require_threads([known, *unknown])


@pytest.mark.parametrize("is_there", [True, False])
async def test_where_nobody_can_tell_no_thread_is_unknown_but_no_comment_is_found(*, is_there: bool) -> None:
    away = MemoryStorage()
    away.threads = away.models = away.comments = None
    lookup = Lookup(away if is_there else None, seconds_max=0)

    await lookup.require_threads([ThreadRef("w", PROJECT, "t")])
    await lookup.require_thread_model("w", MODEL)
    with pytest.raises(StorageUnavailable):
        await lookup.comment_places("w", "thread", [COMMENT])
