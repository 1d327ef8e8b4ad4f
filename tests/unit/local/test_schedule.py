from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import InvalidSettings
from pipeline.local.bodies import Route
from pipeline.local.conversations import Conversation, Rating, Turn
from pipeline.local.schedule import Pace, Send, expected_sessions, length_seconds, plan

ORIGIN_US = 1_700_000_000_000_000
PACE = Pace.of(300, spread_seconds=20)


def conversation(thread_id: str, gaps_seconds: Sequence[tuple[float, float]], *, rated: bool = False) -> Conversation:
    """Make a conversation from (silence before the question, time to the answer) of each turn."""
    turns, at_seconds = [], 0.0
    for pause_seconds, answer_seconds in gaps_seconds:
        asked_at = at_seconds + pause_seconds
        at_seconds = asked_at + answer_seconds
        turns.append(Turn("question", "answer", asked_at, at_seconds))
    return Conversation(thread_id, "chitchat", None, None, tuple(turns), (Rating("witty", 5.0),) if rated else ())


def unanswered(thread_id: str) -> Conversation:
    return Conversation(thread_id, "chitchat", None, None, (Turn("Hello?", None, 3.0, None),))


def activity_seconds(sends: Iterable[Send]) -> Mapping[str, list[float]]:
    times = defaultdict(list)
    for send in sends:
        if send.route.kind == "trace" and "thread_id" in send.body:
            times[send.body["thread_id"]].append(send.at_seconds)
    return times


def split_by_silence(times: Sequence[float], timeout_seconds: float) -> tuple[int, ...]:
    sessions = [1]
    for earlier, later in pairwise(times):
        if later - earlier >= timeout_seconds:
            sessions.append(0)
        sessions[-1] += 1
    return tuple(sessions)


seconds = st.integers(0, 4_000).map(float) | st.sampled_from([899.0, 900.0, 901.0, 0.0])
conversations = st.lists(st.lists(st.tuples(seconds, seconds), min_size=1, max_size=8), min_size=1, max_size=5).map(
    lambda many: [conversation(f"thread-{number}", gaps, rated=bool(number % 2)) for number, gaps in enumerate(many)]
)
paces = st.builds(
    Pace.of,
    st.sampled_from([1.0, 60.0, 300.0, 450.0]),
    spread_seconds=st.floats(0, 100),
    margin_seconds=st.floats(0, 1),
)


@given(conversations, paces, st.integers(0, 9))
def test_the_sessions_that_the_input_implies_are_those_of_the_times_sent(
    many: list[Conversation], pace: Pace, seed: int
) -> None:
    sends = plan(many, pace, project_name="demo", origin_us=ORIGIN_US, seed=seed)
    sent = {thread: split_by_silence(times, pace.timeout_seconds) for thread, times in activity_seconds(sends).items()}
    assert sent == expected_sessions(many, pace)


@given(conversations, paces, st.data())
def test_delays_up_to_the_margin_do_not_change_a_session(
    many: list[Conversation], pace: Pace, data: st.DataObject
) -> None:
    sends = plan(many, pace, project_name="demo", origin_us=ORIGIN_US)
    expected = expected_sessions(many, pace)
    delays = st.floats(0, pace.delay_max_seconds * 0.999)
    for thread_id, times in activity_seconds(sends).items():
        late = sorted(time + data.draw(delays) for time in times)
        assert split_by_silence(late, pace.timeout_seconds) == expected[thread_id]


@given(conversations, paces)
def test_a_schedule_is_in_the_order_of_time_and_the_same_for_the_same_arguments(
    many: list[Conversation], pace: Pace
) -> None:
    sends = plan(many, pace, project_name="demo", origin_us=ORIGIN_US, seed=7)
    assert all(earlier.at_seconds <= later.at_seconds for earlier, later in pairwise(sends))
    assert sends == plan(many, pace, project_name="demo", origin_us=ORIGIN_US, seed=7)


def test_a_silence_of_exactly_the_timeout_ends_the_session() -> None:
    talk = conversation("t", [(0, 10), (890, 10), (889, 10)])
    assert expected_sessions([talk], PACE) == {"t": (1, 2)}


@pytest.mark.parametrize(
    ("true_gap_seconds", "sent_gap_seconds"),
    [(30.0, 0.1), (420.0, 1.4), (421.0, 1.4), (899.0, 1.4), (900.0, 4.6), (1379.0, 4.6), (1380.0, 4.6), (3000.0, 10.0)],
)
def test_gaps_keep_their_proportion_except_near_the_timeout(true_gap_seconds: float, sent_gap_seconds: float) -> None:
    assert PACE.sent_gap_seconds(true_gap_seconds) == pytest.approx(sent_gap_seconds)


