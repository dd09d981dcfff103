"""Search in names and messages, on every backend."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from msgspec import UNSET

from chatws.store import Draft
from chatws.store.queries.search import SEARCHED_MESSAGES
from tests.store.support import AGENT, ANN, BEN

if TYPE_CHECKING:
    from chatws.store import Store
    from tests.store.support import StoreClock


async def found(store: Store, text: str) -> list[tuple[str, str | None]]:
    """Return the id and the message of each hit."""
    hits = await store.search(text)
    return [(hit.conversation.conversation_id, None if hit.message is UNSET else hit.message.content) for hit in hits]


async def test_names_and_newest_messages_with_the_text_are_found(store: Store, clock: StoreClock) -> None:
    await store.ensure_user(AGENT)
    for room, customer in (("first", ANN), ("second", BEN), ("third", ANN)):
        clock.now_ms += 1_000
        await store.create_conversation(room, customer, "queued")
        await store.append(Draft(room, customer, f"My order, {room}"))
    clock.now_ms += 1_000
    await store.append(Draft("first", AGENT, "The ORDER of 100% is on its way"))
    assert await found(store, "order") == [
        ("first", "The ORDER of 100% is on its way"),
        ("third", "My order, third"),
        ("second", "My order, second"),
    ]
    assert await found(store, "ben") == [("second", None)]
    assert await found(store, "0%") == [("first", "The ORDER of 100% is on its way")]
    assert await found(store, "o_d") == []
    assert await found(store, "parcel") == []


async def test_customer_is_found_by_part_of_the_mail_address(store: Store) -> None:
    for user, room in ((ANN, "anns"), (BEN, "bens")):
        await store.create_session(f"secret-{room}", user, 1, room, "queued", email=f"{room}@Example.org")
        await store.append(Draft(room, user, "Hello"))
    assert await found(store, "bens@example") == [("bens", None)]
    assert sorted(await found(store, "example.org")) == [("anns", None), ("bens", None)]


async def test_old_messages_of_a_long_conversation_are_not_read(store: Store) -> None:
    await store.create_conversation("room", ANN, "queued")
    await store.append(Draft("room", ANN, "needle"))
    await asyncio.gather(*(store.append(Draft("room", ANN, str(number))) for number in range(SEARCHED_MESSAGES)))
    assert await found(store, "needle") == []
