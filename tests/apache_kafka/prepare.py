"""Fetch Apache Kafka and make it start fast, once: `python -m tests.apache_kafka.prepare`.

The archive of loaded classes (java(1), ArchiveClassesAtExit) makes each later start more than a second shorter. Without
it all tests run, only slower; one that another JVM made is ignored by the JVM.
"""

import asyncio
import sys
import tempfile
from pathlib import Path

from tests.apache_kafka.broker import ApacheKafka, class_archive
from tests.apache_kafka.fetch import KafkaNotFetched, fetch


async def prepare() -> None:
    """Fetch the jars and archive the classes that one start and stop load; nothing if both are there."""
    libs = await asyncio.to_thread(fetch)
    archive = class_archive(libs)
    if await asyncio.to_thread(archive.exists):
        return
    with tempfile.TemporaryDirectory(dir=libs.parent, prefix="archiving-") as folder:
        fresh = Path(folder) / archive.name
        kafka = ApacheKafka(Path(folder), jvm_flags=[f"-XX:ArchiveClassesAtExit={fresh}"])
        await kafka.start()
        await kafka.stop()
        fresh.replace(archive)


if __name__ == "__main__":
    try:
        asyncio.run(prepare())
    except KafkaNotFetched as missing:
        sys.exit(str(missing))
