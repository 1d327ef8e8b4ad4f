"""Fetch the jars of Apache Kafka from Maven Central, once: `python -m tests.apache_kafka.fetch`."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from xml.etree import ElementTree as ET

HERE = Path(__file__).parent
POM = HERE / "pom.xml"
CACHE = HERE.parents[1] / ".cache" / "apache-kafka"
FETCH_SECONDS_MAX = 600


class KafkaNotFetched(Exception):
    """The jars are not there and cannot be fetched; the message says what is missing."""


def kafka_version() -> str:
    """Return the version that pom.xml names."""
    version = ET.parse(POM).findtext(".//{*}kafka.version")  # noqa: S314
    if version is None:
        raise KafkaNotFetched(f"{POM} names no kafka.version")
    return version


def fetch() -> Path:
    """Return the folder of the jars, after fetching them if they are not there; raises KafkaNotFetched.

    The folder appears whole or not at all, so that an interrupted fetch and two at a time do no harm.
    """
    libs = CACHE / kafka_version() / "libs"
    if libs.is_dir():
        return libs
    libs.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=libs.parent, prefix="fetching-") as folder:
        fetched = Path(folder) / "libs"
        _copy_dependencies(fetched)
        try:
            fetched.rename(libs)
        except OSError:
            if not libs.is_dir():  # else another process was faster
                raise
    return libs


def _copy_dependencies(target: Path) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise KafkaNotFetched("Apache Kafka is fetched with Maven: install it (apt install maven), or put mvn on PATH")
    goal = ["dependency:copy-dependencies", f"-DoutputDirectory={target}", "-DincludeScope=runtime"]
    try:
        result = subprocess.run(
            [maven, "-q", "-B", "-f", str(POM), *goal],
            env={**os.environ, "MAVEN_OPTS": f"{os.environ.get('MAVEN_OPTS', '')} -Xmx256m"},
            capture_output=True,
            text=True,
            check=False,
            timeout=FETCH_SECONDS_MAX,
        )
    except subprocess.TimeoutExpired as slow:
        raise KafkaNotFetched(f"Maven took longer than {FETCH_SECONDS_MAX} s") from slow
    if result.returncode != 0:
        raise KafkaNotFetched(
            "Maven could not fetch Apache Kafka (can this machine reach Maven Central, or the mirror in "
            f"~/.m2/settings.xml?):\n{result.stdout}{result.stderr}"
        )


if __name__ == "__main__":
    try:
        sys.stdout.write(f"{fetch()}\n")
    except KafkaNotFetched as missing:
        sys.exit(str(missing))
