from uuid import UUID

import pytest

from pipeline.errors import Malformed
from pipeline.events.identity import project_id
from pipeline.query.pages import Search, page_of, range_of, scope_of, search_of, uuid_of


def test_a_page_without_words_is_the_first_ten_rows() -> None:
    page = page_of({}, rows_max=100)

    assert (page.number, page.size, page.offset) == (1, 10, 0)
    assert (page.filters, page.sorts, page.search, page.between, page.truncate) == ([], [], None, None, False)


def test_a_page_is_what_the_query_string_says() -> None:
    query = {
        "page": "3", "size": "20", "search": "x", "truncate": "TRUE", "exclude": '["input"]',
        "filters": '[{"field":"id","operator":"=","value":"x"}]', "sorting": '[{"field":"id"}]',
    }  # fmt: skip
    page = page_of(query, rows_max=100)

    assert (page.offset, page.size, page.search, page.truncate, page.exclude) == (40, 20, "x", True, ["input"])
    assert (page.filters[0].field, page.sorts[0].field) == ("id", "id")


def test_the_page_of_an_annotation_queue_is_filtered_by_it() -> None:
    page = page_of({"annotation_queue_id": "q", "filters": '[{"field":"id","operator":"=","value":"x"}]'}, rows_max=100)

    assert [(given.field, given.operator, given.text) for given in page.filters] == [
        ("id", "=", "x"),
        ("annotation_queue_ids", "=", "q"),
    ]


@pytest.mark.parametrize(
    "query",
    [
        {"page": "0"}, {"page": "-1"}, {"page": "x"}, {"page": "9" * 5000}, {"page": "²"}, {"size": "101"},
        {"size": ""}, {"exclude": "input"}, {"filters": "{"}, {"sorting": "{"}, {"from_time": "2024-01-01T00:00:00Z"},
    ],
)  # fmt: skip
def test_a_page_that_cannot_be_meant_is_refused(query: dict[str, str]) -> None:
    with pytest.raises(Malformed):
        page_of(query, rows_max=100)


def test_a_search_is_read_as_the_sdks_send_it() -> None:
    body = b'{"project_name":"p","filters":null,"limit":null,"exclude":null,"strip_attachments":true,"unknown":1}'

    assert search_of(body) == Search(project_name="p")
    assert search_of(b"").limit_or_default == 500
    assert Search(limit=2000).limit_or_default == 2000
    for limit in (0, -1, 2001):
        with pytest.raises(Malformed):
            _ = Search(limit=limit).limit_or_default


def test_a_project_is_named_by_id_or_by_name() -> None:
    identity = UUID(int=5)

    assert scope_of("w", None, str(identity)).project_id == identity
    assert scope_of("w", " My Bot", None).project_id == project_id("w", "my bot")
    for name, wrong in ((None, None), (" ", None), ("p", "not-an-id")):
        with pytest.raises(Malformed):
            scope_of("w", name, wrong)


def test_a_range_has_two_ends_in_order() -> None:
    assert range_of("1970-01-01T00:00:00Z", "1970-01-01T00:00:01Z") == (0, 1_000_000)
    assert range_of(None, None) is None
    for ends in (("1970-01-01T00:00:01Z",) * 2, ("yesterday", "today"), (None, "1970-01-01T00:00:01Z")):
        with pytest.raises(Malformed):
            range_of(*ends)


def test_an_id_that_is_none_is_refused_by_the_name_of_its_field() -> None:
    with pytest.raises(Malformed, match="trace_id must be a UUID"):
        uuid_of("x", "trace_id")


def test_what_is_nested_too_deeply_is_refused_like_any_fault() -> None:
    deep = "[" * 100_000

    with pytest.raises(Malformed):
        search_of(f'{{"unknown":{deep}'.encode())
    for query in ({"filters": f'[{{"unknown":{deep}'}, {"sorting": f'[{{"unknown":{deep}'}, {"exclude": deep}):
        with pytest.raises(Malformed):
            page_of(query, rows_max=100)
