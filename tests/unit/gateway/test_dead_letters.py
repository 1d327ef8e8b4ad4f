import msgspec

from pipeline.adapters.clock import ManualClock
from pipeline.errors import Malformed
from pipeline.events.dead_letters import DeadLetter, bytes_of
from pipeline.events.envelope import Record
from pipeline.gateway.dead_letters import dead_letter, dead_letters
from pipeline.gateway.opik.batch import Refusal
from pipeline.topics import SPANS
from tests.support.gateway import kind_of


def letter_of(record: Record) -> DeadLetter:
    return msgspec.json.decode(record.value or b"", type=DeadLetter)


def refusal(item: bytes, reason: str = "name: not a text") -> Refusal:
    return Refusal(item, Malformed(reason, field="name"))


def test_a_dead_letter_has_the_items_bytes_its_topic_and_the_reason() -> None:
    record = dead_letter(
        refusal(b'{"name": \xff}'), topic=SPANS, workspace="acme", clock=ManualClock(5), event_bytes_max=1 << 20
    )

    assert kind_of(record) == "dead-letter"
    assert record.key == b""
    letter = letter_of(record)
    assert bytes_of(letter.value) == b'{"name": \xff}'
    assert (letter.stage, letter.topic, letter.reason) == ("gateway", "spans", "name: not a text")
    assert (letter.workspace, letter.version_us, letter.received_at_us) == ("acme", 5, 5)
    assert letter.origin_offset is None


def test_an_item_that_fits_no_record_is_kept_up_to_what_fits_and_says_so() -> None:
    item = bytes(range(256)) * 400

    record = dead_letter(refusal(item), topic=SPANS, workspace="w", clock=ManualClock(), event_bytes_max=50_000)

    letter = letter_of(record)
    kept = bytes_of(letter.value) or b""
    assert len(record.value or b"") <= 50_000
    assert item.startswith(kept)
    assert len(kept) > 30_000
    assert letter.reason == f"name: not a text (kept are the first {len(kept):,} of its 102,400 bytes)"


def test_a_reason_is_bounded_since_it_may_quote_the_item() -> None:
    record = dead_letter(
        refusal(b"{}", "x" * 100_000), topic=SPANS, workspace="w", clock=ManualClock(), event_bytes_max=50_000
    )

    assert letter_of(record).reason == "x" * 1000


def test_every_refusal_has_its_letter() -> None:
    records = dead_letters(
        [refusal(b"1"), refusal(b"2")], topic=SPANS, workspace="w", clock=ManualClock(), event_bytes_max=50_000
    )

    assert [bytes_of(letter_of(record).value) for record in records] == [b"1", b"2"]
