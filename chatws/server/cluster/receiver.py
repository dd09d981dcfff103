"""What other servers say, handed to the parts that it concerns."""

from __future__ import annotations

import logging

from msgspec import UNSET

from chatws.bus import (
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
)
from chatws.logging import RateLimitedLogger
from chatws.server.connections import lifecycle
from chatws.server.conversations.hub import room_name
from chatws.server.periodic import PeriodicTasks
from chatws.server.services import Services

_log = logging.getLogger("chatws.bus")


class ClusterReceiver:
    """The bus's receiver; what needs waiting is left to the background."""

    def __init__(self, services: Services, background: PeriodicTasks) -> None:
        self._services = services
        self._background = background
        self._lines = RateLimitedLogger(_log, services.clock.monotonic)

    def received(self, channel: str, origin: str, note: Note) -> None:
        """Another server said something; a bug in what comes of it costs this note only."""
        try:
            self._dispatch(channel, origin, note)
        except Exception as problem:  # noqa: BLE001  the bus reads on, whatever one note brings about
            self._lines.write(logging.ERROR, "note_failed", "bug", problem=problem, note=type(note).__name__)

    def resumed(self) -> None:
        """Anything may have been missed."""
        self._background.make_good()

    def server_gone(self, origin: str) -> None:
        """Another server has ended: its users are gone, unless they come back, and so is its work."""
        self._services.presence.server_gone(origin)
        self._background.take_over_work()

    def _dispatch(self, channel: str, origin: str, note: Note) -> None:
        services = self._services
        match note:
            case MessageStored():
                services.hub.deliver(note.message)
            case TypingChanged():
                self._typing(origin, note)
            case PresenceEntry():
                self._presence(channel, origin, note)
            case ConversationTouched():
                services.inbox.touch(note.conversation_id)
            case ConversationChanged():
                self._changed(channel, note)
            case HostingBegan():
                self._introduce(note.conversation_id)
            case _:
                self._emit(note)

    def _emit(self, note: ReadMoved | UserEvent | Revoked | BotNoticed) -> None:
        """Hand on what is an event for clients, more or less as it stands."""
        services = self._services
        match note:
            case ReadMoved():
                services.namespace.to(room_name(note.read.conversation_id)).emit("message_read", note.read)
            case UserEvent():
                args = () if note.payload is UNSET else (note.payload,)
                services.namespace.to(lifecycle.user_room(note.user_id)).emit(note.name, *args)
            case Revoked():
                self._background.close_barred(note.user_id)
            case BotNoticed():
                services.inbox.show_notice(note.notice)

    def _typing(self, origin: str, note: TypingChanged) -> None:
        hosted = self._services.hub.get(note.conversation_id)
        if hosted is None:
            return
        if note.is_typing:
            hosted.typing.start(note.user, origin)
        else:
            hosted.typing.end(note.user.user_id, origin)

    def _presence(self, channel: str, origin: str, part: PresenceEntry) -> None:
        is_stranger = self._services.presence.hear(origin, part)
        if is_stranger and channel != INBOX:
            # The user may be connected to servers that have nothing to do with this conversation.
            self._background.ask_about(part.user.user_id)

    def _changed(self, channel: str, note: ConversationChanged) -> None:
        """Every server that follows an inbox hears it there, and again in the conversation when it hosts that, too."""
        self._services.hub.adopt(note.after)
        if channel == INBOX:
            self._services.inbox.touch(note.after.conversation_id, note.before)
        else:
            self._services.conversations.notify_observers(note.after)

    def _introduce(self, conversation_id: str) -> None:
        services = self._services
        hosted = services.hub.get(conversation_id)
        if hosted is None:
            return
        members = (socket.data.user_id for socket in services.namespace.room_members(hosted.room))
        services.cluster.send_presence(conversation_id, services.presence.parts_of(members))
        for user in hosted.typing.local_users():
            services.cluster.typing(conversation_id, user, is_typing=True)
