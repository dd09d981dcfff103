"""Driver of a session on asyncio: performs its effects and passes it packets, time and the user's requests."""

from __future__ import annotations

import asyncio
import logging
import random
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec

from chatws.client.core import effects
from chatws.client.core.connection import USER_REASON, ConnectionPhase
from chatws.client.core.refusals import unreadable_reply
from chatws.client.core.session import ChatSession, SessionOptions
from chatws.client.core.session_driver import SessionDriver
from chatws.client.dispatcher import Dispatcher
from chatws.client.errors import ClientError, ConnectionRejected, RequestRefused
from chatws.protocol.codec import convert_event, convert_reply
from chatws.protocol.errors import ErrorCode
from chatws.protocol.responses import Ok
from chatws.protocol.responses import Refused as RefusedReply
from chatws.protocol.spec import EVENTS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from chatws.client.options import ClientOptions
    from chatws.client.socketio_transport import SocketIOTransport
    from chatws.protocol.entities import Wire
    from chatws.protocol.events import Authenticated

logger = logging.getLogger("chatws.client")

Credentials = dict[str, str]

CUT_REASON = "cut on request"


class AsyncioDriver(SessionDriver):
    """Owner of the session, the task of the connection, the timer and the queue of callbacks."""

    def __init__(
        self, url: str, credentials: Callable[[], Awaitable[Credentials]], options: ClientOptions, *, renewable: bool
    ) -> None:
        super().__init__(
            ChatSession(
                random.SystemRandom(),
                SessionOptions(
                    renewable=renewable,
                    max_attempts=options.max_attempts,
                    retry_first_connect=options.retry_first_connect,
                    max_outbox=options.max_outbox,
                ),
            )
        )
        self.dispatcher = Dispatcher(options.max_backlog)
        self._url = url
        self._credentials = credentials
        self._options = options
        self._tls = options.ssl_context()
        self._transport: SocketIOTransport | None = None
        self._connection_task: asyncio.Task[None] | None = None
        self._renewal: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._futures: dict[int, asyncio.Future[Ok | Authenticated]] = {}
        self._sent: set[int] = set()
        """Ids of the requests whose message was sent and is not resolved."""
        self._unanswered: set[int] = set()
        """Ids of the requests whose message was sent, and which failed without an answer."""
        self._expires_as_token = False
        """Whether the connection was authenticated with a token, not with a session id."""
        self._retry_now = asyncio.Event()
        """Set to skip the delay before the next attempt."""
        self._blocked_until = 0.0
        """End of a simulated outage: attempts fail before it."""
        self._is_websocket_silent = False
        """The last attempt failed because of a WebSocket without any bytes from the server."""

    def was_sent(self, request_id: int) -> bool:
        """Return whether an unresolved message was sent at least once."""
        return request_id in self._sent

    def is_outcome_unknown(self, request_id: int) -> bool:
        """Return whether a message failed after it was sent, without an answer: the server may have stored it."""
        return request_id in self._unanswered

    def ask(
        self, request: Callable[[int, float], list[effects.Effect]]
    ) -> tuple[int, asyncio.Future[Ok | Authenticated]]:
        """Make a request to the session; its future is done when the session resolves it.

        Raises:
            OutboxFull: the session accepts no more requests.
        """
        request_id, todo = self._make_request(request, self.now())
        future: asyncio.Future[Ok | Authenticated] = asyncio.get_running_loop().create_future()
        # Retrieve the exception: a caller that drops the future does not need the outcome.
        future.add_done_callback(lambda done: done.cancelled() or done.exception())
        self._futures[request_id] = future
        self.apply(todo)
        return request_id, future

    async def connect(self) -> Ok | Authenticated:
        """Start connecting; wait for the first connection or the final error."""
        self.dispatcher.start()
        _, future = self.ask(self.session.start)
        return await future

    async def disconnect(self) -> None:
        """Close for good; returns when the connection is closed and every queued callback has run."""
        self.apply(self.session.stop(self.now()))
        tasks = [task for task in (self._connection_task, self._renewal) if task is not None]
        if self._renewal is not None:
            self._renewal.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        await self.dispatcher.stop()

    def now(self) -> float:
        """Return the time on the session's clock."""
        return asyncio.get_running_loop().time()

    def apply(self, todo: list[effects.Effect]) -> None:
        """Perform effects in order, then reset the timer."""
        for effect in todo:
            self._perform(effect)
        self._reset_timer()

    def reconnect_now(self) -> None:
        """Skip the delay before the next attempt, and end a simulated outage."""
        self._blocked_until = 0.0
        self._retry_now.set()

    # Injected faults

    def cut(self, away_s: float) -> None:
        """Close the transport abruptly and fail every attempt to connect for ``away_s``."""
        self._blocked_until = self.now() + away_s
        if self._transport is not None:
            self._transport.drop(CUT_REASON)

    def freeze(self, seconds: float) -> bool:
        """Stop reading and writing for a time; false without a WebSocket."""
        return self._transport is not None and self._transport.freeze(seconds)

    def expire_credentials(self) -> None:
        """End the connection as the server does when the token or session has expired."""
        if self._transport is not None:
            code = ErrorCode.TOKEN_EXPIRED if self._expires_as_token else ErrorCode.SESSION_EXPIRED
            self._transport.expire(code)

    # TransportListener

    def transport_opened(self, user: Authenticated, pid: str) -> None:
        """Pass the authenticated connection to the session."""
        self.session.connection.pid = pid
        self.apply(self.session.connection_opened(user, self.now()))

    def transport_event(self, name: str, payload: object) -> None:
        """Pass an event to the session; a payload outside the contract is dropped, and history fills the gap."""
        if name in EVENTS:
            try:
                payload = convert_event(name, payload)
            except msgspec.ValidationError as problem:
                logger.warning("event_unreadable", extra={"event": name, "problem": str(problem)})
                return
        self.apply(self.session.event(name, payload, self.now()))
        if self.dispatcher.is_full and self._transport is not None:
            self._transport.drop("callbacks do not keep up")

    def transport_ack(self, command_id: int, name: str, payload: object) -> None:
        """Pass an ack to the session; one that cannot be decoded counts as a refusal that is not retryable."""
        reply: Ok | RefusedReply
        try:
            reply = convert_reply(name, payload)
        except msgspec.ValidationError as problem:
            logger.warning("reply_unreadable", extra={"event": name, "problem": str(problem)})
            reply = unreadable_reply()
        self.apply(self.session.ack(command_id, reply, self.now()))

    # Effects

    def _emit(self, command_id: int, name: str, payload: Wire | str) -> None:
        if self._transport is not None:
            self._transport.send(command_id, name, payload)

    def _deliver(self, name: str, payload: object) -> None:
        self.dispatcher.put(name, payload)

    def _record_sent(self, request_id: int) -> None:
        self._sent.add(request_id)

    def _resolve(self, request_id: int, outcome: Ok | Authenticated | ClientError) -> None:
        if request_id in self._sent:
            self._sent.discard(request_id)
            is_answer = isinstance(outcome, RequestRefused) and not isinstance(outcome, ConnectionRejected)
            if isinstance(outcome, ClientError) and not is_answer:
                self._unanswered.add(request_id)
        future = self._futures.pop(request_id, None)
        if future is None or future.done():
            return
        if isinstance(outcome, ClientError):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)

    def _connect_after(self, delay_s: float) -> None:
        self._connection_task = asyncio.create_task(self._run_connection(delay_s))

    def _drop(self, reason: str) -> None:
        if self._transport is not None:
            self._transport.drop(reason, graceful=reason == USER_REASON)
        elif self._connection_task is not None:
            self._connection_task.cancel()

    def _start_renewal(self) -> None:
        self._renewal = asyncio.create_task(self._renew())

    def _reset_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        deadline = self.session.next_deadline()
        if deadline is not None:
            self._timer = asyncio.get_running_loop().call_at(deadline, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self.apply(self.session.tick(self.now()))

    async def _run_connection(self, delay_s: float) -> None:
        end = effects.ConnectionEnd(USER_REASON)
        try:
            end = await self._connect(delay_s)
        except asyncio.CancelledError:
            # Cancelled by the program, for example at the end of its event loop: the client must not reconnect.
            if self.session.connection.phase is not ConnectionPhase.CLOSING:
                self.apply(self.session.stop(self.now()))
            raise
        finally:
            self._transport = None
            self.apply(self.session.connection_ended(end, self.now()))

    async def _connect(self, delay_s: float) -> effects.ConnectionEnd:
        # Importing python-socketio takes 120 ms, which would delay the first screen of a terminal program.
        from chatws.client.socketio_transport import SocketIOTransport  # noqa: PLC0415

        await self._wait(delay_s)
        if self.now() < self._blocked_until:
            return effects.ConnectionEnd(CUT_REASON)
        await self.dispatcher.wait_for_room()
        credentials = await self._get_credentials()
        if isinstance(credentials, effects.ConnectionEnd):
            return credentials
        self._expires_as_token = "token" in credentials
        options = self._options
        if self._is_websocket_silent and "polling" in options.transports:
            # Without an upgrade, for which python-engineio would wait forever.
            options = replace(options, transports=("polling",))
        self._transport = SocketIOTransport(self._url, options, self._tls, self)
        try:
            return await self._transport.run(self.session.connection.connect_auth(credentials))
        finally:
            self._is_websocket_silent = self._transport.is_websocket_silent

    async def _wait(self, delay_s: float) -> None:
        self._retry_now.clear()
        if not delay_s:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(delay_s):
                await self._retry_now.wait()

    async def _get_credentials(self) -> Credentials | effects.ConnectionEnd:
        try:
            async with asyncio.timeout(self._options.connect_timeout_s):
                return await self._credentials()
        except RequestRefused as refusal:
            return effects.ConnectionEnd(refusal.message, code=refusal.code)
        except Exception as problem:
            # The user's callback may raise anything; the next attempt calls it again.
            logger.exception("token_unavailable")
            return effects.ConnectionEnd(f"no token: {problem}")

    async def _renew(self) -> None:
        credentials = await self._get_credentials()
        token = None if isinstance(credentials, effects.ConnectionEnd) else credentials.get("token")
        self.apply(self.session.token_renewed(token, self.now()))
