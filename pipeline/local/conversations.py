"""Real conversations to send: dialogues of `chitchat-dataset`, questions and answers of `chatterbot-corpus`.

Both come from the packages of the extra `local`; nothing of them is copied here. What their contents made us decide:

* A message of blanks only is no message; its neighbours, if of one speaker, are one message group.
* A conversation begins with its first message. The dialogues' own `start` stands six to seven hours later in most
  of them (local time marked as UTC). Message times never go back.
* In 3,150 of 7,168 dialogues only one person ever wrote. They are kept: a question that nobody answered is traffic.
* The corpus has no times, so its pace is ours. Of its entries only those of two lines are used: longer ones are
  dialogues in some files, a question with alternative answers in others, and nothing tells which. Repetitions
  (`tech_support`: 1,050 entries, 10 different ones) are dropped.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from itertools import groupby, pairwise
from operator import attrgetter
from typing import Final

import msgspec
import yaml

from pipeline.errors import Undecodable

CHITCHAT: Final = "chitchat"
CHATTERBOT: Final = "chatterbot"
CHATTERBOT_TOPICS: Final = ("coding", "science", "tech_support", "trivia", "ai", "humor")
PAIRS_PER_CONVERSATION: Final = 4
ANSWER_SECONDS: Final = 8.0
PAUSE_SECONDS: Final = 45.0


@dataclass(frozen=True, slots=True)
class Rating:
    """What a person thought of a whole conversation; the dialogues' scale is 1 to 10."""

    name: str
    value: float


@dataclass(frozen=True, slots=True)
class Turn:
    """One speaker's message group, and the other's in reply: one trace.

    Times are seconds since the conversation's first message, each that of the group's last message. A question
    without an answer can only be the last turn.
    """

    question: str
    answer: str | None
    asked_at_seconds: float
    answered_at_seconds: float | None

    @property
    def active_at_seconds(self) -> float:
        """When the turn was over: answered, or asked for the last time."""
        return self.asked_at_seconds if self.answered_at_seconds is None else self.answered_at_seconds


@dataclass(frozen=True, slots=True)
class Conversation:
    """What becomes one thread; `began_at` is None where the source has no times, and then the pace is ours."""

    thread_id: str
    dataset: str
    topic: str | None
    began_at: datetime | None
    turns: tuple[Turn, ...]
    ratings: tuple[Rating, ...] = ()


class _Message(msgspec.Struct, frozen=True):
    text: str
    sender: str
    timestamp: datetime


class _Dialogue(msgspec.Struct, frozen=True):
    messages: list[list[_Message]]
    prompt: str | None = None
    ratings: dict[str, float] = {}


_DIALOGUE_DECODER: Final = msgspec.json.Decoder(_Dialogue)


@dataclass(frozen=True, slots=True)
class _Group:
    text: str
    at_seconds: float


def read_chitchat() -> Iterator[Conversation]:
    """Yield the human dialogues in the order of the file, decoding each only when it is asked for.

    Raises Undecodable as `parse_dialogue` does.
    """
    content = (files("chitchat_dataset") / "dataset.json").read_bytes()
    dialogues = msgspec.json.decode(content, type=dict[str, msgspec.Raw])
    for thread_id, raw in dialogues.items():
        conversation = parse_dialogue(thread_id, raw)
        if conversation.turns:
            yield conversation


def read_chatterbot(topics: Iterable[str] = CHATTERBOT_TOPICS) -> Iterator[Conversation]:
    """Yield the English question-answer pairs of `topics`, four to a conversation, in the order of the files.

    Answers come after 8 seconds, the next question 45 seconds later; both are invented, unlike everything else.
    """
    folder = files("chatterbot_corpus") / "data" / "english"
    for topic in topics:
        # The base loader makes no types: with another one, the answer "Yes" is a boolean and "1963" a number.
        entries = yaml.load((folder / f"{topic}.yml").read_bytes(), Loader=yaml.CBaseLoader)["conversations"]  # noqa: S506
        pairs = list(dict.fromkeys((entry[0], entry[1]) for entry in entries if _is_pair(entry)))
        for number, first in enumerate(range(0, len(pairs), PAIRS_PER_CONVERSATION), start=1):
            turns = _paced(pairs[first : first + PAIRS_PER_CONVERSATION])
            yield Conversation(f"{CHATTERBOT}-{topic}-{number:03}", CHATTERBOT, topic, None, turns)


def parse_dialogue(thread_id: str, content: bytes | msgspec.Raw) -> Conversation:
    """Return one entry of the dialogues' file as a conversation; without turns where nobody wrote anything.

    Raises Undecodable where it is not of the form that this version knows, or its times go back.
    """
    try:
        dialogue = _DIALOGUE_DECODER.decode(content)
    except msgspec.DecodeError as failure:
        raise Undecodable(f"dialogue {thread_id}: {failure}") from failure
    messages = [message for group in dialogue.messages for message in group if message.text.strip()]
    if any(later.timestamp < earlier.timestamp for earlier, later in pairwise(messages)):
        raise Undecodable(f"dialogue {thread_id}: its times go back")
    began_at = messages[0].timestamp if messages else None
    ratings = tuple(Rating(name, value) for name, value in sorted(dialogue.ratings.items()))
    return Conversation(thread_id, CHITCHAT, dialogue.prompt, began_at, _turns(messages), ratings)


def _turns(messages: list[_Message]) -> tuple[Turn, ...]:
    """Pair the message groups: one speaker's, then the other's."""
    groups = []
    for _, of_one_speaker in groupby(messages, key=attrgetter("sender")):
        group = list(of_one_speaker)
        at_seconds = (group[-1].timestamp - messages[0].timestamp).total_seconds()
        groups.append(_Group("\n".join(message.text for message in group), at_seconds))
    turns = [
        Turn(question.text, answer.text, question.at_seconds, answer.at_seconds)
        for question, answer in zip(groups[::2], groups[1::2], strict=False)
    ]
    if len(groups) % 2:
        turns.append(Turn(groups[-1].text, None, groups[-1].at_seconds, None))
    return tuple(turns)


def _paced(pairs: list[tuple[str, str]]) -> tuple[Turn, ...]:
    step_seconds = ANSWER_SECONDS + PAUSE_SECONDS
    return tuple(
        Turn(question, answer, place * step_seconds, place * step_seconds + ANSWER_SECONDS)
        for place, (question, answer) in enumerate(pairs)
    )


def _is_pair(entry: object) -> bool:
    """Tell a pair from a dialogue, and from a line that the file's author forgot to put into a list."""
    return isinstance(entry, list) and len(entry) == 2 and all(isinstance(line, str) and line for line in entry)  # noqa: PLR2004
