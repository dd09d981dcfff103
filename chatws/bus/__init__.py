"""Between servers: one port, in memory for one process and over Redis for many.

A bus is made by ``chatws.bus.factory.make_bus``. It is imported from there, because it brings the Redis client and this
package's names do not.
"""

from __future__ import annotations

from chatws.bus.errors import Away, BadBusUrl, BusError
from chatws.bus.memory import MemoryBus, MemoryHub
from chatws.bus.notes import (
    INBOX,
    BotNoticed,
    ConversationChanged,
    ConversationTouched,
    HostingBegan,
    MessageStored,
    Note,
    PresencePart,
    ReadMoved,
    Revoked,
    TypingChanged,
    UserEvent,
    conversation_channel,
    user_channel,
)
from chatws.bus.port import Bus, BusStats, Held, Receiver

__all__ = [
    "INBOX",
    "Away",
    "BadBusUrl",
    "BotNoticed",
    "Bus",
    "BusError",
    "BusStats",
    "ConversationChanged",
    "ConversationTouched",
    "Held",
    "HostingBegan",
    "MemoryBus",
    "MemoryHub",
    "MessageStored",
    "Note",
    "PresencePart",
    "ReadMoved",
    "Receiver",
    "Revoked",
    "TypingChanged",
    "UserEvent",
    "conversation_channel",
    "user_channel",
]
