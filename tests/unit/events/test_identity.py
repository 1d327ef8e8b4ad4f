from uuid import UUID, uuid5

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.events.identity import (
    ThreadRef,
    is_thread_key,
    parse_thread_key,
    project_id,
    session_id,
    thread_key,
    thread_model_id,
)

PROJECT = UUID("0191d7a2-0000-7000-8000-000000000001")
WORKSPACES = st.text(st.characters(exclude_categories=("Cs", "Cc")))
THREAD_IDS = st.text(st.characters(exclude_categories=("Cs",)), min_size=1)
THREADS = st.builds(ThreadRef, WORKSPACES, st.uuids(), THREAD_IDS)


@given(THREADS)
def test_a_thread_is_found_again_in_its_key(thread: ThreadRef) -> None:
    assert parse_thread_key(thread_key(thread)) == thread


@given(THREADS, THREADS)
def test_two_threads_have_two_keys(one: ThreadRef, other: ThreadRef) -> None:
    assert (thread_key(one) == thread_key(other)) == (one == other)


@pytest.mark.parametrize("thread_id", ["a\tb", "\t", "😀 𐍈", "a\nb", " padded ", "thread\tws"])
def test_a_thread_id_may_contain_what_it_likes(thread_id: str) -> None:
    thread = ThreadRef("default", PROJECT, thread_id)

    assert parse_thread_key(thread_key(thread)) == thread


def test_a_key_is_the_same_for_ever() -> None:
    key = thread_key(ThreadRef("default", PROJECT, "chat\t1"))

    assert key == b"thread\tdefault\t0191d7a2-0000-7000-8000-000000000001\tchat\t1"


@given(st.uuids())
def test_no_trace_id_is_taken_for_a_thread_key(trace_id: UUID) -> None:
    assert not is_thread_key(str(trace_id).encode())
    with pytest.raises(ValueError, match=r"^not a thread key$"):
        parse_thread_key(str(trace_id).encode())


@given(THREADS)
def test_a_thread_key_is_told_by_its_beginning(thread: ThreadRef) -> None:
    assert is_thread_key(thread_key(thread))


@pytest.mark.parametrize("key", [None, b"", b"thread", b"threads\tx"])
def test_another_key_names_no_thread(key: bytes | None) -> None:
    assert not is_thread_key(key)


@pytest.mark.parametrize(
    "key",
    [
        b"",
        b"thread",
        b"thread\tdefault\tnot-a-uuid\tchat",
        f"thread\tdefault\t{PROJECT}".encode(),
        f"thread\tdefault\t{PROJECT}\t".encode(),
        f"trace\tdefault\t{PROJECT}\tchat".encode(),
        f"thread\tdefault\t{str(PROJECT).upper()}\tchat".encode(),  # it would stand in another partition
        f"thread\tdefault\t{PROJECT.hex}\tchat".encode(),
        f"thread\tdefault\t{{{PROJECT}}}\tchat".encode(),
        b"thread\t\xff\t" + str(PROJECT).encode() + b"\tchat",
    ],
)
def test_what_is_no_thread_key_is_refused(key: bytes) -> None:
    with pytest.raises(ValueError, match=r"^not a thread key$"):
        parse_thread_key(key)


@pytest.mark.parametrize("name", ["My Project", " My Project ", "MY PROJECT", "my project\n"])
def test_names_of_a_project_compare_trimmed_and_case_folded(name: str) -> None:
    assert project_id("default", name) == UUID("1f90792c-7c22-5a75-b6a2-b5a0ca177e7e")


@given(WORKSPACES, st.text(st.characters(exclude_categories=("Cs",))))
def test_the_spelling_of_a_project_never_matters(workspace: str, name: str) -> None:
    assert project_id(workspace, f"  {name.casefold()}\n") == project_id(workspace, name)


def test_other_names_and_other_workspaces_are_other_projects() -> None:
    ids = {project_id("a", "x"), project_id("a", "y"), project_id("b", "x"), project_id("ax", ""), project_id("", "ax")}

    assert len(ids) == 5


def test_the_german_sharp_s_is_two_letters_when_case_is_folded() -> None:
    assert project_id("default", "Straße") == project_id("default", "STRASSE")


def test_the_model_id_of_a_thread_follows_from_project_and_thread_id() -> None:
    assert thread_model_id(PROJECT, "chat") == UUID("eeee91b8-5a1e-5d2c-aa28-0f9f79893051")
    assert thread_model_id(PROJECT, "chat") != thread_model_id(PROJECT, "Chat")
    assert thread_model_id(PROJECT, "chat") != thread_model_id(UUID(int=1), "chat")


def test_a_session_is_named_by_the_place_of_its_first_record() -> None:
    assert session_id(PROJECT, 3, 0) == "0191d7a2-0000-7000-8000-000000000001:3:0"
    assert session_id(PROJECT, 3, 14) != session_id(PROJECT, 31, 4)


@given(st.uuids(), st.text(min_size=1))
def test_a_model_id_is_the_uuid5_of_the_standard(project: UUID, thread_id: str) -> None:
    assert thread_model_id(project, thread_id) == uuid5(project, thread_id)
