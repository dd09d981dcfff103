"""Connection state recovery: rooms and missed messages of a client that reconnects with an offset."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import msgspec

from chatws.protocol.commands import ConnectAuth
from chatws.protocol.entities import Conversation, Message
from chatws.protocol.errors import ChatError
from chatws.protocol.limits import MAX_RECOVERED_BYTES, MAX_RECOVERED_MESSAGES
from chatws.server.connections.registry import Connection
from chatws.server.conversations.hub import room_name
from chatws.server.conversations.recovery_offset import decode_offset, encode_offset, is_pid_of
from chatws.server.requests import policy
from chatws.server.services import Services
from chatws.store.interface import NotFound, StoreError

RECOVERY_TIMEOUT_S = 5.0
"""Time limit for reading the missed messages; CONNECT waits for it."""

_encode = msgspec.json.Encoder().encode


class _NotRecoverable(Exception):
    """The positions cannot be restored exactly."""


class _MissedMessages:
    """Messages of one conversation after a client's position."""

    def __init__(self, conversation_id: str, position: int) -> None:
        self.conversation_id = conversation_id
        self.start = position
        """``seq`` up to which the client has the messages."""
        self.position = position
        """The same after it has received ``messages``."""
        self.messages: list[Message] = []
        self.conversation: Conversation | None = None
        """Conversation at the last read; None before the first."""


class Recovery:
    """One recovery; it reads first, then restores everything in one step without an await."""

    def __init__(self, services: Services, connection: Connection, positions: Mapping[str, int]) -> None:
        self._services = services
        self._connection = connection
        assert connection.identity is not None
        self._user = connection.identity.user
        self._missed = [_MissedMessages(conversation_id, seq) for conversation_id, seq in positions.items()]
        self._left_messages = MAX_RECOVERED_MESSAGES
        self._left_bytes = MAX_RECOVERED_BYTES

    async def run(self) -> bool:
        """Restore rooms and missed messages; return False, with nothing changed, if that is impossible."""
        try:
            async with asyncio.timeout(RECOVERY_TIMEOUT_S):
                while behind := [missed for missed in self._missed if not self._is_current(missed)]:
                    for missed in behind:
                        await self._read(missed)
            self._check_limits()
        except (_NotRecoverable, ChatError, StoreError, TimeoutError):
            return False
        self._restore()
        await self._deliver_unnoticed()
        return True

    def _is_current(self, missed: _MissedMessages) -> bool:
        """Return whether the next live message of the room follows the messages that were read."""
        if missed.conversation is None:
            return False
        hosted = self._services.hub.get(missed.conversation_id)
        return missed.position == (missed.conversation.head_seq if hosted is None else hosted.delivered)

    async def _read(self, missed: _MissedMessages) -> None:
        """Read the next page, and let the hub catch up if it has delivered less than the client has."""
        snapshot = await self._services.store.snapshot(missed.conversation_id, missed.position)
        if snapshot is None or snapshot.conversation.head_seq < missed.position:
            raise _NotRecoverable
        missed.conversation = policy.check_member(self._user, snapshot.conversation)
        for message in snapshot.messages:
            self._left_messages -= 1
            self._left_bytes -= len(_encode(message))
            if self._left_messages < 0 or self._left_bytes < 0:
                raise _NotRecoverable
            missed.messages.append(message)
            missed.position = message.seq
        hosted = self._services.hub.get(missed.conversation_id)
        if (
            hosted is not None
            and hosted.delivered < missed.position
            and not await self._services.hub.read_missing(hosted, missed.position)
        ):
            raise _NotRecoverable

    def _check_limits(self) -> None:
        services, settings = self._services, self._services.settings
        if settings.limits == "off":
            return
        if len(self._missed) > settings.rooms_per_socket or any(
            services.namespace.room_size(room_name(missed.conversation_id)) >= settings.members_per_room
            for missed in self._missed
        ):
            raise _NotRecoverable

    def _restore(self) -> None:
        """Emit the missed messages, each with its offset, and enter the rooms."""
        services, connection = self._services, self._connection
        socket = connection.socket
        socket.allow_burst(MAX_RECOVERED_BYTES - self._left_bytes)
        positions = {missed.conversation_id: missed.start for missed in self._missed}
        for missed in self._missed:
            for message in missed.messages:
                positions[missed.conversation_id] = message.seq
                socket.emit("message_received", message)
                socket.emit("recovery_offset", encode_offset(positions.items()))
        for missed in self._missed:
            assert missed.conversation is not None
            services.hub.enter(connection, missed.conversation)
            services.presence.joined(connection.user_id, missed.conversation_id)

    async def _deliver_unnoticed(self) -> None:
        """Deliver messages that were stored between the read and the subscription to other servers' notifications."""
        hub = self._services.hub
        for hosted in [hub.get(missed.conversation_id) for missed in self._missed]:
            if hosted is not None:
                await hub.wait_subscribed(hosted)
        try:
            heads = await self._services.store.heads([missed.conversation_id for missed in self._missed])
            for conversation_id, head in heads.items():
                hosted = hub.get(conversation_id)
                if hosted is not None and hosted.delivered < head.seq:
                    await hub.read_missing(hosted, head.seq)
        except (StoreError, NotFound):
            pass  # read by the next reconciliation


async def recover(services: Services, connection: Connection, credentials: ConnectAuth) -> None:
    """Recover a connection authenticated in CONNECT, which then keeps its previous ``pid``, if it sent an offset."""
    if credentials.pid is None or credentials.offset is None:
        return
    is_own = is_pid_of(credentials.pid, services.store.epoch, connection.user_id)
    positions = decode_offset(credentials.offset) if is_own else None
    if positions is not None and await Recovery(services, connection, positions).run():
        connection.socket.pid = credentials.pid
        services.metrics.recoveries["recovered"].inc()
    else:
        services.hub.emit_offset(connection)  # replaces the one that the client still has
        services.metrics.recoveries["refused"].inc()
