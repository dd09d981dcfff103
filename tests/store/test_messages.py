"""Contract: appending, retrying and reading messages."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from msgspec import UNSET

from chatws.protocol.entities import Message
from chatws.protocol.limits import PAGE_BYTES, PAGE_MESSAGES
from chatws.store import Draft, Head, IdempotencyConflict, NotFound, StaleVersion, Store
from tests.store.support import AGENT, ANN, BEN, BOT, StoreClock, all_messages, new_conversation


async def test_appended_message_is_read_back_as_it_was_returned(store: Store) -> None:
    room = await new_conversation(store)
    content = "a < b & 'c'\n\t\u202e𝄞 \"; DROP TABLE messages;--"
    stored = await store.append(Draft(room, ANN, content, "first"))
    assert stored.message.content == content
    assert stored.message.timestamp == "2023-11-14T22:13:20.000Z"
    assert (stored.message.seq, stored.duplicate, stored.conversation) == (1, False, None)
    page = await store.page_after(room, 0, 10)
    assert (page.messages, page.has_more, page.head_seq) == ([stored.message], False, 1)


async def test_sequence_numbers_start_at_one_per_conversation_without_gaps(store: Store) -> None:
    rooms = [await new_conversation(store, f"room-{number}") for number in range(7)]
    drafts = [Draft(rooms[number % 7], ANN, f"{number}", f"{number}") for number in range(700)]
    stored = await asyncio.gather(*(store.append(draft) for draft in drafts))
    for room in rooms:
        assert [message.seq for message in await all_messages(store, room)] == list(range(1, 101))
    assert await store.heads([*rooms, "unknown"]) == dict.fromkeys(rooms, Head(100, 1))
    # Queued in order, stored in order, as for one sender.
    seqs = [answer.message.seq for answer in stored if answer.message.conversation_id == rooms[0]]
    assert seqs == sorted(seqs)


async def test_second_send_with_same_id_returns_first_message(store: Store, clock: StoreClock) -> None:
    room = await new_conversation(store)
    first = await store.append(Draft(room, ANN, "hello", "id"))
    clock.now_ms += 5_000
    await store.append(Draft(room, ANN, "between"))
    again = await store.append(Draft(room, ANN, "hello", "id"))
    assert (again.message, again.duplicate) == (first.message, True)
    assert (await store.heads([room]))[room].seq == 2


async def test_same_id_with_other_content_is_rejected_and_stores_nothing(store: Store) -> None:
    room = await new_conversation(store)
    await store.append(Draft(room, ANN, "hello", "id"))
    with pytest.raises(IdempotencyConflict):
        await store.append(Draft(room, ANN, "goodbye", "id"))
    assert (await store.heads([room]))[room].seq == 1


async def test_client_ids_are_separate_for_each_sender_and_conversation(store: Store) -> None:
    room, other = await new_conversation(store), await new_conversation(store, "other")
    await store.ensure_user(AGENT)
    drafts = [Draft(room, ANN, "1", "id"), Draft(room, AGENT, "2", "id"), Draft(other, ANN, "3", "id")]
    stored = [await store.append(draft) for draft in drafts]
    assert [(answer.message.seq, answer.duplicate) for answer in stored] == [(1, False), (2, False), (1, False)]


async def test_messages_without_a_client_id_are_never_duplicates(store: Store) -> None:
    room = await new_conversation(store)
    stored = [await store.append(Draft(room, ANN, "same")) for _ in range(2)]
    assert [answer.message.seq for answer in stored] == [1, 2]
    assert stored[0].message.client_message_id is UNSET


async def test_append_to_unknown_conversation_is_not_found(store: Store) -> None:
    with pytest.raises(NotFound):
        await store.append(Draft("nowhere", ANN, "hello"))


async def test_customers_message_reopens_a_resolved_conversation(store: Store) -> None:
    room = await new_conversation(store)
    await store.ensure_user(AGENT)
    await store.transition(room, version=1, status="assigned", assignee_id=AGENT.user_id)
    await store.transition(room, version=2, status="resolved", assignee_id=AGENT.user_id)
    assert (await store.append(Draft(room, AGENT, "bye"))).conversation is None
    assert (await store.append(Draft(room, ANN, "quietly", may_change_status=False))).conversation is None
    stored = await store.append(Draft(room, ANN, "one more thing", "id"))
    assert stored.conversation is not None
    assert stored.conversation == await store.conversation(room)
    assert (stored.conversation.status, stored.conversation.assignee, stored.conversation.version) == (
        "queued",
        None,
        4,
    )
    assert stored.conversation.last_message == stored.message
    assert (await store.append(Draft(room, ANN, "one more thing", "id"))).conversation is None


async def test_agents_message_claims_an_unclaimed_conversation(store: Store) -> None:
    room = await new_conversation(store)
    await store.ensure_user(AGENT)
    stored = await store.append(Draft(room, AGENT, "hello", "id"))
    assert stored.conversation is not None
    assert stored.conversation == await store.conversation(room)
    assert (stored.conversation.status, stored.conversation.assignee) == ("assigned", AGENT)
    assert (stored.version, stored.conversation.version) == (2, 2)
    for draft in (Draft(room, AGENT, "hello", "id"), Draft(room, AGENT, "how can I help?")):
        again = await store.append(draft)
        assert (again.conversation, again.version) == (None, 2)


async def test_of_messages_at_the_same_time_each_changes_the_status_once(store: Store) -> None:
    room = await new_conversation(store)
    await store.ensure_user(AGENT)
    await store.append(Draft(room, AGENT, "bye"))
    await store.transition(room, version=2, status="resolved", assignee_id=None)
    drafts = [Draft(room, sender, f"{number}") for number, sender in enumerate((ANN, AGENT, ANN, AGENT))]
    stored = await asyncio.gather(*(store.append(draft) for draft in drafts))
    assert [(each.message.seq, each.version, each.conversation is None) for each in stored] == [
        (2, 4, False),
        (3, 5, False),
        (4, 5, True),
        (5, 5, True),
    ]
    current = await store.conversation(room)
    assert current is not None
    assert (current.status, current.assignee, current.version, current.head_seq) == ("assigned", AGENT, 5, 5)
    assert (await store.append(Draft(room, ANN, "thanks"))).version == 5


async def test_draft_of_a_bot_is_rejected_after_an_agent_took_over(store: Store) -> None:
    await store.create_conversation("room", ANN, "bot")
    answer = await store.append(Draft("room", BOT, "I can help", "a", expected_version=1))
    await store.transition("room", version=1, status="queued", assignee_id=None)
    for version in (1, 2):
        with pytest.raises(StaleVersion) as caught:
            await store.append(Draft("room", BOT, "too late", f"b{version}", expected_version=version))
        assert (caught.value.current.status, caught.value.current.version) == ("queued", 2)
    assert (await store.append(Draft("room", BOT, "I can help", "a", expected_version=1))).message == answer.message
    assert (await store.heads(["room"]))["room"].seq == 1


@pytest.mark.parametrize("content", ["x" * 4_000, "𝄞" * 4_000, '"' * 4_000])
async def test_pages_end_at_the_byte_limit_and_omit_nothing(store: Store, content: str) -> None:
    room = await new_conversation(store)
    await asyncio.gather(*(store.append(Draft(room, ANN, content)) for _ in range(60)))
    seqs: list[int] = []
    while True:
        page = await store.page_after(room, seqs[-1] if seqs else 0, PAGE_MESSAGES)
        assert page.messages
        assert _json_bytes(page.messages) <= PAGE_BYTES
        seqs += [message.seq for message in page.messages]
        if not page.has_more:
            break
        assert _json_bytes(page.messages) > PAGE_BYTES - len(content.encode()) * 2 - 1_000
    assert seqs == list(range(1, 61))


async def test_page_ends_at_its_limit_and_has_more_is_exact(store: Store) -> None:
    room = await new_conversation(store)
    await asyncio.gather(*(store.append(Draft(room, ANN, str(number))) for number in range(PAGE_MESSAGES + 1)))
    whole = await store.page_after(room, 0, 1_000)
    assert (len(whole.messages), whole.has_more) == (PAGE_MESSAGES, True)
    rest = await store.page_after(room, PAGE_MESSAGES, 1_000)
    assert ([message.seq for message in rest.messages], rest.has_more) == ([PAGE_MESSAGES + 1], False)
    exact = await store.page_after(room, PAGE_MESSAGES - 1, 2)
    assert (len(exact.messages), exact.has_more) == (2, False)
    beyond = await store.page_after(room, 5_000, 10)
    assert (beyond.messages, beyond.has_more, beyond.head_seq) == ([], False, PAGE_MESSAGES + 1)


async def test_history_is_read_backward_in_ascending_pages(store: Store) -> None:
    room = await new_conversation(store)
    await asyncio.gather(*(store.append(Draft(room, ANN, str(number))) for number in range(10)))
    newest = await store.page_before(room, None, 4)
    assert ([message.seq for message in newest.messages], newest.has_more) == ([7, 8, 9, 10], True)
    first = await store.page_before(room, 4, 3)
    assert ([message.seq for message in first.messages], first.has_more) == ([1, 2, 3], False)
    for read in (store.page_before("nowhere", None, 3), store.page_after("nowhere", 0, 3)):
        with pytest.raises(NotFound):
            await read


async def test_snapshot_is_consistent(store: Store) -> None:
    room = await new_conversation(store)
    assert await store.snapshot("nowhere", 0) is None
    stop = asyncio.Event()

    async def write() -> None:
        while not stop.is_set():
            stored = await store.append(Draft(room, ANN, "on and on"))
            await store.mark_read(room, ANN.user_id, stored.message.seq)

    writing = asyncio.create_task(write())
    last = 0
    for _ in range(50):
        seen = await store.snapshot(room, last)
        assert seen is not None
        assert [message.seq for message in seen.messages] == list(range(last + 1, seen.conversation.head_seq + 1))
        assert all(mark.seq <= seen.conversation.head_seq for mark in seen.read_marks)
        last = seen.conversation.head_seq
    stop.set()
    await writing
    bare = await store.snapshot(room, None)
    assert bare is not None
    assert (bare.messages, bare.has_more) == ([], False)


async def test_read_mark_moves_forward_only_and_at_most_to_the_head(store: Store) -> None:
    room = await new_conversation(store)
    assert await store.mark_read(room, ANN.user_id, 3) is None
    await asyncio.gather(*(store.append(Draft(room, BEN, str(number))) for number in range(4)))
    moves = [await store.mark_read(room, ANN.user_id, seq) for seq in (2, 1, 2, 99, 99, 0)]
    assert [move and move.seq for move in moves] == [2, None, None, 4, None, None]
    await store.mark_read(room, AGENT.user_id, 1)
    assert [(mark.user_id, mark.seq) for mark in await store.read_marks(room)] == [("agent", 1), ("ann", 4)]
    with pytest.raises(NotFound):
        await store.mark_read("nowhere", ANN.user_id, 1)


async def test_heads_and_appends_return_the_version(store: Store) -> None:
    room = await new_conversation(store)
    assert (await store.append(Draft(room, ANN, "first", "id"))).version == 1
    await store.transition(room, version=1, status="resolved", assignee_id=None)
    assert await store.heads([room]) == {room: Head(1, 2)}
    assert (await store.append(Draft(room, ANN, "first", "id"))).version == 2
    assert (await store.append(Draft(room, ANN, "opens it again"))).version == 3
    assert await store.heads([room]) == {room: Head(2, 3)}


async def test_heads_of_more_conversations_than_parameters_of_a_statement(store: Store) -> None:
    room = await new_conversation(store)
    await store.append(Draft(room, ANN, "hello"))
    assert await store.heads([f"unknown-{number}" for number in range(40_000)] + [room]) == {room: Head(1, 1)}
    assert await store.heads([]) == {}


def _json_bytes(messages: list[Message]) -> int:
    return len(msgspec.json.encode(messages))