def test_a_question_keeps_its_place_between_two_activities() -> None:
    talk = conversation("t", [(0, 30), (90, 30)])
    sends = plan([talk], Pace.of(300, spread_seconds=0), project_name="demo", origin_us=ORIGIN_US)
    starts = [
        datetime.fromisoformat(send.body["start_time"]).timestamp() - ORIGIN_US / 1e6
        for send in sends
        if send.route is Route.SPANS
    ]
    assert starts == pytest.approx([0.0, 120 / 300], abs=1e-4)


def test_a_margin_that_leaves_no_gap_within_a_session_is_refused() -> None:
    with pytest.raises(InvalidSettings, match="speed-up of 900"):
        Pace.of(900, spread_seconds=0)


def test_every_trace_has_one_activity_one_span_and_one_version_that_a_thread_can_be_told_from() -> None:
    talk = conversation("t", [(30, 10)] * 40)
    sends = plan([talk], PACE, project_name="demo", origin_us=ORIGIN_US)
    routes = [send.route for send in sends]
    assert routes.count(Route.SPANS) == len(activity_seconds(sends)["t"]) == 40
    patched = {send.trace_id for send in sends if send.route is Route.TRACE_PATCH}
    copies = [send.body["id"] for send in sends if send.route is Route.TRACES]
    assert len(patched) == 5
    assert len(copies) == 50, "every fourth trace is sent as two copies"
    assert patched <= set(copies)
    assert len(set(copies)) == 40


def test_a_patch_comes_before_the_create_of_its_trace_which_names_no_thread() -> None:
    sends = plan([conversation("t", [(30, 10)] * 8)], PACE, project_name="demo", origin_us=ORIGIN_US)
    patch = next(send for send in sends if send.route is Route.TRACE_PATCH)
    creates = [send for send in sends if send.route is Route.TRACES and send.body["id"] == patch.trace_id]
    assert len(creates) == 1
    assert "thread_id" not in creates[0].body
    assert creates[0].at_seconds > patch.at_seconds


def test_a_question_that_nobody_answered_is_one_trace_without_a_span() -> None:
    sends = plan([unanswered("t")], PACE, project_name="demo", origin_us=ORIGIN_US)
    assert [send.route for send in sends] == [Route.TRACES]
    assert expected_sessions([unanswered("t")], PACE) == {"t": (1,)}


def test_scores_of_a_thread_wait_until_it_is_surely_closed_and_others_come_with_the_last_trace() -> None:
    many = [conversation(f"thread-{number}", [(0, 10), (20, 10)], rated=True) for number in range(30)]
    sends = plan(many, PACE, project_name="demo", origin_us=ORIGIN_US)
    last_activity = {thread_id: max(times) for thread_id, times in activity_seconds(sends).items()}
    last_trace = {send.body["trace_id"]: send.at_seconds for send in sends if send.route is Route.SPANS}
    by_thread = [send for send in sends if send.route is Route.THREAD_SCORES]
    by_trace = [send for send in sends if send.route is Route.TRACE_SCORES]
    assert len(by_thread) + len(by_trace) == 30
    assert by_thread
    assert by_trace
    for send in by_thread:
        waited_seconds = send.at_seconds - last_activity[send.body["thread_id"]]
        assert waited_seconds >= PACE.timeout_seconds + PACE.delay_max_seconds - 1e-9
    assert all(send.at_seconds == last_trace[send.body["id"]] for send in by_trace)


def test_ids_are_of_version_7_and_carry_the_time_of_the_question() -> None:
    sends = plan([conversation("t", [(30, 10)] * 20)], PACE, project_name="demo", origin_us=ORIGIN_US)
    for send in sends:
        if send.route is Route.SPANS:
            asked_ms = int(datetime.fromisoformat(send.body["start_time"]).timestamp() * 1000)
            for name in ("id", "trace_id"):
                found = UUID(send.body[name])
                assert found.version == 7
                assert abs((found.int >> 80) - asked_ms) <= 1


def test_a_conversation_is_sent_alike_whatever_else_is_sent() -> None:
    one, other = conversation("one", [(30, 10)] * 5, rated=True), conversation("other", [(3, 5)] * 9, rated=True)
    alone = plan([one], PACE, project_name="demo", origin_us=ORIGIN_US)
    together = plan([other, one], PACE, project_name="demo", origin_us=ORIGIN_US)
    assert all(send in together for send in alone)


def test_conversations_that_fit_end_within_the_spread() -> None:
    many = [conversation(f"thread-{number}", [(0, 10), (1200, 10)]) for number in range(50)]
    times = activity_seconds(plan(many, PACE, project_name="demo", origin_us=ORIGIN_US))
    assert all(min(found) >= 0 and max(found) <= PACE.spread_seconds + 1e-9 for found in times.values())
    assert max(map(min, times.values())) - min(map(min, times.values())) > PACE.spread_seconds / 3
    assert length_seconds(many[0], PACE) == pytest.approx(10 / 300 + 4.6)
