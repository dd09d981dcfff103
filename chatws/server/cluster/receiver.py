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
    Kicked,
    MessageStored,
    NotePublished,
    PresenceEntry,
    ReadMoved,
    Revoked,
    TypingChanged,
    UserEvent,
)
from chatws.logging import RateLimitedLogger
from chatws.server.connections import lifecycle
from chatws.server.periodic import PeriodicTasks
from chatws.server.services import Services

_log = logging.getLogger("chatws.bus")


class ClusterReceiver:
    """Listener of the bus; passes work that needs to wait to `PeriodicTasks`."""

    def __init__(self, services: Services, periodic: PeriodicTasks) -> None:
        self._services = services
        self._periodic = periodic
        self._logger = RateLimitedLogger(_log, services.clock.monotonic)

    def received(self, channel: str, origin: str, notification: BusMessage) -> None:
        """Apply a notification; an exception affects this notification only."""
        try:
            self._dispatch(channel, origin, notification)
        except Exception as problem:  # noqa: BLE001  a bug must not end the reading of the bus
            self._logger.write(
                logging.ERROR, "bus_message_failed", "bug", problem=problem, messageType=type(notification).__name__
            )

    def resumed(self) -> None:
        """Resync after a time in which any notification may have been lost."""
        self._periodic.resync()

    def server_gone(self, origin: str) -> None:
        """Start the grace of an ended server's users, and take over its work."""
        self._services.presence.server_gone(origin)
        self._periodic.take_over_work()

    def _dispatch(self, channel: str, origin: str, notification: BusMessage) -> None:
        services = self._services
        match notification:
            case MessageStored():
                services.hub.deliver(notification.message)
            case TypingChanged():
                self._typing(origin, notification)
            case PresenceEntry():
                self._presence(channel, origin, notification)
            case ConversationTouched():
                services.inbox.schedule_update(notification.conversation_id)
            case ConversationChanged():
                self._changed(channel, notification)
            case HostingBegan():
                self._send_members(notification.conversation_id)
            case _:
                self._forward(notification)

    def _forward(self, notification: ReadMoved | NotePublished | UserEvent | Revoked | Kicked | BotNoticed) -> None:
        """Forward a notification to the clients; `Revoked` and `Kicked` close connections instead."""
        services = self._services
        match notification:
            case ReadMoved():
                services.hub.deliver_read_mark(notification.read)
            case NotePublished():
                services.hub.deliver_note(notification.note)
            case UserEvent():
                args = () if notification.payload is UNSET else (notification.payload,)
                lifecycle.emit_to_user(services, notification.user_id, notification.name, *args)
            case Revoked():
                self._periodic.close_revoked(notification.user_id)
            case Kicked():
                lifecycle.kick_user(services, notification.user_id)
            case BotNoticed():
                services.inbox.show_notice(notification.notice)

    def _typing(self, origin: str, notification: TypingChanged) -> None:
        hosted = self._services.hub.get(notification.conversation_id)
        if hosted is None:
            return
        if notification.is_typing:
            hosted.typing.start(notification.user, origin)
        else:
            hosted.typing.end(notification.user.user_id, origin)

    def _presence(self, channel: str, origin: str, entry: PresenceEntry) -> None:
        was_unknown = self._services.presence.apply_remote(origin, entry)
        if was_unknown and channel != INBOX:
            # The user may also be connected to servers that do not host this conversation.
            self._periodic.look_up_user(entry.user.user_id)

    def _changed(self, channel: str, notification: ConversationChanged) -> None:
        """Apply a change; a server with inbox subscribers that hosts the conversation receives it on both channels."""
        self._services.hub.adopt(notification.after)
        if channel == INBOX:
            self._services.inbox.schedule_update(notification.after.conversation_id, notification.before)
        else:
            self._services.conversations.notify_observers(notification.after)

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
