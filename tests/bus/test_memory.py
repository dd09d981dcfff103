"""What is particular to the bus in memory."""

from __future__ import annotations

from chatws.bus import INBOX, MemoryBus
from tests.bus.support import Recorder, note, part


async def test_a_bus_of_its_own_has_nobody_to_talk_to() -> None:
    bus, heard = MemoryBus(), Recorder()
    await bus.open(heard)
    await bus.subscribe(INBOX)
    bus.hold(part("bob", role="admin"))
    bus.publish(INBOX, note(1))
    assert await bus.presence_of(["bob"]) == {"bob": []}
    assert await bus.ping()
    await bus.close()
    assert heard.arrivals == []


async def test_notes_of_a_server_that_is_cut_off_are_dropped_and_counted() -> None:
    bus = MemoryBus()
    await bus.open(Recorder())
    bus.cut()
    bus.publish(INBOX, note(1))
    assert (bus.stats.published, bus.stats.dropped) == (0, 1)
    await bus.close()
