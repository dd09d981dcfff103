"""Contract: conversations, their list, and the compare-and-set of status and assignee."""

from __future__ import annotations

import asyncio

import pytest

from chatws.store import BadCursor, ConversationFilter, Draft, NotFound, StaleVersion, Store
from tests.store.support import AGENT, ANN, BEN, StoreClock, new_conversation


async def test_new_conversation_is_empty_and_at_version_one(store: Store) -> None:
    made, created = await store.create_conversation("room", ANN, "bot")
    assert created
    assert (made.status, made.version, made.customer, made.assignee) == ("bot", 1, ANN, None)
    assert (made.head_seq, made.last_message, made.created_at) == (0, None, "2023-11-14T22:13:20.000Z")
    assert await store.conversation("room") == made
    assert await store.conversation("nowhere") is None


async def test_existing_conversation_of_any_owner_is_returned_unchanged(store: Store) -> None:
    made, _ = await store.create_conversation("room", ANN, "queued")
    assert await store.create_conversation("room", BEN, "bot") == (made, False)


async def test_concurrent_creation_creates_one(store: Store) -> None:
    results = await asyncio.gather(*(store.create_conversation("room", user, "queued") for user in (ANN, BEN) * 10))
    assert sum(created for _, created in results) == 1
    assert len({conversation.customer.user_id for conversation, _ in results}) == 1


async def test_one_of_many_claims_wins_and_the_others_get_the_current_state(store: Store) -> None:
    room = await new_conversation(store)
    await store.ensure_user(AGENT)
    await store.ensure_user(BEN)
    claims = [
        store.transition(room, version=1, status="assigned", assignee_id=user.user_id) for user in (AGENT, BEN) * 8
    ]
    outcomes = await asyncio.gather(*claims, return_exceptions=True)
    winners = [outcome for outcome in outcomes if not isinstance(outcome, BaseException)]
    losers = [outcome for outcome in outcomes if isinstance(outcome, StaleVersion)]
    assert (len(winners), len(losers)) == (1, 15)
    assert (winners[0].version, winners[0].status) == (2, "assigned")
    assert all(loser.current == winners[0] for loser in losers)
    assert await store.conversation(room) == winners[0]


async def test_transition_needs_a_conversation_and_an_assignee_that_exist(store: Store) -> None:
    room = await new_conversation(store)
    with pytest.raises(NotFound):
        await store.transition("nowhere", version=1, status="queued", assignee_id=None)
    with pytest.raises(NotFound) as caught:
        await store.transition(room, version=1, status="assigned", assignee_id="unknown-user")
    assert caught.value.kind == "account"
    unchanged = await store.conversation(room)
    assert unchanged is not None
    assert unchanged.version == 1


async def test_list_starts_with_the_latest_change_including_messages(store: Store, clock: StoreClock) -> None:
    for number in range(3):
        clock.now_ms += 1
        await new_conversation(store, f"room-{number}")
    clock.now_ms += 1
    stored = await store.append(Draft("room-0", ANN, "hello"))
    listed, cursor = await store.conversations(ConversationFilter())
    assert [conversation.conversation_id for conversation in listed] == ["room-0", "room-2", "room-1"]
    assert listed[0].last_message == stored.message
    assert cursor is None


async def test_filters_combine(store: Store) -> None:
    await store.ensure_user(AGENT)
    for number, customer in enumerate((ANN, ANN, BEN)):
        await store.create_conversation(f"room-{number}", customer, "queued")
    await store.transition("room-1", version=1, status="assigned", assignee_id="agent")
    await store.transition("room-2", version=1, status="assigned", assignee_id="agent")
    for filters, expected in (
        (ConversationFilter(status="queued"), {"room-0"}),
        (ConversationFilter(assignee_id="agent"), {"room-1", "room-2"}),
        (ConversationFilter(customer_id="ann"), {"room-0", "room-1"}),
        (ConversationFilter(status="assigned", assignee_id="agent", customer_id="ann"), {"room-1"}),
        (ConversationFilter(status="resolved"), set()),
    ):
        listed, _ = await store.conversations(filters)
        assert {conversation.conversation_id for conversation in listed} == expected


async def test_paging_repeats_no_conversation_while_conversations_change(store: Store, clock: StoreClock) -> None:
    rooms = [
        await new_conversation(store, f"room-{number:02}") for number in range(25)
    ]  # all created in one millisecond
    seen: list[str] = []
    cursor: str | None = None
    while True:
        listed, cursor = await store.conversations(ConversationFilter(cursor=cursor, limit=10))
        seen += [conversation.conversation_id for conversation in listed]
        if cursor is None:
            break
        clock.now_ms += 1
        await store.append(Draft(seen[-1], ANN, "moves a seen one to the front"))
    assert sorted(seen) == rooms


async def test_last_full_page_has_no_cursor(store: Store) -> None:
    for number in range(2):
        await new_conversation(store, f"room-{number}")
    assert (await store.conversations(ConversationFilter(limit=2)))[1] is None


@pytest.mark.parametrize(
    "cursor", ["", "?", "AAAA", "MQ", "LTEuYQ", "é", "x" * 5, "OTk5OTk5OTk5OTk5OTk5OTk5OTkuYQ", "MS4A"]
)
async def test_foreign_cursor_is_rejected(store: Store, cursor: str) -> None:
    with pytest.raises(BadCursor):
        await store.conversations(ConversationFilter(cursor=cursor))
