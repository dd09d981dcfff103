"""Publish/subscribe bus between servers: in memory for one process, over Redis for many.

``chatws.bus.factory.make_bus`` creates a bus. It is imported from its module, because it loads the Redis client and the
names of this package do not.
"""

from __future__ import annotations

from chatws.bus.errors import BadBusUrl, BusError, BusUnavailable
from chatws.bus.interface import Bus, BusListener, BusStats, RemotePresenceEntry
from chatws.bus.memory import MemoryBus, MemoryHub
from chatws.bus.messages import (
    INBOX,
    BotNoticed,
    BusMessage,
    ClientChoice,
    ConversationChanged,
    ConversationTouched,
    HostingBegan,
    Kicked,
    MessageStored,
    NotePublished,
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
    "BusMessage",
    "BusStats",
    "BusUnavailable",
    "ClientChoice",
    "ConversationChanged",
    "ConversationTouched",
    "HostingBegan",
    "Kicked",
    "MemoryBus",
    "MemoryHub",
    "MessageStored",
    "NotePublished",
    "PresenceEntry",
    "ReadMoved",
    "RemotePresenceEntry",
    "Revoked",
    "TypingChanged",
    "UserEvent",
    "conversation_channel",
    "user_channel",
]
