"""Situations in which a client may hammer: attempts to connect, credentials that are refused, typing."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from chatws.engine.errors import ConnectRefused
from chatws.protocol.errors import ChatError, ErrorCode
from chatws.protocol.events import AuthExpiring, Failed
from chatws.wire.errors import CloseCode
from chatws_loadtest.check.errors import CheckFailed, NotOffered
from chatws_loadtest.check.registry import require
from chatws_loadtest.client_check.registry import situation
from chatws_loadtest.client_check.scripted_chat import ChatRequest
from chatws_loadtest.client_check.situation_context import RETURN_S, SituationContext
from chatws_loadtest.client_check.traffic import TrafficKind

if TYPE_CHECKING:
    from chatws.engine import Socket

WATCH_S = 4.0
READ_S = 1.5
"""Time to read DISCONNECT: a client that reads it together with the close of the transport sees a lost connection."""
MAX_ATTEMPTS = 12
"""Attempts in `WATCH_S`; three a second are hammering if thousands of clients make them."""
MAX_DISCONNECTED = 6
"""A transport closes half a second after DISCONNECT, so that a client without a delay makes eight attempts."""
MAX_REFUSED = 2
JITTER_SAMPLES = 4
MIN_DELAY_S = 0.1
"""Lower bound of the longest delay: below it, the attempts come at once."""
MIN_SPREAD_S = 0.05
"""Difference between the longest and the shortest delay; event loops alone vary by less."""
TYPING_WATCH_S = 3.0
MAX_TYPING_STARTS = 12
"""Four a second, and one more per message, which ends typing; a client that repeats it every 2 s sends two."""

BACKOFF = "wait a random time before each attempt, with an upper bound that doubles up to some seconds"
KEEP_AWAY = "after `unauthorized`, ask the user to log in again instead of connecting with the same credentials"


@situation("pace.outage", "a server that is away for 4 s gets at most 12 attempts", BACKOFF)
async def _outage(context: SituationContext) -> None:
    mark = context.traffic.mark
    context.server.kill()
    await asyncio.sleep(WATCH_S)
    _require_few(context, mark, MAX_ATTEMPTS)
    context.server.heal()
    await context.expect_return(mark)


@situation("pace.accept_and_close", "a server that closes each connection at once gets at most 12 in 4 s", BACKOFF)
async def _accept_and_close(context: SituationContext) -> None:
    async def close(socket: Socket) -> None:
        asyncio.get_running_loop().call_soon(socket.close_transport, CloseCode.INTERNAL)

    mark = context.traffic.mark
    context.chat.connect_fault = close
    context.server.cut()
    await asyncio.sleep(WATCH_S)
    _require_few(context, mark, MAX_ATTEMPTS)


@situation("pace.disconnect", "a server that sends DISCONNECT to each connection gets at most 6 in 4 s", BACKOFF)
async def _disconnect(context: SituationContext) -> None:
    async def disconnect(socket: Socket) -> None:
        asyncio.get_running_loop().call_soon(socket.disconnect)

    mark = context.traffic.mark
    context.chat.connect_fault = disconnect
    for socket in context.chat.sockets:
        socket.disconnect()
    await asyncio.sleep(WATCH_S)
    _require_few(context, mark, MAX_DISCONNECTED)


@situation("pace.jitter", "the delays before the attempts differ, so that clients do not return all at once", BACKOFF)
async def _jitter(context: SituationContext) -> None:
    delays = []
    for _ in range(JITTER_SAMPLES):
        mark, begin_s = context.traffic.mark, asyncio.get_running_loop().time()
        context.server.cut()
        await context.expect_return(mark)
        delays.append(context.traffic.select(TrafficKind.ATTEMPT, mark)[0].at_s - begin_s)
    spread_s = max(delays) - min(delays)
    listed = ", ".join(f"{delay:.2f}" for delay in delays)
    require(max(delays) > MIN_DELAY_S and spread_s > MIN_SPREAD_S, f"the delays are {listed} s")


@situation("login.refused", "refused credentials are not presented more than 3 times in 4 s", KEEP_AWAY)
async def _refused(context: SituationContext) -> None:
    async def refuse(_socket: Socket) -> None:
        raise ConnectRefused("unauthorized", {"code": ErrorCode.UNAUTHORIZED, "retryable": False})

    mark = context.traffic.mark
    context.chat.connect_fault = refuse
    context.server.cut()
    first = await context.find(lambda entry: entry.kind is TrafficKind.REFUSED, mark)
    if first is None:
        raise CheckFailed(f"it did not connect again within {context.limit(RETURN_S):g} s")
    await asyncio.sleep(WATCH_S)
    later = context.traffic.select(TrafficKind.REFUSED, first.number + 1)
    require(len(later) <= MAX_REFUSED, f"it presented them {len(later)} times more")


@situation("login.ended", "after a log-out on another device, the client does not connect again", KEEP_AWAY)
async def _ended(context: SituationContext) -> None:
    error = ChatError(ErrorCode.UNAUTHORIZED)
    mark = context.traffic.mark
    context.chat.emit("error", Failed(message=error.message, code=error.code))
    sockets = context.chat.sockets
    for socket in sockets:
        socket.disconnect(close=False)
    await asyncio.sleep(READ_S)
    for socket in sockets:
        socket.close_transport(CloseCode.NORMAL)
    await asyncio.sleep(WATCH_S - READ_S)
    again = context.traffic.select(TrafficKind.CONNECTED, mark)
    require(not again, f"it connected {len(again)} times with the credentials of before")


@situation(
    "login.expiring",
    "a token is renewed after `auth_expiring`",
    "after `auth_expiring`, get a new token and send it with `refresh_token`",
)
async def _expiring(context: SituationContext) -> None:
    _require_token(context)
    mark = context.traffic.mark
    context.chat.emit("auth_expiring", AuthExpiring(in_ms=2000))
    renewed = await context.find(
        lambda entry: entry.name == "refresh_token" or entry.kind is TrafficKind.CONNECTED, mark, WATCH_S
    )
    require(renewed is not None, f"it sent no refresh_token within {context.limit(WATCH_S):g} s")


@situation(
    "login.expired",
    "a message refused with `token_expired` is sent again with a new token",
    "after `token_expired`, renew the token, and send the message again with the same clientMessageId",
)
async def _expired(context: SituationContext) -> None:
    _require_token(context)

    async def refuse(request: ChatRequest) -> None:
        request.refuse(ErrorCode.TOKEN_EXPIRED)

    request = await context.intercept("send_message", refuse)
    await context.expect_repeat(request.entry)
    renewed = [
        entry
        for entry in context.traffic.entries[request.entry.number :]
        if entry.name == "refresh_token" or entry.kind is TrafficKind.CONNECTED
    ]
    require(renewed, "it did not renew the token")
    await context.expect_life(renewed[0].number)
    context.require_stored_once()


@situation(
    "typing.throttled",
    "typing is not sent for each key stroke",
    "send typing_start when typing begins, and then every 2 s while it lasts",
)
async def _throttled(context: SituationContext) -> None:
    mark = context.traffic.mark
    await asyncio.sleep(TYPING_WATCH_S)
    starts = len(context.traffic.select(TrafficKind.REQUEST, mark, "typing_start"))
    if not starts:
        raise NotOffered("it sends no typing_start")
    messages = len(context.traffic.select(TrafficKind.REQUEST, mark, "send_message"))
    allowed = MAX_TYPING_STARTS + messages
    require(starts <= allowed, f"it sent typing_start {starts} times in {TYPING_WATCH_S:g} s with {messages} messages")


def _require_few(context: SituationContext, since: int, most: int) -> None:
    attempts = context.session_attempts(since)
    require(len(attempts) <= most, f"it made {len(attempts)} attempts in {WATCH_S:g} s")


def _require_token(context: SituationContext) -> None:
    """Check that the client logs in with a token.

    Raises:
        NotOffered: it does not.
    """
    if not any(isinstance(socket.data, dict) and socket.data.get("token") for socket in context.chat.sockets):
        raise NotOffered("it does not log in with a token")
