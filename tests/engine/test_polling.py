from __future__ import annotations

import asyncio
import gc
import gzip
import json

import pytest
import socketio

from chatws.engine import EngineOptions, Server, Socket
from chatws.engine.polling import PollingTransport
from tests.engine.support import PATIENCE_S, Recorder, Running, eventually, kept, left_since, serve

PLAIN = {"Content-Type": "text/plain;charset=UTF-8"}


async def is_gone(running: Running, sid: str) -> bool:
    """Tell whether the session is unknown now."""
    async with await running.get(sid) as response:
        return response.status == 400 and json.loads(await response.text())["code"] == 1


async def raw_post(running: Running, sid: str, head: str, pieces: list[bytes]) -> bytes:
    """Send a POST piece by piece, each in its own segment, and give the answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
    writer.get_extra_info("socket").setsockopt(6, 1, 1)
    request = (
        f"POST /socket.io/?EIO=4&transport=polling&sid={sid} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{head}\r\n\r\n"
    )
    writer.write(request.encode())
    for piece in pieces:
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(0)
    async with asyncio.timeout(PATIENCE_S):
        answer = await reader.readuntil(b"\r\n\r\n")
        answer += await reader.readexactly(int(answer.lower().split(b"content-length: ")[1].split(b"\r")[0]))
    writer.close()
    await writer.wait_closed()
    return answer


@pytest.mark.parametrize("size", [1, 7, 1448])
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
async def test_body_in_many_segments_is_taken_whole(running: Running, size: int, chunked: bool) -> None:
    sid = await running.open_polling()
    events = [f'42{number}["echo","{"é" * 50}",{number}]' for number in range(6)]
    body = "\x1e".join(events).encode()
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    head = f"Content-Length: {len(body)}"
    if chunked:
        head = "Transfer-Encoding: chunked"
        pieces = [b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces] + [b"0\r\n\r\n"]
    assert (await raw_post(running, sid, head, pieces)).endswith(b"ok")
    answers: list[str] = []
    while len(answers) < 6:
        answers += await running.poll(sid)
    assert answers == [f'43{number}["{"é" * 50}",{number}]' for number in range(6)]


async def test_body_of_exactly_the_limit_passes(running: Running) -> None:
    sid = await running.open_polling()
    body = '421["echo","' + "x" * (65_536 - len('421["echo",""]')) + '"]'
    async with await running.post(sid, body) as response:
        assert response.status == 200
    assert len((await running.poll(sid))[0]) == len(body) - len('"echo",')


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
async def test_refused_body_is_answered_at_once_and_ends_the_session(
    running: Running, body: str | bytes, headers: dict[str, str], status: int
) -> None:
    sid = await running.open_polling()
    async with await running.post(sid, body, headers=headers) as response:
        assert response.status == status
    assert await running.ended.count(1)
    assert await is_gone(running, sid)


async def test_oversize_chunked_body_is_refused_before_it_ends(running: Running) -> None:
    sid = await running.open_polling()
    reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
    writer.write(
        f"POST /socket.io/?EIO=4&transport=polling&sid={sid} HTTP/1.1\r\nHost: x\r\n"
        "Transfer-Encoding: chunked\r\n\r\n11000\r\n".encode()
        + bytes(0x11000)
    )
    async with asyncio.timeout(PATIENCE_S):
        assert b" 413 " in await reader.readline()
    writer.close()
    assert await is_gone(running, sid)


async def test_body_that_never_ends_is_given_up() -> None:
    async with serve(EngineOptions(body_timeout_s=0.3)) as running:
        sid = await running.open_polling()
        answer = await raw_post(running, sid, "Content-Length: 100", [b"3"])
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert await is_gone(running, sid)


async def test_body_cut_off_ends_the_session(running: Running) -> None:
    sid = await running.open_polling()
    _, writer = await asyncio.open_connection("127.0.0.1", running.port)
    head = f"POST /socket.io/?EIO=4&transport=polling&sid={sid} HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n3"
    writer.write(head.encode())
    await writer.drain()
    (session,) = running.io._core.sessions.values()
    await eventually(lambda: getattr(session.link, "is_posting", False))
    writer.transport.abort()
    await running.ended.count(1)
    assert running.ended.items[0][1] == "transport error"


async def test_two_polls_at_once_end_the_session(running: Running) -> None:
    sid = await running.open_polling()
    first = asyncio.create_task(running.poll(sid))
    (session,) = running.io._core.sessions.values()
    await eventually(lambda: getattr(session.link, "is_polled", False))
    async with await running.get(sid) as second:
        assert second.status == 400
    assert await first == ["1"]
    assert await is_gone(running, sid)


async def test_two_posts_at_once_end_the_session() -> None:
    async with serve(EngineOptions(body_timeout_s=0.5)) as running:
        sid = await running.open_polling()
        slow = asyncio.create_task(raw_post(running, sid, "Content-Length: 9", [b"3"]))
        (session,) = running.io._core.sessions.values()
        await eventually(lambda: getattr(session.link, "is_posting", False))
        async with await running.post(sid, "3") as second:
            assert second.status == 400
        assert await is_gone(running, sid)
        assert (await slow).startswith(b"HTTP/1.1 400 ")


async def test_poll_whose_client_left_ends_the_session(running: Running) -> None:
    sid = await running.open_polling()
    reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
    writer.write(f"GET /socket.io/?EIO=4&transport=polling&sid={sid} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    (session,) = running.io._core.sessions.values()
    await eventually(lambda: getattr(session.link, "is_polled", False))
    writer.close()
    assert await reader.read() == b""
    await running.ended.count(1)
    assert running.ended.items[0][1] == "transport close"


async def test_one_poll_takes_everything_that_waits_in_order(running: Running) -> None:
    sid = await running.open_polling()
    for number in range(100):
        running.io.of("/").emit("note", number)
    assert await running.poll(sid) == [f'42["note",{number}]' for number in range(100)]


async def test_disconnect_waits_for_a_client_between_two_polls(running: Running) -> None:
    sid = await running.open_polling()
    (socket,) = running.io.of("/").sockets.values()
    socket.emit("error", "logged out")
    socket.disconnect()
    await eventually(lambda: running.io.session_count == 0)
    assert await running.poll(sid) == ['42["error","logged out"]', "41", "1"]
    assert await is_gone(running, sid)
    async with await running.post(sid, "3") as response:
        assert response.status == 400


@pytest.mark.parametrize("poll_first", [True, False])
async def test_last_poll_of_a_client_that_closes_is_answered_whichever_comes_first(
    running: Running, poll_first: bool
) -> None:
    sid = await running.open_polling()
    (session,) = running.io._core.sessions.values()
    poll = asyncio.create_task(running.poll(sid)) if poll_first else None
    if poll_first:
        await eventually(lambda: getattr(session.link, "is_polled", False))
    async with await running.post(sid, "1") as response:
        assert await response.text() == "ok"
    assert await (poll or running.poll(sid)) == ["6"]
    assert await is_gone(running, sid)


@pytest.mark.parametrize("ending", ["close", "cut"])
async def test_events_posted_before_the_client_goes_are_handled(ending: str) -> None:
    handled, release = Recorder(), asyncio.Event()

    def prepare(io: Server) -> None:
        @io.of("/").on("step")
        async def step(_socket: Socket, number: int) -> None:
            await release.wait()
            handled.add(number)

    async with serve(prepare=prepare) as running:
        sid = await running.open_polling()
        (session,) = running.io._core.sessions.values()
        _, poll = await asyncio.open_connection("127.0.0.1", running.port)
        poll.write(f"GET /socket.io/?EIO=4&transport=polling&sid={sid} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        await eventually(lambda: getattr(session.link, "is_polled", False))
        await running.post(sid, "\x1e".join(f'42["step",{number}]' for number in range(5)))
        if ending == "close":
            await running.post(sid, "1")
        else:
            poll.transport.abort()
            await eventually(lambda: getattr(session.link, "_is_gone", False))
        assert not running.ended.items
        release.set()
        assert await handled.count(5) == list(range(5))
        assert (await running.ended.count(1))[0][1] == "transport close"
        poll.close()


async def test_acks_in_a_post_count_while_a_handler_waits_and_events_queue_behind(client: socketio.AsyncClient) -> None:
    handled = Recorder()

    def prepare(io: Server) -> None:
        @io.of("/").on("ask")
        async def ask(socket: Socket) -> None:
            handled.add(await socket.call("question"))

        @io.of("/").on("later")
        async def later(_socket: Socket) -> None:
            handled.add("later")

    async with serve(prepare=prepare) as running:
        sid = await running.open_polling()
        await running.post(sid, '42["ask"]\x1e42["later"]')
        assert await running.poll(sid) == ['421["question"]']
        await running.post(sid, '431["answer"]')
        assert await handled.count(2) == [["answer"], "later"]
    assert not client.connected


@pytest.mark.parametrize("packet", ["3", '42["echo"]'], ids=["pongs", "events"])
async def test_body_of_thousands_of_packets_leaves_turns_to_others(running: Running, packet: str) -> None:
    sid = await running.open_polling()
    post = asyncio.create_task(running.post(sid, "\x1e".join([packet] * 5_000 + ['421["echo"]'])))
    turns = 0
    while not running.io.outbox_bytes()[0]:
        turns += 1
        await asyncio.sleep(0)
    assert turns > 15
    assert (await post).status == 200
    assert await running.poll(sid) == ["431[]"]


async def test_post_waits_when_too_much_is_unhandled() -> None:
    release, handled = asyncio.Event(), Recorder()

    def prepare(io: Server) -> None:
        @io.of("/").on("slow")
        async def slow(_socket: Socket, _text: str) -> None:
            await release.wait()
            handled.add(1)

    async with serve(prepare=prepare) as running:
        sid = await running.open_polling()
        body = f'42["slow","{"x" * 60_000}"]'
        await running.post(sid, body)
        held = asyncio.create_task(running.post(sid, body))
        (session,) = running.io._core.sessions.values()
        await eventually(lambda: session.link.backlog._bytes > 100_000)  # type: ignore[attr-defined] # PollingTransport
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
async def test_bad_request_is_answered_with_the_protocols_code(
    running: Running, method: str, query: str, code: int
) -> None:
    async with running.http.request(method, f"{running.url}/socket.io/?{query}") as response:
        assert response.status == 400
        assert json.loads(await response.text())["code"] == code
    assert running.io.session_count == 0


async def test_path_works_without_its_last_slash(running: Running) -> None:
    async with running.http.get(f"{running.url}/socket.io?EIO=4&transport=polling") as response:
        assert response.status == 200
        assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
        assert response.headers["Cache-Control"] == "no-store"


async def test_ended_sessions_are_freed_without_a_search_for_cycles() -> None:
    async with serve(EngineOptions(polling_linger_s=0.05, write_stall_s=0.1)) as running:
        gc.collect()
        gc.disable()
        try:
            others = kept()
            for end in ("client", "breach", "disconnect", "silence", "cut", "server"):
                await end_session(running, end)
            await eventually(lambda: not left_since(others))
        finally:
            gc.enable()


async def end_session(running: Running, end: str) -> None:
    """Open a session, use it, and end it in one of the ways there are."""
    sid = await running.open_polling()
    async with await running.post(sid, '421["echo"]'):
        assert await running.poll(sid) == ["431[]"]
    if end == "server":
        await running.io.close_all()
    elif end == "disconnect":
        (socket,) = running.io.of("/").sockets.values()
        socket.disconnect()
    elif end == "silence":
        running.io._core.sessions[sid].pong_missing()
    elif end == "cut":
        _, poll = await asyncio.open_connection("127.0.0.1", running.port)
        poll.write(f"GET /socket.io/?EIO=4&transport=polling&sid={sid} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        link = running.io._core.sessions[sid].link
        assert isinstance(link, PollingTransport)
        await eventually(lambda: link.is_polled)
        poll.transport.abort()
        await eventually(link.is_cancelled)
        running.io.of("/").emit("note")
    else:
        async with await running.post(sid, {"client": "1", "breach": "garbage"}[end]):
            pass
    await eventually(lambda: not running.io.session_count)
