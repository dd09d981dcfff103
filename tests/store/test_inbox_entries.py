"""Inbox entries: unread messages after the agent's read mark, and the time since which a customer waits."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from msgspec import UNSET

from chatws.protocol.ids import format_timestamp
from chatws.store import Draft
from chatws.store.queries.inbox import RECENT
from tests.store.support import AGENT, ANN, BOT, START_MS, new_conversation

if TYPE_CHECKING:
    from chatws.protocol.entities import InboxEntry, User
    from chatws.store import Store
    from tests.store.support import StoreClock


async def say(store: Store, clock: StoreClock, room: str, *senders: User) -> None:
    """Append a message of each sender, a second apart."""
    for sender in senders:
        clock.now_ms += 1_000
        await store.append(Draft(room, sender, "text"))


async def entry(store: Store, room: str) -> InboxEntry | None:
    found = await store.inbox_entries([room, "unknown"], AGENT.user_id)
    return found[0] if found else None


async def test_unread_messages_follow_the_read_mark_and_leave_out_the_agents_own(
    store: Store, clock: StoreClock
) -> None:
    room = await new_conversation(store)
    await store.ensure_user(AGENT)
    assert await entry(store, room) is None
    await say(store, clock, room, ANN, ANN, AGENT, BOT, ANN)
    await store.mark_read(room, AGENT.user_id, 1)
    await store.mark_read(room, ANN.user_id, 5)
    found = await entry(store, room)
    assert found is not None
    assert found.unread == 3


async def test_customer_waits_from_the_first_message_after_the_last_answer(store: Store, clock: StoreClock) -> None:
    room = await new_conversation(store)
    await store.ensure_user(AGENT)
    await say(store, clock, room, ANN, AGENT, ANN, ANN)
    await store.mark_read(room, AGENT.user_id, 4)
    found = await entry(store, room)
    assert found is not None
    assert (found.unread, found.waiting_since) == (0, format_timestamp(START_MS + 3_000))
    await say(store, clock, room, BOT)
    found = await entry(store, room)
    assert found is not None
    assert (found.unread, found.waiting_since) == (1, UNSET)


async def test_only_the_newest_messages_are_examined(store: Store, clock: StoreClock) -> None:
    room = await new_conversation(store)
    await say(store, clock, room, *[ANN] * 3)
    await asyncio.gather(*(store.append(Draft(room, ANN, "text")) for _ in range(RECENT - 1)))
    found = await entry(store, room)
    assert found is not None
    assert (found.unread, found.waiting_since) == (RECENT, format_timestamp(START_MS + 3_000))
