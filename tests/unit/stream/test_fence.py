"""What needs no broker; that a pause fences is shown in `tests/integration/stream/test_fence.py`."""

from pipeline.stream.fence import NoFence
from pipeline.stream.table import CHANGELOG
from tests.unit.stream.logs import new_partition
from tests.unit.stream.recording import Recording


async def test_without_a_fence_one_publisher_writes_everything_and_nothing_is_refused() -> None:
    broker = Recording()
    fence = NoFence(broker)
    await fence.take([1, 2])
    assert list(await fence.confirm(CHANGELOG)) == []
    assert fence.writer_of(new_partition()) is broker
    await fence.give_up()
    assert broker.acked == []
