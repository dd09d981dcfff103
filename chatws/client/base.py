"""Base of the agent's and the customer's client: connect, join, send, callbacks."""

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
    """Self-reconnecting connection; use `AgentClient` or `CustomerClient`.

    A client belongs to the event loop that created it. Callbacks may be functions or coroutine functions; they run one
    after another in the order of the events, and an exception in one is logged. The ``on_*`` methods return a function
    that removes the callback.
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
        """``connected``, ``disconnected`` (for good) or ``reconnecting``."""
        return self._driver.session.connection.state

    @property
    def user(self) -> Authenticated | None:
        """User that the server authenticated; kept from the last connection."""
        return self._driver.session.connection.user

    def stats(self) -> ClientStats:
        """Return the statistics since the client was created."""
        return self._driver.session.stats(self._driver.now())

    async def connect(self) -> Authenticated:
        """Connect and stay connected until `disconnect` or a final refusal.

        Raises:
            CannotConnect: the first attempt failed (see ``options.retry_first_connect``).
            RequestRefused: the credentials are not accepted.
            Disconnected: connect was called before.
        """
        return cast("Authenticated", await self._driver.connect())

    async def disconnect(self) -> None:
        """Close for good; unsent messages fail with `Disconnected`, and queued events are still delivered."""
        await self._driver.disconnect()

    def reconnect_now(self) -> None:
        """Skip the delay before the next attempt to connect; no effect on an open connection."""
        self._driver.reconnect_now()

    async def join_conversation(
        self, conversation_id: str, after_seq: int | None = None, epoch: str | None = None
    ) -> JoinAck:
        """Join a conversation now and after every reconnect, and deliver the messages after ``after_seq``.

        Without ``after_seq`` only new messages are delivered; load older ones with `history`. The messages of the ack
        are delivered to the callbacks too.

        Raises:
            RequestRefused: the user has no access to the conversation.
            Disconnected: the client was closed meanwhile.
        """
        _, future = self._driver.ask(
            lambda request_id, now: self._driver.session.join(request_id, conversation_id, after_seq, epoch, now)
        )
        return cast("JoinAck", await future)

    async def leave_conversation(self, conversation_id: str) -> None:
        """Leave a conversation; returns at once, and the command is sent if there is a connection."""
        self._driver.apply(self._driver.session.leave(conversation_id, self._driver.now()))

    def post_message(self, conversation_id: str, content: str, *, client_message_id: str | None = None) -> SendHandle:
        """Queue a message and return at once.

        Messages are sent in the order posted, after the join of their conversation, and retried under the same id
        across connections and server restarts until they are stored or finally refused.

        Raises:
            RequestRefused: the content is invalid (``bad_request`` or ``too_large``).
            OutboxFull: too many messages are queued.
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
            was_sent=lambda: self._driver.was_sent(request_id),
            is_outcome_unknown=lambda: self._driver.is_outcome_unknown(request_id),
        )

    async def send_message(
        self, conversation_id: str, content: str, *, client_message_id: str | None = None
    ) -> SendAck:
        """Queue a message like `post_message` and wait until it is stored.

        Raises:
            RequestRefused: the message was finally refused.
            OutboxFull: too many messages are queued.
            Disconnected: the client was closed first; the message may or may not be stored.
        """
        return await self.post_message(conversation_id, content, client_message_id=client_message_id).done

    async def send_typing_start(self, conversation_id: str) -> None:
        """Send a typing notification; may be called at every key stroke, as the client limits the rate."""
        self._typing(conversation_id, is_typing=True)

    async def send_typing_stop(self, conversation_id: str) -> None:
        """Send the end of typing."""
        self._typing(conversation_id, is_typing=False)

    async def mark_read(self, conversation_id: str, seq: int) -> MarkAck:
        """Mark all messages up to ``seq`` as read; call it only for messages that the user has seen."""
        return await self._call(Command.MARK_READ, MarkRead(conversation_id=conversation_id, seq=seq), MarkAck)

    async def set_presence(self, status: PresenceChoice) -> None:
        """Set online, away or busy; sent again after every reconnect."""
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
            RequestRefused: the user has no access to the conversation.
        """
        payload = History(
            conversation_id=conversation_id,
            before_seq=UNSET if before_seq is None else before_seq,
            after_seq=UNSET if after_seq is None else after_seq,
            limit=limit,
        )
        return await self._call(Command.HISTORY, payload, HistoryAck)

    async def handoff(self, conversation_id: str, reason: str | None = None) -> Conversation:
        """Hand a conversation off from the bot to the agents' queue.

        Raises:
            ConnectionLost: not connected, or the outcome is unknown.
        """
        payload = Handoff(conversation_id=conversation_id, reason=UNSET if reason is None else reason)
        return (await self._call(Command.HANDOFF, payload, ConversationAck, repeat=False)).conversation

    def on_message_received(self, callback: Callable[[MessageReceived], object]) -> Callable[[], None]:
        """Call back with each message of the joined conversations, once and by ``seq``; own ones have ``own`` set."""
        return self._driver.dispatcher.on(Event.MESSAGE_RECEIVED, callback)

    def on_conversation_reloaded(self, callback: Callable[[ConversationReloaded], object]) -> Callable[[], None]:
        """Call back with the messages that replace all others if the position is invalid (restored database)."""
        return self._driver.dispatcher.on(Event.CONVERSATION_RELOADED, callback)

    def on_typing_indicator(self, callback: Callable[[TypingIndicator], object]) -> Callable[[], None]:
        """Call back when a user starts or stops typing; a lost connection stops all."""
        return self._driver.dispatcher.on(Event.TYPING_INDICATOR, callback)

    def on_presence_update(self, callback: Callable[[Presence], object]) -> Callable[[], None]:
        """Call back when the presence of a user changes, also in the snapshot of a join."""
        return self._driver.dispatcher.on(Event.PRESENCE_UPDATE, callback)

    def on_message_read(self, callback: Callable[[MessageRead], object]) -> Callable[[], None]:
        """Call back when a read mark advances, also in the snapshot of a join."""
        return self._driver.dispatcher.on(Event.MESSAGE_READ, callback)

    def on_conversation_updated(self, callback: Callable[[ConversationUpdated], object]) -> Callable[[], None]:
        """Call back when the status, assignee or head of a conversation changes."""
        return self._driver.dispatcher.on(Event.CONVERSATION_UPDATED, callback)

    def on_error(self, callback: Callable[[Failed], object]) -> Callable[[], None]:
        """Call back when the server sends an error, or refuses a request that the client repeats automatically."""
        return self._driver.dispatcher.on(Event.ERROR, callback)

    def on_connection_change(self, callback: Callable[[ConnectionState, str], object]) -> Callable[[], None]:
        """Call back with state and reason; `on_event` adds attempt and delay (`ConnectionChange`)."""

        def unpack(change: ConnectionChange) -> object:
            return callback(change.state, change.reason)

        return self._driver.dispatcher.on(Event.CONNECTION_CHANGE, unpack)

    def on_event(self, callback: Callable[[str, object], object]) -> Callable[[], None]:
        """Call back with name and payload of every event, also of the embedding program's own events."""
        return self._driver.dispatcher.on_all(callback)

    async def _call(self, name: Command, payload: Wire | str, reply: type[R], *, repeat: bool = True) -> R:
        session = self._driver.session
        _, future = self._driver.ask(
            lambda request_id, now: session.call(request_id, name, payload, now, repeat=repeat)
        )
        result = await future
        # The codec selects the type by the name of the command.
        assert isinstance(result, reply)
        return result

    def _typing(self, conversation_id: str, *, is_typing: bool) -> None:
        self._driver.apply(self._driver.session.typing(conversation_id, self._driver.now(), is_typing=is_typing))
