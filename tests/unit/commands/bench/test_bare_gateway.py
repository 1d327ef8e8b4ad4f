from pipeline.adapters.clock import ManualClock
from pipeline.commands.bench.bare_gateway import records_of
from pipeline.commands.bench.load import WORKSPACE
from pipeline.commands.bench.requests import PATH, Requests
from pipeline.topics import TRACES
from tests.support.asgi import call
from tests.support.gateway import RECEIVED_AT_US, MemoryGateway


async def test_the_bound_writes_byte_for_byte_what_the_gateway_writes() -> None:
    request = Requests(ManualClock(RECEIVED_AT_US)).make(20)
    memory = MemoryGateway()

    answer = await call(
        memory.app, "POST", PATH, request.body, {"Content-Encoding": "gzip", "Comet-Workspace": WORKSPACE}
    )

    assert answer.status == 204
    bound, ours = records_of(request.body, RECEIVED_AT_US), memory.producer.of(TRACES)
    assert [(record.key, record.value, record.headers) for record in bound] == [
        (record.key, record.value, record.headers) for record in ours
    ]
