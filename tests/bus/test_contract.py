"""Guarantees of the bus interface, checked for every implementation."""

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
    user_channel,
)
from chatws.protocol.entities import Conversation, Message, User
from chatws.protocol.events import MessageRead
from tests.bus.support import ROOM, entry, message

if TYPE_CHECKING:
    from chatws.bus import BusMessage
    from tests.bus.clusters import BusCluster

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
EVERY_KIND: list[BusMessage] = [
    MessageStored(message=MESSAGE),
    ConversationChanged(before=None, after=CONVERSATION),
    ConversationChanged(before=CONVERSATION, after=msgspec.structs.replace(CONVERSATION, version=4)),
    ConversationTouched(conversation_id="c-1"),
    TypingChanged(conversation_id="c-1", user=ANNA, is_typing=True),
    ReadMoved(
        read=MessageRead(conversation_id="c-1", user_id="anna", seq=7, timestamp="2025-10-28T09:30:00.000Z"),
    ),
    entry("anna", "busy", "admin"),
    UserEvent(user_id="anna", name="notification", payload=msgspec.Raw(b'{"title":"Hi","n":[1,null]}')),
    Revoked(user_id="anna"),
]


async def test_every_kind_of_message_arrives_unchanged(cluster: BusCluster) -> None:
    one, two = await cluster.member(), await cluster.member()
    await two.bus.subscribe(ROOM)
    for each in EVERY_KIND:
        one.bus.publish(ROOM, each)
    await two.listener.until(lambda: len(two.listener.messages) == len(EVERY_KIND))
    assert [msgspec.json.encode(each) for each in two.listener.messages] == [
        msgspec.json.encode(each) for each in EVERY_KIND
    ]
    assert {(channel, origin) for channel, origin, _ in two.listener.deliveries} == {(ROOM, one.origin)}


async def test_own_messages_are_not_received(cluster: BusCluster) -> None:
    one, two = await cluster.member(), await cluster.member()
    await one.bus.subscribe(ROOM)
    await two.bus.subscribe(ROOM)
    one.bus.publish(ROOM, message(1))
    await two.listener.until(lambda: bool(two.listener.messages))
    two.bus.publish(ROOM, message(2))
    await one.listener.until(lambda: bool(one.listener.messages))
    assert (one.listener.messages, two.listener.messages) == ([message(2)], [message(1)])


async def test_messages_of_one_origin_on_one_channel_keep_their_order(cluster: BusCluster) -> None:
    one, two, three = [await cluster.member() for _ in range(3)]
    await three.bus.subscribe(ROOM)
    sent = [message(number) for number in range(1_500)]
    for each in sent:
        one.bus.publish(ROOM, each)
        two.bus.publish(ROOM, each)
    await three.listener.until(lambda: len(three.listener.messages) == 3_000)
    for origin in (one.origin, two.origin):
        assert [each for _, sender, each in three.listener.deliveries if sender == origin] == sent


async def test_server_receives_only_subscribed_channels(cluster: BusCluster) -> None:
    one, two = await cluster.member(), await cluster.member()
    await two.bus.subscribe(user_channel("anna"))
    await two.bus.subscribe(INBOX)
    one.bus.publish(ROOM, message(1))
    one.bus.publish(user_channel("ben"), message(2))
    one.bus.publish(user_channel("anna"), message(3))
    one.bus.publish(INBOX, message(4))
    await two.listener.until(lambda: message(4) in two.listener.messages)
    assert two.listener.messages == [message(3), message(4)]


async def test_nothing_arrives_after_unsubscribing(cluster: BusCluster) -> None:
    one, two = await cluster.member(), await cluster.member()
    await two.bus.subscribe(ROOM)
    await two.bus.subscribe(INBOX)
    one.bus.publish(ROOM, message(1))
    await two.listener.until(lambda: bool(two.listener.messages))
    two.bus.unsubscribe(ROOM)
    one.bus.publish(ROOM, message(2))
    one.bus.publish(INBOX, message(3))
    await two.listener.until(lambda: message(3) in two.listener.messages)
    assert two.listener.messages == [message(1), message(3)]


async def test_channel_subscribed_again_is_received_once(cluster: BusCluster) -> None:
    one, two = await cluster.member(), await cluster.member()
    for _ in range(20):
        waiting = [two.bus.subscribe(ROOM), two.bus.subscribe(ROOM)]
        two.bus.unsubscribe(ROOM)
        await asyncio.gather(*waiting, return_exceptions=True)
    await two.bus.subscribe(ROOM)
    one.bus.publish(ROOM, message(1))
    one.bus.publish(ROOM, message(2))
    await two.listener.until(lambda: message(2) in two.listener.messages)
    assert two.listener.messages == [message(1), message(2)]


