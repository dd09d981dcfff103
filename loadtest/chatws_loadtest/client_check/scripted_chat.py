"""In-memory chat of the server that the client under test uses: it behaves until a situation replaces a handler."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from chatws.engine.errors import ConnectRefused
from chatws.protocol.errors import ChatError, ErrorCode
from chatws.protocol.events import Authenticated, Failed, JoinedConversation, LeftConversation, Timers
from chatws.protocol.limits import PRESENCE_GRACE_MS, TYPING_EXPIRE_MS, TYPING_RESEND_MS
from chatws.protocol.responses import AuthAck, InboxAck, MarkAck, Ok, Refused, SendAck
from chatws_loadtest.client_check.scripted_room import ScriptedRoom, now_text
from chatws_loadtest.client_check.traffic import Traffic, TrafficEntry, TrafficKind

if TYPE_CHECKING:
    from chatws.engine import Namespace, Socket
    from chatws.engine.events import DisconnectReason, IncomingEvent
    from chatws.protocol.entities import Conversation, Message, Role

EXPIRES_AT = "2100-01-01T00:00:00.000Z"
USER_NAME = "Client under test"
FIRST_CONVERSATION = "conv-1"
"""Conversation of each customer session, and of the inbox, which is never empty."""
TIMERS = Timers(
    typing_resend_ms=TYPING_RESEND_MS,
    typing_expire_ms=TYPING_EXPIRE_MS,
    presence_grace_ms=PRESENCE_GRACE_MS,
    positions_ms=30_000,
)


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """Event of the client, as a handler gets it."""

    socket: Socket
    event: IncomingEvent
    entry: TrafficEntry

    def reply(self, value: object) -> None:
        """Send the ack, if the client requested one."""
        self.event.reply(value)

    def refuse(self, code: ErrorCode, *, retry_after_ms: int | None = None) -> None:
        """Refuse the request in its ack, or with an ``error`` event if the client requested no ack."""
        body = ChatError(code, retry_after_ms=retry_after_ms).body
        if self.event.wants_ack:
            self.event.reply(Refused(error=body))
            return
        failed = Failed(message=body.message, code=code, retryable=body.retryable, event=self.entry.name)
        self.socket.emit("error", failed)


Handler = Callable[[ChatRequest], Awaitable[None]]
ConnectFault = Callable[["Socket"], Awaitable[None]]


class ScriptedChat:
    """Chat with any number of conversations, which any client may join with any credentials.

    It makes the promises of docs/protocol.md: messages are stored once per ``clientMessageId``, numbered, and sent to
    the room before they are acked.
    """

    def __init__(self, namespace: Namespace, traffic: Traffic) -> None:
        self.rooms: dict[str, ScriptedRoom] = {}
        self.epoch = ""
        self.connect_fault: ConnectFault | None = None
        """Called with each new socket before it is accepted; it may raise `ConnectRefused`."""
        self._namespace = namespace
        self._traffic = traffic
        self._overrides: dict[str, Handler] = {}
        self._handlers: dict[str, Handler] = {
            "authenticate": self._authenticate,
            "refresh_token": self._authenticate,
            "join_conversation": self._join,
            "leave_conversation": self._leave,
            "send_message": self._send,
            "history": self._history,
            "mark_read": self._mark_read,
            "subscribe_inbox": self._subscribe_inbox,
            **dict.fromkeys(("typing_start", "typing_stop", "set_presence"), self._confirm),
        }
        self.clear()
        namespace.on_connect(self._connect)
        namespace.on_disconnect(self._disconnect)
        namespace.on_event(self._receive)

    def clear(self) -> None:
        """Forget all messages; the next client begins with an empty database."""
        self.rooms.clear()
        self.epoch = secrets.token_hex(4)

    def heal(self) -> None:
        """End all faults."""
        self._overrides.clear()
        self.connect_fault = None

    def override(self, name: str, handler: Handler) -> None:
        """Replace the handler of an event until `restore` or `heal`."""
        self._overrides[name] = handler

    def restore(self, name: str) -> None:
        """Return to the original handler of an event."""
        self._overrides.pop(name, None)

    @property
    def sockets(self) -> list[Socket]:
        """Open sockets of the client."""
        return list(self._namespace.sockets.values())

    def joined_rooms(self) -> set[str]:
        """Return the conversations that an open socket has joined."""
        return {room for socket in self.sockets for room in socket.rooms}

    def room(self, conversation_id: str) -> ScriptedRoom:
        """Return a conversation, which exists from its first use on."""
        return self.rooms.setdefault(conversation_id, ScriptedRoom(conversation_id))

    async def handle(self, request: ChatRequest) -> None:
        """Handle a request as a server without faults does."""
        handler = self._handlers.get(request.entry.name)
        if handler is None:
            request.refuse(ErrorCode.UNKNOWN_EVENT)
            return
        await handler(request)

    def broadcast(self, message: Message, **changes: object) -> None:
        """Send a message to the members of its conversation; ``changes`` replace or add fields."""
        payload = {**msgspec.to_builtins(message), **changes}
        self._namespace.to(message.conversation_id).emit("message_received", payload)

    def emit(self, name: str, *args: object) -> None:
        """Send an event to every socket."""
        self._namespace.emit(name, *args)

    def conversations(self) -> list[Conversation]:
        """Return the conversations of the inbox."""
        self.room(FIRST_CONVERSATION)
        return [room.conversation() for room in self.rooms.values()]

    def store(self, request: ChatRequest) -> tuple[Message, bool]:
        """Store the message of a request; return it, and whether it was stored before."""
        return self._store(request.socket.data, request.entry)

    def send_over_rest(self, auth: object, payload: dict[str, object]) -> SendAck:
        """Record and store a message without a socket, send it to the room, and return its ack."""
        entry = self._traffic.add(TrafficKind.REQUEST, name="send_message", payload=payload)
        return self._accept(auth, entry)

    # Handlers

    async def _connect(self, socket: Socket, raw: msgspec.Raw | None) -> None:
        auth = msgspec.json.decode(raw) if raw is not None else None
        if self.connect_fault is not None:
            try:
                await self.connect_fault(socket)
            except ConnectRefused:
                self._traffic.add(TrafficKind.REFUSED, socket.id, payload=auth)
                raise
        socket.data = auth
        self._traffic.add(TrafficKind.CONNECTED, socket.id, payload=auth)
        if has_credentials(auth):
            self._confirm_identity(socket)

    def _disconnect(self, socket: Socket, reason: DisconnectReason) -> None:
        self._traffic.add(TrafficKind.ENDED, socket.id, name=reason)

    async def _receive(self, socket: Socket, event: IncomingEvent) -> None:
        name, args = event.name, event.args
        payload = msgspec.json.decode(args[0]) if args else None
        entry = self._traffic.add(TrafficKind.REQUEST, socket.id, name, payload)
        await self._overrides.get(name, self.handle)(ChatRequest(socket, event, entry))

    def _confirm_identity(self, socket: Socket) -> None:
        socket.emit(
            "authenticated",
            Authenticated(
                user_id=user_id_of(socket.data),
                user_name=USER_NAME,
                role=role_of(socket.data),
                expires_at=EXPIRES_AT,
                server_time=now_text(),
                epoch=self.epoch,
                timers=TIMERS,
            ),
        )

    async def _authenticate(self, request: ChatRequest) -> None:
        socket = request.socket
        socket.data = request.entry.payload
        ack = AuthAck(
            user_id=user_id_of(socket.data),
            user_name=USER_NAME,
            role=role_of(socket.data),
            expires_at=EXPIRES_AT,
        )
        request.reply(ack)
        if request.entry.name == "authenticate":
            self._confirm_identity(socket)

    async def _join(self, request: ChatRequest) -> None:
        room = self.room(request.entry.conversation_id)
        request.socket.join(room.conversation_id)
        payload = request.entry.payload if isinstance(request.entry.payload, dict) else {}
        request.reply(room.join_ack(self.epoch, payload.get("afterSeq"), payload.get("epoch")))
        request.socket.emit("joined_conversation", JoinedConversation(conversation_id=room.conversation_id))

    async def _leave(self, request: ChatRequest) -> None:
        conversation_id = request.entry.conversation_id
        request.socket.leave(conversation_id)
        request.reply(Ok())
        request.socket.emit("left_conversation", LeftConversation(conversation_id=conversation_id))

    async def _send(self, request: ChatRequest) -> None:
        entry = request.entry
        if entry.conversation_id not in request.socket.rooms:
            request.refuse(ErrorCode.NOT_JOINED)
            return
        request.reply(self._accept(request.socket.data, entry))

    def _accept(self, auth: object, entry: TrafficEntry) -> SendAck:
        message, was_stored = self._store(auth, entry)
        if not was_stored:
            self.broadcast(message)
        self._traffic.add(TrafficKind.ACCEPTED, entry.connection, entry.name, entry.payload)
        return self.room(entry.conversation_id).send_ack(message, is_duplicate=was_stored)

    def _store(self, auth: object, entry: TrafficEntry) -> tuple[Message, bool]:
        given = entry.client_message_id
        return self.room(entry.conversation_id).append(
            user_id_of(auth), role_of(auth), str(entry.content), given if isinstance(given, str) else None
        )

    async def _history(self, request: ChatRequest) -> None:
        payload = request.entry.payload if isinstance(request.entry.payload, dict) else {}
        room = self.room(request.entry.conversation_id)
        request.reply(room.page(payload.get("afterSeq"), payload.get("beforeSeq"), payload.get("limit", 50)))

    async def _mark_read(self, request: ChatRequest) -> None:
        payload = request.entry.payload if isinstance(request.entry.payload, dict) else {}
        request.reply(MarkAck(seq=payload.get("seq", 0)))

    async def _subscribe_inbox(self, request: ChatRequest) -> None:
        request.reply(InboxAck(conversations=self.conversations(), presence=[]))

    async def _confirm(self, request: ChatRequest) -> None:
        request.reply(Ok())


def has_credentials(auth: object) -> bool:
    """Return whether the payload of a CONNECT has a token or a session id."""
    return isinstance(auth, dict) and bool(auth.get("token") or auth.get("sessionId"))


def role_of(auth: object) -> Role:
    """Return the role of the credentials: a token is an agent's."""
    return "admin" if isinstance(auth, dict) and auth.get("token") else "customer"


def user_id_of(auth: object) -> str:
    """Return the id of the user with these credentials: all clients of a role are one user."""
    return f"client-{role_of(auth)}"
