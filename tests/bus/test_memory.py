"""Behaviour specific to the in-memory bus."""

from __future__ import annotations

from chatws.bus import INBOX, MemoryBus
from tests.bus.support import RecordingBusListener, entry, message


async def test_bus_without_a_hub_has_no_other_servers() -> None:
    bus, listener = MemoryBus(), RecordingBusListener()
    await bus.open(listener)
    await bus.subscribe(INBOX)
    bus.set_presence(entry("bob", role="admin"))
    bus.publish(INBOX, message(1))
    assert await bus.presence_of(["bob"]) == {"bob": []}
    assert await bus.ping()
    await bus.close()
    assert listener.deliveries == []


async def test_messages_of_a_disconnected_server_are_dropped_and_counted() -> None:
    bus = MemoryBus()
    await bus.open(RecordingBusListener())
    bus.disconnect()
    bus.publish(INBOX, message(1))
    assert (bus.stats.published, bus.stats.dropped) == (0, 1)
    await bus.close()
