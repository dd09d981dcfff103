"""The port's promises, kept by every bus."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec
import pytest

from chatws.bus import (
    INBOX,
    BusUnavailable,
    ConversationChanged,
    ConversationTouched,
    MessageStored,
    ReadMoved,
    Revoked,
    TypingChanged,
    UserEvent,
    conversation_channel,
    user_channel,
)
from chatws.protocol.entities import Conversation, Message, User
from chatws.protocol.events import MessageRead
from tests.bus.support import note, part

if TYPE_CHECKING:
    from chatws.bus import Note
    from tests.bus.clusters import Town

ROOM = conversation_channel("c-1")
ANNA = User(user_id="anna", user_name="Anna ☂", role="customer")
MESSAGE = Message(
    conversation_id="c-1", content='<b>"é\n', sender=ANNA, timestamp="2025-10-28T09:30:00.000Z", message_id="m", seq=7
)
CONVERSATION = Conversation(
    conversation_id="c-1",
    status="queued",
    version=3,
    customer=ANNA,
    assignee=None,
    created_at="2025-10-28T09:30:00.000Z",
    updated_at="2025-10-28T09:30:00.000Z",
    head_seq=7,
    last_message=MESSAGE,
)
EVERY_KIND: list[Note] = [
    MessageStored(message=MESSAGE),
    ConversationChanged(before=None, after=CONVERSATION),
    ConversationChanged(before=CONVERSATION, after=msgspec.structs.replace(CONVERSATION, version=4)),
    ConversationTouched(conversation_id="c-1"),
    TypingChanged(conversation_id="c-1", user=ANNA, is_typing=True),
    ReadMoved(
        read=MessageRead(conversation_id="c-1", user_id="anna", seq=7, timestamp="2025-10-28T09:30:00.000Z"),
    ),
    part("anna", "busy", "admin"),
    UserEvent(user_id="anna", name="notification", payload=msgspec.Raw(b'{"title":"Hi","n":[1,null]}')),
    Revoked(user_id="anna"),
]


async def test_every_kind_of_note_arrives_as_it_was_published(town: Town) -> None:
    one, two = await town.member(), await town.member()
    await two.bus.subscribe(ROOM)
    for each in EVERY_KIND:
        one.bus.publish(ROOM, each)
    await two.heard.until(lambda: len(two.heard.notes) == len(EVERY_KIND))
    assert [msgspec.json.encode(each) for each in two.heard.notes] == [msgspec.json.encode(each) for each in EVERY_KIND]
    assert {(channel, origin) for channel, origin, _ in two.heard.arrivals} == {(ROOM, one.origin)}


async def test_own_notes_never_come_back(town: Town) -> None:
    one, two = await town.member(), await town.member()
    await one.bus.subscribe(ROOM)
    await two.bus.subscribe(ROOM)
    one.bus.publish(ROOM, note(1))
    await two.heard.until(lambda: bool(two.heard.notes))
    two.bus.publish(ROOM, note(2))
    await one.heard.until(lambda: bool(one.heard.notes))
    assert (one.heard.notes, two.heard.notes) == ([note(2)], [note(1)])


async def test_notes_of_one_origin_on_one_channel_keep_their_order(town: Town) -> None:
    one, two, three = [await town.member() for _ in range(3)]
    await three.bus.subscribe(ROOM)
    sent = [note(number) for number in range(1_500)]
    for each in sent:
        one.bus.publish(ROOM, each)
        two.bus.publish(ROOM, each)
    await three.heard.until(lambda: len(three.heard.notes) == 3_000)
    for origin in (one.origin, two.origin):
        assert [each for _, sender, each in three.heard.arrivals if sender == origin] == sent


async def test_a_server_hears_only_what_it_has_subscribed(town: Town) -> None:
    one, two = await town.member(), await town.member()
    await two.bus.subscribe(user_channel("anna"))
    await two.bus.subscribe(INBOX)
    one.bus.publish(ROOM, note(1))
    one.bus.publish(user_channel("ben"), note(2))
    one.bus.publish(user_channel("anna"), note(3))
    one.bus.publish(INBOX, note(4))
    await two.heard.until(lambda: note(4) in two.heard.notes)
    assert two.heard.notes == [note(3), note(4)]


async def test_nothing_arrives_after_unsubscribing(town: Town) -> None:
    one, two = await town.member(), await town.member()
    await two.bus.subscribe(ROOM)
    await two.bus.subscribe(INBOX)
    one.bus.publish(ROOM, note(1))
    await two.heard.until(lambda: bool(two.heard.notes))
    two.bus.unsubscribe(ROOM)
    one.bus.publish(ROOM, note(2))
    one.bus.publish(INBOX, note(3))
    await two.heard.until(lambda: note(3) in two.heard.notes)
    assert two.heard.notes == [note(1), note(3)]


async def test_a_channel_left_and_entered_again_is_heard_once(town: Town) -> None:
    one, two = await town.member(), await town.member()
    for _ in range(20):
        waiting = [two.bus.subscribe(ROOM), two.bus.subscribe(ROOM)]
        two.bus.unsubscribe(ROOM)
        await asyncio.gather(*waiting, return_exceptions=True)
    await two.bus.subscribe(ROOM)
    one.bus.publish(ROOM, note(1))
    one.bus.publish(ROOM, note(2))
    await two.heard.until(lambda: note(2) in two.heard.notes)
    assert two.heard.notes == [note(1), note(2)]


async def test_others_can_ask_for_held_presence(town: Town) -> None:
    one, two, three = [await town.member() for _ in range(3)]
    await three.bus.subscribe(INBOX)
    for member, held in ((one, part("anna", "away")), (two, part("anna")), (two, part("bob", role="admin"))):
        member.bus.hold(held)
        member.bus.publish(INBOX, held)
    await three.heard.until(lambda: len(three.heard.notes) == 3)
    found = await three.bus.presence_of(["anna", "bob", "carl"])
    assert set(found["anna"]) == {(one.origin, part("anna", "away")), (two.origin, part("anna"))}
    assert found["bob"] == [(two.origin, part("bob", role="admin"))]
    assert found["carl"] == []
    assert await three.bus.agents() == [(two.origin, part("bob", role="admin"))]


async def test_own_presence_is_not_among_the_others(town: Town) -> None:
    one = await town.member()
    one.bus.hold(part("bob", role="admin"))
    assert await one.bus.presence_of(["bob"]) == {"bob": []}
    assert await one.bus.agents() == []


async def test_the_last_held_part_is_what_others_find_and_offline_ends_it(town: Town) -> None:
    one, two = await town.member(), await town.member()
    await two.bus.subscribe(INBOX)
    one.bus.hold(part("bob", "online", "admin"))
    one.bus.hold(part("bob", "busy", "admin"))
    one.bus.publish(INBOX, note(1))
    await two.heard.until(lambda: note(1) in two.heard.notes)
    assert await two.bus.agents() == [(one.origin, part("bob", "busy", "admin"))]
    one.bus.hold(part("bob", "offline", "admin"))
    one.bus.publish(INBOX, note(2))
    await two.heard.until(lambda: note(2) in two.heard.notes)
    assert await two.bus.agents() == []
    assert await two.bus.presence_of(["bob"]) == {"bob": []}


async def test_a_server_that_closes_is_gone_at_once_and_holds_nothing(town: Town) -> None:
    one, two = await town.member(), await town.member()
    await two.bus.subscribe(INBOX)
    one.bus.hold(part("bob", role="admin"))
    one.bus.publish(INBOX, note(1))
    await two.heard.until(lambda: bool(two.heard.notes))
    await one.bus.close()
    await two.heard.until(lambda: bool(two.heard.gone))
    assert two.heard.gone == [one.origin]
    assert await two.bus.agents() == []


async def test_nothing_is_received_after_close(town: Town) -> None:
    one, two, three = [await town.member() for _ in range(3)]
    await two.bus.subscribe(ROOM)
    await three.bus.subscribe(ROOM)
    one.bus.publish(ROOM, note(1))
    await two.bus.close()
    heard = list(two.heard.arrivals)
    await one.bus.close()
    await three.heard.until(lambda: one.origin in three.heard.gone)
    assert two.heard.arrivals == heard
    assert two.heard.gone == []


async def test_a_server_that_is_cut_off_is_gone_for_the_others_only(town: Town) -> None:
    one, two = await town.member(), await town.member()
    await two.bus.subscribe(ROOM)
    one.bus.publish(ROOM, note(1))
    await two.heard.until(lambda: bool(two.heard.notes))
    await town.cut(one)
    await two.heard.until(lambda: bool(two.heard.gone))
    assert (one.heard.gone, two.heard.gone) == ([], [one.origin])
    with pytest.raises(BusUnavailable):
        await one.bus.presence_of(["anna"])
    with pytest.raises(BusUnavailable):
        await one.bus.agents()
    assert not await one.bus.ping()
    assert not one.bus.stats.connected
    assert await two.bus.ping()
    assert two.bus.stats.connected


async def test_a_server_that_is_back_resumes_with_its_subscriptions_and_presence(town: Town) -> None:
    one, two = await town.member(), await town.member()
    await one.bus.subscribe(ROOM)
    await two.bus.subscribe(ROOM)
    one.bus.hold(part("bob", role="admin"))
    one.bus.publish(ROOM, note(1))
    await two.heard.until(lambda: bool(two.heard.notes))
    await town.cut(one)
    await two.heard.until(lambda: bool(two.heard.gone))
    one.bus.hold(part("eve", role="admin"))
    await town.restore(one)
    await one.heard.until(lambda: bool(one.heard.resumes))
    two.bus.publish(ROOM, note(2))
    await one.heard.until(lambda: note(2) in one.heard.notes)
    assert {held.part.user.user_id for held in await two.bus.agents()} == {"bob", "eve"}
    assert one.bus.stats.reconnects == 1
    assert two.heard.resumes == 0


async def test_figures_count_what_crossed(town: Town) -> None:
    one, two = await town.member(), await town.member()
    await two.bus.subscribe(ROOM)
    for number in range(10):
        one.bus.publish(ROOM, note(number))
    await two.heard.until(lambda: len(two.heard.notes) == 10)
    sender, receiver = one.bus.stats, two.bus.stats
    assert (sender.published, sender.received, sender.dropped, sender.queued) == (10, 0, 0, 0)
    assert (receiver.published, receiver.received, receiver.malformed, receiver.reconnects) == (0, 10, 0, 0)
    assert 0 <= receiver.lag_ms <= 60_000
