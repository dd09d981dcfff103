from __future__ import annotations

import asyncio
import gc
import gzip
import json

import pytest
import socketio

from chatws.engine import EngineOptions, Server, Socket
from chatws.engine.polling import PollingTransport
from tests.engine.support import (
    TIMEOUT_S,
    EngineTestServer,
    ValueRecorder,
    engine_objects,
    new_engine_objects,
    serve,
    until,
)

PLAIN = {"Content-Type": "text/plain;charset=UTF-8"}


async def is_gone(server: EngineTestServer, sid: str) -> bool:
    """Return True if the session is unknown."""
    async with await server.get(sid) as response:
        return response.status == 400 and json.loads(await response.text())["code"] == 1


async def raw_post(server: EngineTestServer, sid: str, head: str, pieces: list[bytes]) -> bytes:
    """Send a POST with each piece in its own segment; return the response."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.get_extra_info("socket").setsockopt(6, 1, 1)
    request = (
        f"POST /socket.io/?EIO=4&transport=polling&sid={sid} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{head}\r\n\r\n"
    )
    writer.write(request.encode())
    for piece in pieces:
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(0)
    async with asyncio.timeout(TIMEOUT_S):
        answer = await reader.readuntil(b"\r\n\r\n")
        answer += await reader.readexactly(int(answer.lower().split(b"content-length: ")[1].split(b"\r")[0]))
    writer.close()
    await writer.wait_closed()
    return answer


@pytest.mark.parametrize("size", [1, 7, 1448])
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
async def test_body_in_many_segments_is_accepted(server: EngineTestServer, size: int, chunked: bool) -> None:
    sid = await server.open_polling()
    events = [f'42{number}["echo","{"é" * 50}",{number}]' for number in range(6)]
    body = "\x1e".join(events).encode()
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    head = f"Content-Length: {len(body)}"
    if chunked:
        head = "Transfer-Encoding: chunked"
        pieces = [b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces] + [b"0\r\n\r\n"]
    assert (await raw_post(server, sid, head, pieces)).endswith(b"ok")
    answers: list[str] = []
    while len(answers) < 6:
        answers += await server.poll(sid)
    assert answers == [f'43{number}["{"é" * 50}",{number}]' for number in range(6)]


async def test_body_of_the_maximum_size_is_accepted(server: EngineTestServer) -> None:
    sid = await server.open_polling()
    body = '421["echo","' + "x" * (65_536 - len('421["echo",""]')) + '"]'
    async with await server.post(sid, body) as response:
        assert response.status == 200
    assert len((await server.poll(sid))[0]) == len(body) - len('"echo",')


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        ("x" * 65_537, PLAIN, 413),
        ("", PLAIN, 400),
        ("garbage", PLAIN, 400),
        ("2", PLAIN, 400),
        ("42{", PLAIN, 400),
        ("40", PLAIN, 200),
        ('421["echo"]\x1e', PLAIN, 400),
        ('421["echo"]\x1egarbage', PLAIN, 400),
        (b"4\xff", PLAIN, 400),
        ("bAA==", PLAIN, 400),
        ("b!", PLAIN, 400),
        ("3", {"Content-Type": "application/octet-stream"}, 400),
        ("d=3", {"Content-Type": "application/x-www-form-urlencoded"}, 400),
        (gzip.compress(b"3"), {**PLAIN, "Content-Encoding": "gzip"}, 415),
        (gzip.compress(bytes(50_000_000)), {**PLAIN, "Content-Encoding": "gzip"}, 415),
    ],
    ids=[
        "oversize", "empty", "garbage", "client-ping", "bad-json", "second-connect", "empty-packet", "half-good",
        "utf8", "binary", "base64", "octets", "form", "gzip", "gzip-bomb",
    ],
)  # fmt: skip
async def test_refused_body_is_answered_and_closes_the_session(
    server: EngineTestServer, body: str | bytes, headers: dict[str, str], status: int
) -> None:
    sid = await server.open_polling()
    async with await server.post(sid, body, headers=headers) as response:
        assert response.status == status
    assert await server.disconnects.count(1)
    assert await is_gone(server, sid)


async def test_oversize_chunked_body_is_refused_before_its_end(server: EngineTestServer) -> None:
    sid = await server.open_polling()
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(
        f"POST /socket.io/?EIO=4&transport=polling&sid={sid} HTTP/1.1\r\nHost: x\r\n"
        "Transfer-Encoding: chunked\r\n\r\n11000\r\n".encode()
        + bytes(0x11000)
    )
    async with asyncio.timeout(TIMEOUT_S):
        assert b" 413 " in await reader.readline()
    writer.close()
    assert await is_gone(server, sid)


async def test_incomplete_body_times_out() -> None:
    async with serve(EngineOptions(body_timeout_s=0.3)) as server:
        sid = await server.open_polling()
        answer = await raw_post(server, sid, "Content-Length: 100", [b"3"])
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert await is_gone(server, sid)


async def test_disconnect_during_a_body_closes_the_session(server: EngineTestServer) -> None:
    sid = await server.open_polling()
    _, writer = await asyncio.open_connection("127.0.0.1", server.port)
    head = f"POST /socket.io/?EIO=4&transport=polling&sid={sid} HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n3"
    writer.write(head.encode())
    await writer.drain()
    (session,) = server.io.sessions.values()
    await until(lambda: getattr(session.transport, "is_posting", False))
    writer.transport.abort()
    await server.disconnects.count(1)
    assert server.disconnects.items[0][1] == "transport error"


async def test_two_concurrent_polls_close_the_session(server: EngineTestServer) -> None:
    sid = await server.open_polling()
    first = asyncio.create_task(server.poll(sid))
    (session,) = server.io.sessions.values()
    await until(lambda: getattr(session.transport, "is_polled", False))
    async with await server.get(sid) as second:
        assert second.status == 400
    assert await first == ["1"]
    assert await is_gone(server, sid)


async def test_two_concurrent_posts_close_the_session() -> None:
    async with serve(EngineOptions(body_timeout_s=0.5)) as server:
        sid = await server.open_polling()
        slow = asyncio.create_task(raw_post(server, sid, "Content-Length: 9", [b"3"]))
        (session,) = server.io.sessions.values()
        await until(lambda: getattr(session.transport, "is_posting", False))
        async with await server.post(sid, "3") as second:
            assert second.status == 400
        assert await is_gone(server, sid)
        assert (await slow).startswith(b"HTTP/1.1 400 ")


async def test_disconnect_during_a_poll_closes_the_session(server: EngineTestServer) -> None:
    sid = await server.open_polling()
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(f"GET /socket.io/?EIO=4&transport=polling&sid={sid} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    (session,) = server.io.sessions.values()
    await until(lambda: getattr(session.transport, "is_polled", False))
    writer.close()
    assert await reader.read() == b""
    await server.disconnects.count(1)
    assert server.disconnects.items[0][1] == "transport close"


async def test_one_poll_takes_all_waiting_packets_in_order(server: EngineTestServer) -> None:
    sid = await server.open_polling()
    for number in range(100):
        server.io.of("/").emit("note", number)
    assert await server.poll(sid) == [f'42["note",{number}]' for number in range(100)]


async def test_disconnect_is_kept_for_the_next_poll(server: EngineTestServer) -> None:
    sid = await server.open_polling()
    (socket,) = server.io.of("/").sockets.values()
    socket.emit("error", "logged out")
    socket.disconnect()
    await until(lambda: server.io.session_count == 0)
    assert await server.poll(sid) == ['42["error","logged out"]', "41", "1"]
    assert await is_gone(server, sid)
    async with await server.post(sid, "3") as response:
        assert response.status == 400


@pytest.mark.parametrize("poll_first", [True, False])
async def test_last_poll_of_a_closing_client_is_answered_in_either_order(
    server: EngineTestServer, poll_first: bool
) -> None:
    sid = await server.open_polling()
    (session,) = server.io.sessions.values()
    poll = asyncio.create_task(server.poll(sid)) if poll_first else None
    if poll_first:
        await until(lambda: getattr(session.transport, "is_polled", False))
    async with await server.post(sid, "1") as response:
        assert await response.text() == "ok"
    assert await (poll or server.poll(sid)) == ["6"]
    assert await is_gone(server, sid)


@pytest.mark.parametrize("ending", ["close", "abort"])
async def test_events_posted_before_a_disconnect_are_handled(ending: str) -> None:
    handled, release = ValueRecorder(), asyncio.Event()

    def prepare(io: Server) -> None:
        @io.of("/").on("step")
        async def step(_socket: Socket, number: int) -> None:
            await release.wait()
            handled.add(number)

    async with serve(prepare=prepare) as server:
        sid = await server.open_polling()
        (session,) = server.io.sessions.values()
        _, poll = await asyncio.open_connection("127.0.0.1", server.port)
        poll.write(f"GET /socket.io/?EIO=4&transport=polling&sid={sid} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        await until(lambda: getattr(session.transport, "is_polled", False))
        await server.post(sid, "\x1e".join(f'42["step",{number}]' for number in range(5)))
        if ending == "close":
            await server.post(sid, "1")
        else:
            poll.transport.abort()
            await until(lambda: getattr(session.transport, "_is_closed", False))
        assert not server.disconnects.items
        release.set()
        assert await handled.count(5) == list(range(5))
        assert (await server.disconnects.count(1))[0][1] == "transport close"
        poll.close()


async def test_ack_in_a_post_overtakes_queued_events(client: socketio.AsyncClient) -> None:
    handled = ValueRecorder()

    def prepare(io: Server) -> None:
        @io.of("/").on("ask")
        async def ask(socket: Socket) -> None:
            handled.add(await socket.call("question"))

        @io.of("/").on("later")
        async def later(_socket: Socket) -> None:
            handled.add("later")

    async with serve(prepare=prepare) as server:
        sid = await server.open_polling()
        await server.post(sid, '42["ask"]\x1e42["later"]')
        assert await server.poll(sid) == ['421["question"]']
        await server.post(sid, '431["answer"]')
        assert await handled.count(2) == [["answer"], "later"]
    assert not client.connected


@pytest.mark.parametrize("packet", ["3", '42["echo"]'], ids=["pongs", "events"])
async def test_body_of_thousands_of_packets_is_spread_over_iterations(server: EngineTestServer, packet: str) -> None:
    sid = await server.open_polling()
    post = asyncio.create_task(server.post(sid, "\x1e".join([packet] * 5_000 + ['421["echo"]'])))
    iterations = 0
    while not server.io.outbox_bytes()[0]:
        iterations += 1
        await asyncio.sleep(0)
    assert iterations > 15
    assert (await post).status == 200
    assert await server.poll(sid) == ["431[]"]


async def test_post_waits_while_the_receive_queue_is_full() -> None:
    release, handled = asyncio.Event(), ValueRecorder()

    def prepare(io: Server) -> None:
        @io.of("/").on("slow")
        async def slow(_socket: Socket, _text: str) -> None:
            await release.wait()
            handled.add(1)

    async with serve(prepare=prepare) as server:
        sid = await server.open_polling()
        body = f'42["slow","{"x" * 60_000}"]'
        await server.post(sid, body)
        held = asyncio.create_task(server.post(sid, body))
        (session,) = server.io.sessions.values()
        await until(lambda: session.transport.receive_queue.queued_bytes > 100_000)  # type: ignore[attr-defined] # PollingTransport
        assert not held.done()
        release.set()
        assert (await held).status == 200
        await handled.count(2)


@pytest.mark.parametrize(
    ("method", "query", "code"),
    [
        ("GET", "", 0),
        ("GET", "EIO=4", 0),
        ("GET", "EIO=4&transport=carrier-pigeon", 0),
        ("GET", "transport=polling", 5),
        ("GET", "EIO=3&transport=polling", 5),
        ("POST", "EIO=4&transport=polling", 2),
        ("PUT", "EIO=4&transport=polling&sid=x", 2),
        ("DELETE", "EIO=4&transport=polling", 2),
        ("GET", "EIO=4&transport=polling&sid=unknown", 1),
        ("POST", "EIO=4&transport=polling&sid=unknown", 1),
        ("GET", "EIO=4&transport=polling&j=0", 3),
        ("GET", "EIO=4&transport=websocket", 3),
    ],
)
async def test_bad_request_is_answered_with_its_error_code(
    server: EngineTestServer, method: str, query: str, code: int
) -> None:
    async with server.http.request(method, f"{server.url}/socket.io/?{query}") as response:
        assert response.status == 400
        assert json.loads(await response.text())["code"] == code
    assert server.io.session_count == 0


async def test_path_works_without_trailing_slash(server: EngineTestServer) -> None:
    async with server.http.get(f"{server.url}/socket.io?EIO=4&transport=polling") as response:
        assert response.status == 200
        assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
        assert response.headers["Cache-Control"] == "no-store"


async def test_closed_sessions_are_freed_without_cycle_collection() -> None:
    async with serve(EngineOptions(polling_linger_s=0.05, write_stall_s=0.1)) as server:
        gc.collect()
        gc.disable()
        try:
            before = engine_objects()
            for end in ("client", "protocol error", "disconnect", "ping timeout", "abort", "server"):
                await end_session(server, end)
            await until(lambda: not new_engine_objects(before))
        finally:
            gc.enable()


async def end_session(server: EngineTestServer, end: str) -> None:
    """Open a session, use it, and close it in the given way."""
    sid = await server.open_polling()
    async with await server.post(sid, '421["echo"]'):
        assert await server.poll(sid) == ["431[]"]
    if end == "server":
        await server.io.close_all()
    elif end == "disconnect":
        (socket,) = server.io.of("/").sockets.values()
        socket.disconnect()
    elif end == "ping timeout":
        server.io.sessions[sid].ping_timed_out()
    elif end == "abort":
        _, poll = await asyncio.open_connection("127.0.0.1", server.port)
        poll.write(f"GET /socket.io/?EIO=4&transport=polling&sid={sid} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        transport = server.io.sessions[sid].transport
        assert isinstance(transport, PollingTransport)
        await until(lambda: transport.is_polled)
        poll.transport.abort()
        await until(transport.is_disconnected)
        server.io.of("/").emit("note")
    else:
        async with await server.post(sid, {"client": "1", "protocol error": "garbage"}[end]):
            pass
    await until(lambda: not server.io.session_count)
