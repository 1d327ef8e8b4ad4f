import msgspec

from pipeline.commands.bench.sink_steps import Steps


def test_what_a_step_takes_is_said_by_row_and_survives_its_line_of_json() -> None:
    said = msgspec.json.encode(Steps(200_000, {"read": 0.5, "send": 0.1}))
    found = msgspec.json.decode(said, type=Steps)

    assert (found.cpu_us("read"), found.cpu_us("send")) == (2.5, 0.5)
