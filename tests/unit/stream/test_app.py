"""The app is put together as it must be; that it works is shown on real brokers in `tests/integration/stream`."""

import ssl
from pathlib import Path

import pytest
from faust.transport.drivers.aiokafka import credentials_to_aiokafka_auth

from pipeline.adapters.clock import ManualClock
from pipeline.adapters.kafka.connection import connection_of
from pipeline.settings import Settings, load
from pipeline.stream.app import build
from pipeline.stream.bulk import BulkApp, BulkConsumer, FetchingThread
from pipeline.stream.fence import NoFence
from pipeline.stream.table import CHANGELOG, ThreadsTable
from pipeline.topics import STREAM_GROUP
from tests.unit.stream.logs import LOG_ID
from tests.unit.stream.recording import Recording


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("THREADLINE_KAFKA_BOOTSTRAP", "a:1,b:2")
    monkeypatch.setenv("THREADLINE_KAFKA_PARTITIONS", "12")
    monkeypatch.setenv("THREADLINE_STREAM_INSTANCE_ID", "worker-0")
    return load()


@pytest.fixture
async def app(settings: Settings) -> BulkApp:
    return build(
        settings,
        ManualClock(),
        log_id=LOG_ID,
        publisher=Recording(),
        ticker=Recording(),
        fence=NoFence(Recording()),
    )


async def test_what_operators_set_reaches_faust(app: BulkApp) -> None:
    conf = app.conf
    assert conf.id == STREAM_GROUP
    assert [str(url) for url in conf.broker] == ["aiokafka://a:1", "aiokafka://b:2"]
    assert (conf.consumer_group_instance_id, conf.topic_partitions) == ("worker-0", 12)
    assert conf.broker_session_timeout * 1000 == 10_000
    assert conf.broker_max_poll_records == 2000


async def test_fausts_own_clients_connect_as_ours_do(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("SECURITY_PROTOCOL", "SASL_SSL"), ("SASL_USERNAME", "u"), ("SASL_PASSWORD", "p")):
        monkeypatch.setenv(f"THREADLINE_KAFKA_{name}", value)
    settings = load()
    publisher = Recording()
    app = build(settings, ManualClock(), log_id=LOG_ID, publisher=publisher, ticker=publisher, fence=NoFence(publisher))

    said = credentials_to_aiokafka_auth(app.conf.broker_credentials)

    assert isinstance(said["ssl_context"], ssl.SSLContext)
    expected = connection_of(settings.kafka)
    names = said.keys() - {"ssl_context"}
    assert {name: said[name] for name in names} == {name: expected[name] for name in names}
    assert names == {"security_protocol", "sasl_mechanism", "sasl_plain_username", "sasl_plain_password"}


async def test_what_faust_must_not_do_is_off(app: BulkApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    conf = app.conf
    assert (conf.web_enabled, conf.worker_redirect_stdouts, conf.topic_disable_leader) == (False, False, True)
    assert str(conf.processing_guarantee) != "exactly_once"
    monkeypatch.chdir(tmp_path)
    await app.on_first_start()
    assert list(tmp_path.iterdir()) == []  # noqa: ASYNC240


async def test_the_table_has_a_changelog_that_is_compacted_and_never_deleted(app: BulkApp) -> None:
    [table] = app.tables.values()
    assert isinstance(table, ThreadsTable)
    assert table.changelog_topic_name == CHANGELOG.name
    assert table.partitions == 12
    topic = table.changelog_topic
    assert (topic.compacting, bool(topic.deleting), topic.config["cleanup.policy"]) == (True, False, "compact")


async def test_the_consumer_is_ours(app: BulkApp) -> None:
    assert isinstance(app.consumer, BulkConsumer)
    assert type(app.consumer._thread) is FetchingThread


async def test_one_agent_reads_the_log(app: BulkApp) -> None:
    [agent] = app.agents.values()
    assert list(agent.get_topic_names()) == ["traces"]
