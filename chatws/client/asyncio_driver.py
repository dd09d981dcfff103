"""Runs a session on asyncio: carries out its effects and feeds it link, clock and user."""

from __future__ import annotations

import asyncio
import logging
import random
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from chatws.client.core import effects
from chatws.client.core.connection import USER_REASON, ConnectionPhase
from chatws.client.core.session import ChatSession, SessionOptions
from chatws.client.dispatcher import Dispatcher
from chatws.client.errors import ClientError, RequestRefused
from chatws.protocol.codec import convert_event, convert_reply
from chatws.protocol.errors import ERRORS, ErrorBody, ErrorCode
from chatws.protocol.responses import Ok
from chatws.protocol.responses import Refused as RefusedReply
from chatws.protocol.spec import EVENTS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from chatws.client.options import ClientOptions
    from chatws.client.socketio_transport import SocketIOTransport
    from chatws.protocol.events import Authenticated

logger = logging.getLogger("chatws.client")

Credentials = dict[str, str]


class AsyncioDriver:
    """Owns the session, the task of the present link, the timer and the callbacks' queue."""

    def __init__(
        self, url: str, credentials: Callable[[], Awaitable[Credentials]], options: ClientOptions, *, renewable: bool
    ) -> None:
        self.session = ChatSession(
            random.SystemRandom(),
            SessionOptions(
                renewable=renewable,
                max_attempts=options.max_attempts,
                retry_first_connect=options.retry_first_connect,
                max_outbox=options.max_outbox,
            ),
        )
        self.dispatcher = Dispatcher(options.max_backlog)
        self._url = url
        self._credentials = credentials
        self._options = options
        self._tls = options.ssl_context()
        self._link: SocketIOTransport | None = None
        self._link_task: asyncio.Task[None] | None = None
        self._renewal: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._futures: dict[int, asyncio.Future[Ok | Authenticated]] = {}
        self._left: set[int] = set()
        """Requests of messages that were sent and are not settled."""
        self._last_request_id = 0
        self._expires_as_token = False
        """Whether the present link was opened with a token, not with a session."""
        self._hurry = asyncio.Event()
        """Set when the user does not want to wait for the next attempt."""
        self._away_until = 0.0
        """Before this no link is opened: the user wants to see what an outage is like."""

    def has_left(self, request_id: int) -> bool:
        """Whether a message that is not settled was sent at least once."""
        return request_id in self._left

    def ask(
        self, request: Callable[[int, float], list[effects.Effect]]
    ) -> tuple[int, asyncio.Future[Ok | Authenticated]]:
        """Make a request of the session; its future is done when the session settles it.

        Raises:
            OutboxFull: the session takes no more.
        """
        self._last_request_id += 1
        request_id = self._last_request_id
        todo = request(request_id, self.now())
        future: asyncio.Future[Ok | Authenticated] = asyncio.get_running_loop().create_future()
        # Whoever drops a future has said that the outcome does not matter.
        future.add_done_callback(lambda done: done.cancelled() or done.exception())
        self._futures[request_id] = future
        self.apply(todo)
        return request_id, future

    async def connect(self) -> Ok | Authenticated:
        """Start, and wait for the first link or the error that ends it."""
        self.dispatcher.start()
        _, future = self.ask(self.session.start)
        return await future

    async def disconnect(self) -> None:
        """End everything; returns when the link is closed and every queued callback was called."""
        self.apply(self.session.stop(self.now()))
        tasks = [task for task in (self._link_task, self._renewal) if task is not None]
        if self._renewal is not None:
            self._renewal.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        await self.dispatcher.stop()

    def now(self) -> float:
        """The session's clock."""
        return asyncio.get_running_loop().time()

    def apply(self, todo: list[effects.Effect]) -> None:
        """Carry out effects in order, then set the timer anew."""
        for effect in todo:
            self._perform(effect)
        self._rearm()

    def reconnect_now(self) -> None:
        """Make the attempt that is being waited for at once."""
        self._away_until = 0.0
        self._hurry.set()

    # Faults on purpose

    def cut_link(self, away_s: float) -> None:
        """Cut the link without a farewell, and open none for ``away_s``."""
        self._away_until = self.now() + away_s
        if self._link is not None:
            self._link.drop("cut on request")

    def freeze_link(self, seconds: float) -> bool:
        """Let nothing in or out for a time; false without a WebSocket to freeze."""
        return self._link is not None and self._link.freeze(seconds)

    def expire_credentials(self) -> None:
        """End the link as the server does when token or session are over."""
        if self._link is not None:
            code = ErrorCode.TOKEN_EXPIRED if self._expires_as_token else ErrorCode.SESSION_EXPIRED
            self._link.expire(code)

    # LinkListener

    def link_opened(self, user: Authenticated) -> None:
        """See `LinkListener`."""
        self.apply(self.session.connection_opened(user, self.now()))

    def link_event(self, name: str, payload: object) -> None:
        """See `LinkListener`; a payload that is not the table's is dropped, and history repairs what it was."""
        if name in EVENTS:
            try:
                payload = convert_event(name, payload)
            except msgspec.ValidationError as problem:
                logger.warning("event_unreadable", extra={"event": name, "problem": str(problem)})
                return
        self.apply(self.session.event(name, payload, self.now()))
        if self.dispatcher.is_full and self._link is not None:
            self._link.drop("callbacks do not keep up")

    def link_ack(self, command_id: int, name: str, payload: object) -> None:
        """See `LinkListener`; an answer that nobody can read is a refusal that cannot be repeated."""
        reply: Ok | RefusedReply
        try:
            reply = convert_reply(name, payload)
        except msgspec.ValidationError as problem:
            logger.warning("reply_unreadable", extra={"event": name, "problem": str(problem)})
            reply = _unreadable()
        self.apply(self.session.ack(command_id, reply, self.now()))

    # Effects

    def _perform(self, effect: effects.Effect) -> None:
        match effect:
            case effects.Emit(command_id, name, payload):
                if self._link is not None:
                    self._link.send(command_id, name, payload)
            case effects.Deliver(name, payload):
                self.dispatcher.put(name, payload)
            case effects.MessageSent(request_id):
                self._left.add(request_id)
            case effects.Resolve(request_id, outcome):
                self._settle(request_id, outcome)
            case effects.Connect(delay_s):
                self._link_task = asyncio.create_task(self._run_link(delay_s))
            case effects.Drop(reason):
                self._drop(reason)
            case effects.RenewToken():
                self._renewal = asyncio.create_task(self._renew())

    def _settle(self, request_id: int, outcome: Ok | Authenticated | ClientError) -> None:
        self._left.discard(request_id)
        future = self._futures.pop(request_id, None)
        if future is None or future.done():
            return
        if isinstance(outcome, ClientError):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)

    def _drop(self, reason: str) -> None:
        if self._link is not None:
            self._link.drop(reason, polite=reason == USER_REASON)
        elif self._link_task is not None:
            self._link_task.cancel()

    def _rearm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        deadline = self.session.next_deadline()
        if deadline is not None:
            self._timer = asyncio.get_running_loop().call_at(deadline, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self.apply(self.session.tick(self.now()))

    async def _run_link(self, delay_s: float) -> None:
        end = effects.ConnectionEnd(USER_REASON)
        try:
            end = await self._open_link(delay_s)
        except asyncio.CancelledError:
            # Cancelled from outside, for example by a loop that shuts down: nothing may start again.
            if self.session.connection.phase is not ConnectionPhase.CLOSING:
                self.apply(self.session.stop(self.now()))
            raise
        finally:
            self._link = None
            self.apply(self.session.connection_ended(end, self.now()))

    async def _open_link(self, delay_s: float) -> effects.ConnectionEnd:
        # python-socketio takes 120 ms to import, which a program's first paint need not wait for.
        from chatws.client.socketio_transport import SocketIOTransport  # noqa: PLC0415

        await self._wait(delay_s)
        if self.now() < self._away_until:
            return effects.ConnectionEnd("cut on request")
        await self.dispatcher.wait_for_room()
        credentials = await self._get_credentials()
        if isinstance(credentials, effects.ConnectionEnd):
            return credentials
        self._expires_as_token = "token" in credentials
        self._link = SocketIOTransport(self._url, self._options, self._tls, self)
        return await self._link.run(credentials)

    async def _wait(self, delay_s: float) -> None:
        self._hurry.clear()
        if not delay_s:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(delay_s):
                await self._hurry.wait()

    async def _get_credentials(self) -> Credentials | effects.ConnectionEnd:
        try:
            async with asyncio.timeout(self._options.connect_timeout_s):
                return await self._credentials()
        except RequestRefused as refusal:
            return effects.ConnectionEnd(refusal.message, code=refusal.code)
        except Exception as problem:
            # The user's code may raise anything; without a token there is only the next attempt.
            logger.exception("token_unavailable")
            return effects.ConnectionEnd(f"no token: {problem}")

    async def _renew(self) -> None:
        credentials = await self._get_credentials()
        token = None if isinstance(credentials, effects.ConnectionEnd) else credentials.get("token")
        self.apply(self.session.token_renewed(token, self.now()))


def _unreadable() -> RefusedReply:
    code = ErrorCode.INTERNAL
    return RefusedReply(
        error=ErrorBody(code=code, message="The server's answer could not be read.", retryable=ERRORS[code].retryable)
    )
