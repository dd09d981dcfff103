"""Receiver of the other servers' notifications, dispatched to the parts of this server."""

from __future__ import annotations

import logging

from msgspec import UNSET

from chatws.bus import (
    INBOX,
    BotNoticed,
    BusMessage,
    ConversationChanged,
    ConversationTouched,
    HostingBegan,
    MessageStored,
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
    """Listener of the bus; passes work that needs to wait to `PeriodicTasks`."""

    def __init__(self, services: Services, periodic: PeriodicTasks) -> None:
        self._services = services
        self._periodic = periodic
        self._logger = RateLimitedLogger(_log, services.clock.monotonic)

    def received(self, channel: str, origin: str, note: BusMessage) -> None:
        """Apply a notification; an exception affects this notification only."""
        try:
            self._dispatch(channel, origin, note)
        except Exception as problem:  # noqa: BLE001  a bug must not end the reading of the bus
            self._logger.write(
                logging.ERROR, "bus_message_failed", "bug", problem=problem, messageType=type(note).__name__
            )

    def resumed(self) -> None:
        """Resync after a time in which any notification may have been lost."""
        self._periodic.resync()

    def server_gone(self, origin: str) -> None:
        """Start the grace of an ended server's users, and take over its work."""
        self._services.presence.server_gone(origin)
        self._periodic.take_over_work()

    def _dispatch(self, channel: str, origin: str, note: BusMessage) -> None:
        services = self._services
        match note:
            case MessageStored():
                services.hub.deliver(note.message)
            case TypingChanged():
                self._typing(origin, note)
            case PresenceEntry():
                self._presence(channel, origin, note)
            case ConversationTouched():
                services.inbox.schedule_update(note.conversation_id)
            case ConversationChanged():
                self._changed(channel, note)
            case HostingBegan():
                self._send_members(note.conversation_id)
            case _:
                self._forward(note)

    def _forward(self, note: ReadMoved | UserEvent | Revoked | BotNoticed) -> None:
        """Forward a notification to the clients; `Revoked` closes connections instead."""
        services = self._services
        match note:
            case ReadMoved():
                services.namespace.to(room_name(note.read.conversation_id)).emit("message_read", note.read)
            case UserEvent():
                args = () if note.payload is UNSET else (note.payload,)
                services.namespace.to(lifecycle.user_room(note.user_id)).emit(note.name, *args)
            case Revoked():
                self._periodic.close_revoked(note.user_id)
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

    def _presence(self, channel: str, origin: str, entry: PresenceEntry) -> None:
        was_unknown = self._services.presence.apply_remote(origin, entry)
        if was_unknown and channel != INBOX:
            # The user may also be connected to servers that do not host this conversation.
            self._periodic.look_up_user(entry.user.user_id)

    def _changed(self, channel: str, note: ConversationChanged) -> None:
        """Apply a change; a server with inbox subscribers that hosts the conversation receives it on both channels."""
        self._services.hub.adopt(note.after)
        if channel == INBOX:
            self._services.inbox.schedule_update(note.after.conversation_id, note.before)
        else:
            self._services.conversations.notify_observers(note.after)

    def _send_members(self, conversation_id: str) -> None:
        """Publish the members of a conversation, and those who are typing, to a server that has begun to host it."""
        services = self._services
        hosted = services.hub.get(conversation_id)
        if hosted is None:
            return
        members = (socket.data.user_id for socket in services.namespace.room_members(hosted.room))
        services.cluster.publish_members(conversation_id, services.presence.local_entries_of(members))
        for user in hosted.typing.local_users():
            services.cluster.publish_typing(conversation_id, user, is_typing=True)
