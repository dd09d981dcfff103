"""Between servers: one port, in memory for one process and over Redis for many.

A bus is made by ``chatws.bus.factory.make_bus``. It is imported from there, because it brings the Redis client and this
package's names do not.
"""

from __future__ import annotations

from chatws.bus.errors import BadBusUrl, BusError, BusUnavailable
from chatws.bus.interface import Bus, BusListener, BusStats, RemotePresenceEntry
from chatws.bus.memory import MemoryBus, MemoryHub
from chatws.bus.messages import (
    INBOX,
    BotNoticed,
    ConversationChanged,
    ConversationTouched,
    HostingBegan,
    MessageStored,
    Note,
    PresenceEntry,
    ReadMoved,
    Revoked,
    TypingChanged,
    UserEvent,
    conversation_channel,
    user_channel,
)

__all__ = [
    "INBOX",
    "BadBusUrl",
    "BotNoticed",
    "Bus",
    "BusError",
    "BusListener",
    "BusStats",
    "BusUnavailable",
    "ConversationChanged",
    "ConversationTouched",
    "HostingBegan",
    "MemoryBus",
    "MemoryHub",
    "MessageStored",
    "Note",
    "PresenceEntry",
    "ReadMoved",
    "RemotePresenceEntry",
    "Revoked",
    "TypingChanged",
    "UserEvent",
    "conversation_channel",
    "user_channel",
]
