from decimal import Decimal
from uuid import UUID

from pipeline.query.said import Marking, Scoring, given_of, remarks_of, tags_of

FIRST, SECOND = UUID(int=1), UUID(int=2)


def scoring(
    version_us: int, author: str | None = "ann", *, value: str | None = "1", name: str = "n", reason: str | None = None
) -> Scoring:
    at = None if value is None else Decimal(value)
    return Scoring(7, name, author, value is not None, version_us, version_us + 1, at, reason, None, "ui", 3, 4)


def tagging(
    version_us: int, *, reset: bool = False, added: tuple[str, ...] = (), removed: tuple[str, ...] = ()
) -> Marking:
    nil = UUID(int=0)
    return Marking(7, False, False, version_us, version_us, reset, list(added), list(removed), nil, "", "")  # noqa: FBT003


def remark(version_us: int, comment: UUID, text: str, author: str = "ann", *, is_deletion: bool = False) -> Marking:
    return Marking(7, True, is_deletion, version_us, version_us + 1, False, [], [], comment, text, author)  # noqa: FBT003


def test_of_one_author_the_newest_counts_and_says_when_it_was_given_first_and_last() -> None:
    told = given_of([scoring(5, value="0.5"), scoring(9, value="0.75", reason="why"), scoring(7)])

    assert told == [("n", "ann", (Decimal("0.75"), "why", None, "ui", 3, 4), 6, 9)]


def test_of_equal_versions_the_larger_value_and_then_the_later_reason_counts() -> None:
    told = given_of([scoring(5, value="2", reason="a"), scoring(5, value="2", reason="b"), scoring(5, value="1")])

    assert [newest[:2] for _, _, newest, _, _ in told] == [(Decimal(2), "b")]


def test_a_deletion_takes_what_its_author_gave_before_and_without_an_author_what_all_did() -> None:
    bob_deleted = [scoring(1), scoring(1, "bob"), scoring(2, "bob", value=None)]
    all_deleted = [scoring(1), scoring(1, "bob"), scoring(2, None, value=None), scoring(3, "bob"), scoring(1, name="m")]

    assert [given[:2] for given in given_of(bob_deleted)] == [("n", "ann")]
    assert [given[:2] for given in given_of(all_deleted)] == [("n", "bob"), ("m", "ann")]
    assert given_of([scoring(2, value=None), scoring(2)]) == []


def test_the_newest_change_of_a_tag_counts_and_a_reset_forgets_what_is_older() -> None:
    assert tags_of([tagging(1, added=("a", "b")), tagging(2, removed=("a",))]) == [("b", 1)]
    assert tags_of([tagging(3, added=("a",)), tagging(2, removed=("a",))]) == [("a", 3)]
    assert tags_of([tagging(1, added=("a",)), tagging(2, reset=True, added=("b",))]) == [("b", 2)]
    assert tags_of([tagging(2, added=("a",)), tagging(2, removed=("a",))]) == [("a", 2)]


def test_comments_come_oldest_first_each_as_it_was_changed_last_without_deleted_ones() -> None:
    events = [remark(8, SECOND, "later"), remark(3, FIRST, "as it was"), remark(9, FIRST, "as it is", "bob")]

    assert remarks_of(events) == [
        (FIRST, "as it is", "bob", "ann", 9, 4), (SECOND, "later", "ann", "ann", 8, 9),
    ]  # fmt: skip
    assert remarks_of([*events, remark(1, FIRST, "", is_deletion=True)]) == [(SECOND, "later", "ann", "ann", 8, 9)]
    assert remarks_of([tagging(1, added=("a",))]) == []
