from collections import Counter

from pipeline.local.conversations import CHATTERBOT, Conversation, Turn
from pipeline.local.sample import Sort, choose, sample_conversations, sort_of
from pipeline.local.schedule import Pace, expected_sessions, length_seconds, plan

PACE = Pace.of(300, spread_seconds=45)


def dialogue(thread_id: str, *answered_at_seconds: float) -> Conversation:
    turns = tuple(Turn("question", "answer", at_seconds, at_seconds) for at_seconds in answered_at_seconds)
    return Conversation(thread_id, "chitchat", None, None, turns or (Turn("Hello?", None, 0.0, None),))


def test_a_dialogue_is_sorted_by_what_it_shows() -> None:
    assert sort_of(dialogue("t", 10, 20), PACE) is Sort.PLAIN
    assert sort_of(dialogue("t", 10, 2000), PACE) is Sort.RETURNING
    assert sort_of(dialogue("t"), PACE) is Sort.ONE_SIDED


def test_each_sort_is_taken_in_its_share_and_only_what_fits() -> None:
    many = [dialogue(f"{number}-{sort}", *times) for number in range(30) for sort, times in SORTS.items()]
    chosen = list(choose(many, 20, PACE))
    assert Counter(one.thread_id.split("-")[1] for one in chosen) == {"plain": 13, "returning": 5, "silent": 2}
    assert chosen == [one for one in many if one in chosen], "the order of the source is kept"


SORTS: dict[str, tuple[float, ...]] = {
    "plain": (10, 20),
    "returning": (10, 2000),
    "silent": (),
    "endless": (10, 20_000),
}


def test_a_default_demo_is_what_its_description_says() -> None:
    conversations = sample_conversations(300, PACE)
    sends = plan(conversations, PACE, project_name="demo", origin_us=1_700_000_000_000_000)
    sessions = expected_sessions(conversations, PACE)
    assert len(sessions) == len(conversations) == 300
    assert sum(one.dataset == CHATTERBOT for one in conversations) == 30
    assert sum(len(one) > 1 for one in sessions.values()) == 68
    assert all(length_seconds(one, PACE) <= PACE.spread_seconds for one in conversations)
    assert 45 <= sends[-1].at_seconds <= PACE.spread_seconds + PACE.split_min_seconds
    assert {send.route.kind for send in sends} == {"trace", "span", "score"}
