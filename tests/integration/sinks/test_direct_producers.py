"""The examples of producers without the gateway, in Python and in a shell, against Apache Kafka and a sink.

(kcat's library does not understand what the embedded broker answers first.)
"""

import sys

import pytest

from pipeline.events.identity import project_id
from tests.integration.sinks.conftest import Installation
from tests.support.programs import EXAMPLES, run_program

PROJECT = "Straight In"


@pytest.mark.apache_kafka
@pytest.mark.kcat
async def test_producers_in_different_languages_write_into_one_thread(apache_installation: Installation) -> None:
    kafka = apache_installation.kafka
    await apache_installation.start_sink()
    options = ["--bootstrap", kafka.bootstrap, "--project", PROJECT, "--thread", "t"]
    by_python = await run_program(sys.executable, str(EXAMPLES / "direct_producer.py"), *options, "first", "by python")
    by_shell = await run_program(
        str(EXAMPLES / "direct_producer.sh"), "t", 'say "ä"', "by kcat", BOOTSTRAP=kafka.bootstrap, PROJECT=PROJECT
    )
    await apache_installation.stored()

    rows = await apache_installation.client.rows("SELECT * FROM traces FINAL")
    places = await apache_installation.client.rows("SELECT uniqExact(log_partition) AS places FROM trace_events")

    assert {(row["thread_id"], str(row["project_id"])) for row in rows} == {("t", str(project_id("default", PROJECT)))}
    assert {str(row["id"]): (row["input_preview"], row["output_preview"]) for row in rows} == {
        by_python: ('{"user": "first"}', '{"assistant": "by python"}'),
        by_shell: ('{"user":"say \\"ä\\""}', '{"assistant":"by kcat"}'),
    }
    assert places == [{"places": 1}]
    assert await apache_installation.client.rows("SELECT reason FROM dead_letters") == []
