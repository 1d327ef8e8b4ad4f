from collections.abc import Mapping

from tests.support.command import migrate, run_command


async def test_it_makes_topics_and_tables_and_finds_nothing_to_do_the_second_time(
    environment: Mapping[str, str],
) -> None:
    code, said = await run_command(environment, "migrate")
    assert code == 0, said
    assert "0001_traces.sql" in said

    code, said = await run_command(environment, "migrate")
    assert code == 0, said
    assert '"applied": []' in said
    assert '"created": []' in said


async def test_another_number_of_partitions_is_refused_with_a_sentence(environment: Mapping[str, str]) -> None:
    await migrate(environment)

    code, said = await run_command({**environment, "THREADLINE_KAFKA_PARTITIONS": "3"}, "migrate")

    assert code == 1
    assert "partitions" in said.splitlines()[-1]
