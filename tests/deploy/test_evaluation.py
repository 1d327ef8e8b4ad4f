import re
from pathlib import Path

import pytest

from pipeline.local.kafka_probe import wait_for_broker
from pipeline.local.process import ChildProcess, free_ports
from tests.apache_kafka.broker import JVM_FLAGS
from tests.apache_kafka.fetch import fetch
from tests.deploy.chart import Pod, of_kind, pod, rendered

pytestmark = pytest.mark.helm


def kafka() -> Pod:
    return pod(rendered("evaluation"), "kafka")


def properties(folder: Path, port: int, controller_port: int) -> str:
    """The chart's properties, moved from its pod to this machine."""
    text: str = of_kind(rendered("evaluation"), "ConfigMap")["kafka"]["data"]["server.properties"]
    moves = {
        r"0\.0\.0\.0:9092": f"127.0.0.1:{port}",
        r"demo-threadline-kafka:9092": f"127.0.0.1:{port}",
        r"127\.0\.0\.1:9093": f"127.0.0.1:{controller_port}",
        r"/var/lib/kafka/data": str(folder),
    }
    for place, moved in moves.items():
        text, count = re.subn(place, moved, text)
        assert count, place
    return text


@pytest.mark.apache_kafka
async def test_apache_kafka_starts_with_the_properties_of_the_chart(tmp_path: Path) -> None:
    port, controller_port = free_ports(2)
    path = tmp_path / "server.properties"
    path.write_text(properties(tmp_path, port, controller_port))
    java = ["java", *JVM_FLAGS, "-Dlog4j2.level=WARN", "-cp", f"{fetch()}/*"]
    cluster_id = kafka().environment["CLUSTER_ID"]
    tool = [
        "kafka.tools.StorageTool",
        "format",
        "--ignore-formatted",
        "--cluster-id",
        cluster_id,
        "--config",
        str(path),
    ]

    async with await ChildProcess.start([*java, *tool], cwd=tmp_path) as formatting:
        assert await formatting.wait() == 0, formatting.tail
    async with await ChildProcess.start([*java, "kafka.Kafka", str(path)], cwd=tmp_path) as broker:
        await wait_for_broker(broker, port, timeout_seconds=60)
        await broker.terminate(grace_seconds=30)


@pytest.mark.parametrize("component", ["kafka", "clickhouse"])
def test_what_a_single_node_writes_is_on_its_volume(component: str) -> None:
    mounts = {
        mount["mountPath"]: mount["name"] for mount in pod(rendered("evaluation"), component).container["volumeMounts"]
    }
    folder = {"kafka": "/var/lib/kafka/data", "clickhouse": "/var/lib/clickhouse"}[component]

    assert mounts[folder] == "storage"
    assert mounts["/tmp"] == "tmp"  # noqa: S108


def test_the_user_of_the_evaluation_is_the_one_of_the_values() -> None:
    users = of_kind(rendered("evaluation-clickhouse"), "ConfigMap")["clickhouse"]["data"]["users.xml"]

    assert "<reader_writer>" in users
    assert '<default remove="1"/>' in users
    assert '<password from_env="CLICKHOUSE_PASSWORD"/>' in users
