import json
from typing import Any
from urllib.parse import urlencode

import pytest
from clickhouse_connect.driver.transform import extract_exception_with_tag

from pipeline.local.clickhouse.failures import QueryFailed
from pipeline.local.clickhouse.wire import (
    Asked,
    Progress,
    answer_headers,
    exception_frame,
    failure_headers,
    is_form,
    read_form,
    read_request,
)

BOUNDARY = (
    b'--b\r\nContent-Disposition: form-data; name="query"\r\n\r\nSELECT {x:String}\r\n'
    b'--b\r\nContent-Disposition: form-data; name="param_x"\r\n\r\n\xc3\xa9\r\n\xe9\xbb\x9e\r\n--b--\r\n'
)


def ask(method: str = "POST", headers: dict[str, str] | None = None, **words: Any) -> Asked:
    return read_request(method, urlencode(words).encode(), headers or {}, [])


def test_words_settings_and_parameters_are_told_apart() -> None:
    asked = ask(
        query="SELECT 1", database="d", session_id="s", param_x="a\tb", max_threads=3, client_protocol_version=54405
    )

    assert (asked.query, asked.database, asked.session_id) == (b"SELECT 1", "d", "s")
    assert asked.settings == {"max_threads": "3"}
    assert asked.parameters == {"x": "a\tb"}


@pytest.mark.parametrize(
    ("method", "given", "readonly"), [("POST", "0", "0"), ("GET", "0", "2"), ("GET", "1", "1"), ("HEAD", "2", "2")]
)
def test_anything_but_post_is_read_only(method: str, given: str, readonly: str) -> None:
    assert ask(method, readonly=given).settings["readonly"] == readonly


def test_an_answer_is_compressed_only_where_it_is_asked_for() -> None:
    accepts = {"accept-encoding": "lz4,zstd"}

    assert ask(headers=accepts, enable_http_compression=1).answer_encoding == "lz4"
    assert ask(headers=accepts).answer_encoding == ""


def test_a_request_without_id_gets_one_of_its_own() -> None:
    assert ask(query_id="mine").query_id == "mine"
    assert ask().query_id != ask().query_id


@pytest.mark.parametrize(
    ("words", "code"), [({"decompress": 1}, 48), ({"session_timeout": "9999"}, 374), ({"session_timeout": "x"}, 374)]
)
def test_what_is_not_done_is_refused(words: dict[str, Any], code: int) -> None:
    with pytest.raises(QueryFailed, match=f"Code: {code}"):
        ask(**words)


def test_a_form_carries_query_and_parameters() -> None:
    content_type = "multipart/form-data; boundary=b"

    assert is_form(content_type)
    assert read_form(content_type, BOUNDARY) == [("query", "SELECT {x:String}"), ("param_x", "é\r\n點")]


def test_what_curl_calls_urlencoded_is_a_query() -> None:
    """As in `echo 'SELECT 1' | curl http://localhost:8123/ --data-binary @-` of ClickHouse's documentation."""
    assert not is_form("application/x-www-form-urlencoded")


def test_a_file_in_a_form_is_refused() -> None:
    body = b'--b\r\nContent-Disposition: form-data; name="t"; filename="t"\r\n\r\n1\r\n--b--\r\n'

    with pytest.raises(QueryFailed, match="External tables"):
        read_form("multipart/form-data; boundary=b", body)


def test_the_summary_counts_in_strings() -> None:
    headers = answer_headers(
        ask(query_id="q", session_timezone="Asia/Tokyo"),
        timezone="UTC",
        format_name=None,
        progress=Progress(written_rows=5),
    )

    assert json.loads(headers["X-ClickHouse-Summary"])["written_rows"] == "5"
    assert headers["X-ClickHouse-Query-Id"] == "q"
    assert headers["X-ClickHouse-Timezone"] == "Asia/Tokyo"
    assert "X-ClickHouse-Format" not in headers


def test_an_exception_is_a_header_before_the_answer_and_a_frame_within_it() -> None:
    failed = QueryFailed(395, "FUNCTION_THROW_IF_VALUE_IS_NON_ZERO", "on purpose")

    told = extract_exception_with_tag(b"rows" + exception_frame(failed, "0123456789abcdef", "26.9"), "0123456789abcdef")

    assert failure_headers(failed, "q")["X-ClickHouse-Exception-Code"] == "395"
    assert told == failed.text("26.9").strip()
