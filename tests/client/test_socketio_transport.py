from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Literal

import pytest
from aiohttp import web

from chatws.client import CannotConnect, ClientOptions, CustomerClient, RequestRefused
from chatws.client.core.effects import ConnectionEnd
from chatws.client.socketio_transport import SocketIOTransport
from chatws.protocol.errors import ErrorCode

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from chatws.protocol.events import Authenticated

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
    Serve = Callable[[Handler], Awaitable[str]]

OPEN = '0{"sid":"s","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":65536}'


class NullTransportListener:
    """Listener that ignores everything."""

    def transport_opened(self, user: Authenticated, pid: str) -> None:
        pass

    def transport_event(self, name: str, payload: object) -> None:
        pass

    def transport_ack(self, command_id: int, name: str, payload: object) -> None:
        pass


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Start HTTP servers with one handler for all requests."""
    runners: list[web.AppRunner] = []

    async def start(handler: Handler) -> str:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", handler)
        runner = web.AppRunner(app, shutdown_timeout=0.01, handler_cancellation=True)
        runners.append(runner)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{runner.addresses[0][1]}"

    yield start
    for runner in runners:
        await runner.cleanup()


async def end_of(url: str, **options: float) -> ConnectionEnd:
    client_options = ClientOptions(transports=("websocket",), **options)  # type: ignore[arg-type]  # only numbers are given here
    transport = SocketIOTransport(url, client_options, None, NullTransportListener())
    return await transport.run({"sessionId": "s"})


def websocket(*frames: str, then: str = "close") -> Handler:
    """Send these frames, and then close, abort or wait."""

    async def handler(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        for frame in frames:
            await socket.send_str(frame)
        if then == "abort":
            assert request.transport is not None
            request.transport.abort()
        elif then == "silence":
            async for _ in socket:
                pass
        else:
            await socket.close()
        return socket

    return handler


async def test_retry_after_of_a_busy_server_is_read(serve: Serve) -> None:
    async def busy(_: web.Request) -> web.Response:
        return web.Response(status=503, headers={"Retry-After": "7"}, text="draining")

    end = await end_of(await serve(busy))
    assert end == ConnectionEnd("the server answered HTTP 503", retry_after_s=7.0)


@pytest.mark.parametrize("transports", [("websocket",), ("polling",)])
async def test_handshake_that_the_server_drops_is_sent_once(
    serve: Serve, transports: tuple[Literal["websocket", "polling"], ...]
) -> None:
    received = []

    async def drop(request: web.Request) -> web.Response:
        received.append(request.path_qs)
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    options = ClientOptions(transports=transports)
    transport = SocketIOTransport(await serve(drop), options, None, NullTransportListener())
    await transport.run({"sessionId": "s"})
    assert len(received) == 1


@pytest.mark.parametrize("frames", [(), (OPEN,), ("garbage",), ("0{}",), ("0not json",), (OPEN, "40", "9" * 100)])
@pytest.mark.parametrize("then", ["close", "abort"])
async def test_end_before_the_authentication_ends_the_connection(
    serve: Serve, frames: tuple[str, ...], then: str
) -> None:
    end = await end_of(await serve(websocket(*frames, then=then)))
    assert end.reason
    assert not end.reason.startswith("no answer")
    assert end.code is None
    assert not end.by_server


@pytest.mark.parametrize("frames", [(), (OPEN,), (OPEN, '40{"sid":"s"}')])
async def test_server_that_does_not_reply_times_out(serve: Serve, frames: tuple[str, ...]) -> None:
    end = await end_of(await serve(websocket(*frames, then="silence")), connect_timeout_s=0.2)
    assert end.reason == "no answer within 0.2 s"


async def test_invalid_authenticated_event_ends_the_connection(serve: Serve) -> None:
    frames = (OPEN, '40{"sid":"s"}', '42["authenticated",{"userId":7}]')
    end = await end_of(await serve(websocket(*frames, then="silence")))
    assert end.reason.startswith("the server does not implement this protocol")


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        ('{"message":"m","data":{"code":"connection_limit"}}', ErrorCode.CONNECTION_LIMIT),
        ('{"message":"m","data":{"code":"from the future"}}', ErrorCode.UNAUTHORIZED),
        ('{"message":"m","data":7}', ErrorCode.UNAUTHORIZED),
        ('{"message":"m"}', ErrorCode.UNAUTHORIZED),
        ('"m"', ErrorCode.UNAUTHORIZED),
    ],
)
async def test_connect_error_is_read_in_any_form(serve: Serve, payload: str, code: ErrorCode) -> None:
    end = await end_of(await serve(websocket(OPEN, f"44{payload}", then="silence")))
    assert end == ConnectionEnd("m", code=code)


async def test_disconnect_by_the_server_differs_from_a_lost_transport(serve: Serve) -> None:
    end = await end_of(await serve(websocket(OPEN, '40{"sid":"s"}', "41", then="silence")))
    assert end == ConnectionEnd("server disconnect", by_server=True)
    end = await end_of(await serve(websocket(OPEN, '40{"sid":"s"}', "1", then="silence")))
    assert not end.by_server


async def test_polling_is_used_behind_a_proxy_without_websocket(serve: Serve) -> None:
    seen: list[str] = []

    async def proxy(request: web.Request) -> web.Response:
        seen.append(request.query["transport"])
        if request.query["transport"] == "websocket":
            return web.Response(status=400)
        if request.method == "GET" and "sid" not in request.query:
            return web.Response(text=OPEN)
        if request.method == "GET":
            return web.Response(text='44{"message":"reached","data":{"code":"forbidden"}}')
        return web.Response(text="ok")

    with pytest.raises(RequestRefused) as caught:
        await CustomerClient(await serve(proxy), "s").connect()
    assert caught.value.message == "reached"
    assert seen[:2] == ["websocket", "polling"]


def polling(*, get: Handler, post: Handler) -> Handler:
    """Open a polling session with these handlers for its requests."""

    async def handler(request: web.Request) -> web.StreamResponse:
        if "sid" not in request.query:
            return web.Response(text=OPEN)
        return await (get if request.method == "GET" else post)(request)

    return handler


async def never_reply(_: web.Request) -> web.Response:
    await asyncio.Event().wait()
    raise AssertionError("the event is never set")


async def reply_unknown_session(_: web.Request) -> web.Response:
    return web.Response(status=400, text="Session ID unknown")


async def reply_busy(_: web.Request) -> web.Response:
    return web.Response(status=503, headers={"Retry-After": "7"})


async def reset(request: web.Request) -> web.Response:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


@pytest.mark.parametrize(
    ("fault", "end"),
    [
        (reply_unknown_session, ConnectionEnd("the server answered HTTP 400")),
        (reply_busy, ConnectionEnd("the server answered HTTP 503", retry_after_s=7.0)),
        (reset, ConnectionEnd("Server disconnected")),
    ],
    ids=["unknown session", "busy", "reset"],
)
@pytest.mark.parametrize("method", ["get", "post"])
async def test_failed_get_or_post_of_polling_ends_the_connection_while_the_other_is_pending(
    serve: Serve, method: str, fault: Handler, end: ConnectionEnd
) -> None:
    server = polling(get=fault, post=never_reply) if method == "get" else polling(get=never_reply, post=fault)
    options = ClientOptions(transports=("polling",))
    assert (
        await SocketIOTransport(await serve(server), options, None, NullTransportListener()).run({"sessionId": "s"})
        == end
    )


async def test_other_web_server_is_cannot_connect(serve: Serve) -> None:
    async def page(_: web.Request) -> web.Response:
        return web.Response(text="<html>hello</html>")

    with pytest.raises(CannotConnect):
        await CustomerClient(await serve(page), "s").connect()


async def test_disconnect_while_connecting_ends_the_attempt_at_once(serve: Serve) -> None:
    client = CustomerClient(await serve(websocket(OPEN, then="silence")), "s")
    connecting = asyncio.create_task(client.connect())
    await asyncio.sleep(0)
    await asyncio.wait_for(client.disconnect(), 30)
    with pytest.raises(Exception, match="client disconnect"):
        await connecting
