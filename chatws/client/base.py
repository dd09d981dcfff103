"""What agents and customers have in common: connect, join, send, listen."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Self, TypeVar, cast

from msgspec import UNSET

from chatws.client.asyncio_driver import AsyncioDriver, Credentials
from chatws.client.core.event_names import Command, Event
from chatws.client.errors import RequestRefused
from chatws.client.options import ClientOptions
from chatws.client.send_handle import SendHandle
from chatws.protocol.commands import Handoff, History, MarkRead, SetPresence
from chatws.protocol.content import normalise_content
from chatws.protocol.errors import ChatError
from chatws.protocol.events import Authenticated
from chatws.protocol.ids import new_id
from chatws.protocol.limits import HISTORY_DEFAULT
from chatws.protocol.responses import ConversationAck, HistoryAck, JoinAck, MarkAck, Ok, SendAck

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable
    from types import TracebackType

    from chatws.client.core.sdk_events import ConnectionChange, ConnectionState, ConversationReloaded, MessageReceived
    from chatws.client.core.stats import ClientStats
    from chatws.protocol.entities import Conversation, Presence, PresenceChoice, Wire
    from chatws.protocol.events import ConversationUpdated, Failed, MessageRead, TypingIndicator

R = TypeVar("R", bound=Ok)


class ChatClient:
    """A connection that keeps itself alive; use `AgentClient` or `CustomerClient`.

    Belongs to the event loop it was made on. Callbacks may be functions or coroutine functions; they run one after
    another in the order things happened, and an exception in one is logged. Registering returns what ends it.
    """

    def __init__(
        self, url: str, credentials: Callable[[], Awaitable[Credentials]], options: ClientOptions, *, renewable: bool
    ) -> None:
        self._driver = AsyncioDriver(url, credentials, options, renewable=renewable)

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.disconnect()

    @property
    def state(self) -> ConnectionState:
        """Connected, disconnected (for good) or reconnecting."""
        return self._driver.session.connection.state

    @property
    def user(self) -> Authenticated | None:
        """Who the server says we are; kept from the last connection."""
        return self._driver.session.connection.user

    def stats(self) -> ClientStats:
        """Count what happened since the client was made."""
        return self._driver.session.stats(self._driver.now())

    async def connect(self) -> Authenticated:
        """Connect and stay connected until `disconnect` or a final refusal.

        Raises:
            CannotConnect: nobody answered the first attempt (see ``options.retry_first_connect``).
            Refused: the credentials are not accepted.
            Disconnected: connect was called before.
        """
        return cast("Authenticated", await self._driver.connect())

    async def disconnect(self) -> None:
        """Close for good; unsent messages fail with `Disconnected`, and callbacks get what is still queued for them."""
        await self._driver.disconnect()

    def reconnect_now(self) -> None:
        """Do not wait for the next attempt to connect; cuts nothing that works."""
        self._driver.reconnect_now()

    async def join_conversation(
        self, conversation_id: str, after_seq: int | None = None, epoch: str | None = None
    ) -> JoinAck:
        """Join, now and after every reconnection, and deliver what comes after ``after_seq``.

        Without ``after_seq`` only new messages are delivered; load older ones with `history`. The ack's messages are
        delivered to the callbacks, too.

        Raises:
            Refused: the conversation is not ours.
            Disconnected: the client was closed meanwhile.
        """
        _, future = self._driver.ask(
            lambda request_id, now: self._driver.session.join(request_id, conversation_id, after_seq, epoch, now)
        )
        return cast("JoinAck", await future)

    async def leave_conversation(self, conversation_id: str) -> None:
        """Leave; returns at once, the server is told when there is a connection."""
        self._driver.apply(self._driver.session.leave(conversation_id, self._driver.now()))

    def post_message(self, conversation_id: str, content: str, *, client_message_id: str | None = None) -> SendHandle:
        """Queue a message and return at once.

        It is sent in the order posted, after the join of its conversation, and repeated under the same id across
        connections and server restarts until it is stored or finally refused.

        Raises:
            Refused: the content cannot be sent (``bad_request`` or ``too_large``).
            OutboxFull: too many messages are waiting.
        """
        try:
            text = normalise_content(content)
        except ChatError as problem:
            raise RequestRefused(problem.code, problem.message) from None
        message_id = client_message_id or new_id(time.time_ns() // 1_000_000)
        session = self._driver.session
        request_id, future = self._driver.ask(
            lambda request_id, now: session.post(request_id, conversation_id, text, message_id, now)
        )
        return SendHandle(
            conversation_id,
            text,
            message_id,
            cast("asyncio.Future[SendAck]", future),
            lambda: self._driver.was_sent(request_id),
        )

    async def send_message(
        self, conversation_id: str, content: str, *, client_message_id: str | None = None
    ) -> SendAck:
        """Queue a message like `post_message` and wait until it is stored.

        Raises:
            Refused: finally refused.
            OutboxFull: too many messages are waiting.
            Disconnected: the client was closed first; it may or may not be stored.
        """
        return await self.post_message(conversation_id, content, client_message_id=client_message_id).done

    async def send_typing_start(self, conversation_id: str) -> None:
        """Tell that the user types: call at every key stroke, it is sent as often as the server asks for."""
        self._typing(conversation_id, is_typing=True)

    async def send_typing_stop(self, conversation_id: str) -> None:
        """Tell that the user stopped typing."""
        self._typing(conversation_id, is_typing=False)

    async def mark_read(self, conversation_id: str, seq: int) -> MarkAck:
        """Mark everything up to ``seq`` as read; only when it was shown to a person."""
        return await self._call(Command.MARK_READ, MarkRead(conversation_id=conversation_id, seq=seq), MarkAck)

    async def set_presence(self, status: PresenceChoice) -> None:
        """Choose online, away or busy; told again after every reconnection."""
        await self._call(Command.SET_PRESENCE, SetPresence(status=status), Ok)

    async def history(
        self,
        conversation_id: str,
        before_seq: int | None = None,
        after_seq: int | None = None,
        limit: int = HISTORY_DEFAULT,
    ) -> HistoryAck:
        """Read a page of at most ``limit`` (100) messages; the newest without ``before_seq`` or ``after_seq``.

        Raises:
            Refused: the conversation is not ours.
        """
        payload = History(
            conversation_id=conversation_id,
            before_seq=UNSET if before_seq is None else before_seq,
            after_seq=UNSET if after_seq is None else after_seq,
            limit=limit,
        )
        return await self._call(Command.HISTORY, payload, HistoryAck)

    async def handoff(self, conversation_id: str, reason: str | None = None) -> Conversation:
        """Take a conversation from the bot to the agents' queue.

        Raises:
            ConnectionLost: not connected, or the outcome is unknown.
        """
        payload = Handoff(conversation_id=conversation_id, reason=UNSET if reason is None else reason)
        return (await self._call(Command.HANDOFF, payload, ConversationAck, repeat=False)).conversation

    def on_message_received(self, callback: Callable[[MessageReceived], object]) -> Callable[[], None]:
        """Every message of the joined conversations, by ``seq``, each once; our own have ``own`` set."""
        return self._driver.dispatcher.on(Event.MESSAGE_RECEIVED, callback)

    def on_conversation_reloaded(self, callback: Callable[[ConversationReloaded], object]) -> Callable[[], None]:
        """The server's database is another one, or our position unknown to it: show these messages instead."""
        return self._driver.dispatcher.on(Event.CONVERSATION_RELOADED, callback)

    def on_typing_indicator(self, callback: Callable[[TypingIndicator], object]) -> Callable[[], None]:
        """Somebody began or stopped typing; everybody stops when the connection is lost."""
        return self._driver.dispatcher.on(Event.TYPING_INDICATOR, callback)

    def on_presence_update(self, callback: Callable[[Presence], object]) -> Callable[[], None]:
        """Somebody's presence changed, also by what a join tells."""
        return self._driver.dispatcher.on(Event.PRESENCE_UPDATE, callback)

    def on_message_read(self, callback: Callable[[MessageRead], object]) -> Callable[[], None]:
        """Somebody's read mark moved, also by what a join tells."""
        return self._driver.dispatcher.on(Event.MESSAGE_READ, callback)

    def on_conversation_updated(self, callback: Callable[[ConversationUpdated], object]) -> Callable[[], None]:
        """A conversation's status, assignee or head changed."""
        return self._driver.dispatcher.on(Event.CONVERSATION_UPDATED, callback)

    def on_error(self, callback: Callable[[Failed], object]) -> Callable[[], None]:
        """The server complains, or something that the client does by itself was refused."""
        return self._driver.dispatcher.on(Event.ERROR, callback)

    def on_connection_change(self, callback: Callable[[ConnectionState, str], object]) -> Callable[[], None]:
        """State and reason; `on_event` has attempt and delay in addition (`ConnectionChange`)."""

        def unpack(change: ConnectionChange) -> object:
            return callback(change.state, change.reason)

        return self._driver.dispatcher.on(Event.CONNECTION_CHANGE, unpack)

    def on_event(self, callback: Callable[[str, object], object]) -> Callable[[], None]:
        """Everything by name and payload, also events that only the embedding program knows."""
        return self._driver.dispatcher.on_all(callback)

    async def _call(self, name: Command, payload: Wire | str, reply: type[R], *, repeat: bool = True) -> R:
        session = self._driver.session
        _, future = self._driver.ask(
            lambda request_id, now: session.call(request_id, name, payload, now, repeat=repeat)
        )
        answer = await future
        # The codec chose the type by the command's name.
        assert isinstance(answer, reply)
        return answer

    def _typing(self, conversation_id: str, *, is_typing: bool) -> None:
        self._driver.apply(self._driver.session.typing(conversation_id, self._driver.now(), is_typing=is_typing))