async def test_presence_is_visible_to_other_servers(cluster: BusCluster) -> None:
    one, two, three = [await cluster.member() for _ in range(3)]
    await three.bus.subscribe(INBOX)
    for member, presence in ((one, entry("anna", "away")), (two, entry("anna")), (two, entry("bob", role="admin"))):
        member.bus.set_presence(presence)
        member.bus.publish(INBOX, presence)
    await three.listener.until(lambda: len(three.listener.messages) == 3)
    found = await three.bus.presence_of(["anna", "bob", "carl"])
    assert set(found["anna"]) == {(one.origin, entry("anna", "away")), (two.origin, entry("anna"))}
    assert found["bob"] == [(two.origin, entry("bob", role="admin"))]
    assert found["carl"] == []
    assert await three.bus.agents() == [(two.origin, entry("bob", role="admin"))]


async def test_own_presence_is_not_returned(cluster: BusCluster) -> None:
    one = await cluster.member()
    one.bus.set_presence(entry("bob", role="admin"))
    assert await one.bus.presence_of(["bob"]) == {"bob": []}
    assert await one.bus.agents() == []


async def test_latest_presence_is_visible_and_offline_removes_it(cluster: BusCluster) -> None:
    one, two = await cluster.member(), await cluster.member()
    await two.bus.subscribe(INBOX)
    one.bus.set_presence(entry("bob", "online", "admin"))
    one.bus.set_presence(entry("bob", "busy", "admin"))
    one.bus.publish(INBOX, message(1))
    await two.listener.until(lambda: message(1) in two.listener.messages)
    assert await two.bus.agents() == [(one.origin, entry("bob", "busy", "admin"))]
    one.bus.set_presence(entry("bob", "offline", "admin"))
    one.bus.publish(INBOX, message(2))
    await two.listener.until(lambda: message(2) in two.listener.messages)
    assert await two.bus.agents() == []
    assert await two.bus.presence_of(["bob"]) == {"bob": []}


async def test_closed_server_is_gone_at_once_with_its_presence(cluster: BusCluster) -> None:
    one, two = await cluster.member(), await cluster.member()
    await two.bus.subscribe(INBOX)
    one.bus.set_presence(entry("bob", role="admin"))
    one.bus.publish(INBOX, message(1))
    await two.listener.until(lambda: bool(two.listener.messages))
    await one.bus.close()
    await two.listener.until(lambda: bool(two.listener.gone))
    assert two.listener.gone == [one.origin]
    assert await two.bus.agents() == []


async def test_nothing_is_received_after_close(cluster: BusCluster) -> None:
    one, two, three = [await cluster.member() for _ in range(3)]
    await two.bus.subscribe(ROOM)
    await three.bus.subscribe(ROOM)
    one.bus.publish(ROOM, message(1))
    await two.bus.close()
    deliveries = list(two.listener.deliveries)
    await one.bus.close()
    await three.listener.until(lambda: one.origin in three.listener.gone)
    assert two.listener.deliveries == deliveries
    assert two.listener.gone == []


async def test_disconnected_server_is_gone_for_the_others_only(cluster: BusCluster) -> None:
    one, two = await cluster.member(), await cluster.member()
    await two.bus.subscribe(ROOM)
    one.bus.publish(ROOM, message(1))
    await two.listener.until(lambda: bool(two.listener.messages))
    await cluster.disconnect(one)
    await two.listener.until(lambda: bool(two.listener.gone))
    assert (one.listener.gone, two.listener.gone) == ([], [one.origin])
    with pytest.raises(BusUnavailable):
        await one.bus.presence_of(["anna"])
    with pytest.raises(BusUnavailable):
        await one.bus.agents()
    assert not await one.bus.ping()
    assert not one.bus.stats.connected
    assert await two.bus.ping()
    assert two.bus.stats.connected


async def test_reconnected_server_resumes_with_its_subscriptions_and_presence(cluster: BusCluster) -> None:
    one, two = await cluster.member(), await cluster.member()
    await one.bus.subscribe(ROOM)
    await two.bus.subscribe(ROOM)
    one.bus.set_presence(entry("bob", role="admin"))
    one.bus.publish(ROOM, message(1))
    await two.listener.until(lambda: bool(two.listener.messages))
    await cluster.disconnect(one)
    await two.listener.until(lambda: bool(two.listener.gone))
    one.bus.set_presence(entry("eve", role="admin"))
    await cluster.reconnect(one)
    await one.listener.until(lambda: bool(one.listener.resumes))
    two.bus.publish(ROOM, message(2))
    await one.listener.until(lambda: message(2) in one.listener.messages)
    assert {remote.entry.user.user_id for remote in await two.bus.agents()} == {"bob", "eve"}
    assert one.bus.stats.reconnects == 1
    assert two.listener.resumes == 0


async def test_stats_count_messages(cluster: BusCluster) -> None:
    one, two = await cluster.member(), await cluster.member()
    await two.bus.subscribe(ROOM)
    for number in range(10):
        one.bus.publish(ROOM, message(number))
    await two.listener.until(lambda: len(two.listener.messages) == 10)
    sender, receiver = one.bus.stats, two.bus.stats
    assert (sender.published, sender.received, sender.dropped, sender.queued) == (10, 0, 0, 0)
    assert (receiver.published, receiver.received, receiver.malformed, receiver.reconnects) == (0, 10, 0, 0)
    assert 0 <= receiver.lag_ms <= 60_000
