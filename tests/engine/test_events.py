from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
import socketio

from chatws.engine import AckTimeout, AlreadyAnswered, EngineOptions, IncomingEvent, Server, Socket, SocketDisconnected
from chatws.engine.connection import SocketIOConnection
from tests.engine.support import TIMEOUT_S, EngineTestServer, ValueRecorder, serve, until


async def test_return_values_are_the_ack(
    server: EngineTestServer, client: socketio.AsyncClient, transports: list[str]
) -> None:
    await client.connect(server.url, transports=transports, wait_timeout=TIMEOUT_S)
    assert await client.call("echo", (1, "zwei", {"drei": [True, None]})) == (1, "zwei", {"drei": [True, None]})
    assert await client.call("echo", "€ \x1e") == "€ \x1e"


async def test_events_of_one_socket_are_handled_in_order_whatever_handlers_await(
    client: socketio.AsyncClient, transports: list[str]
) -> None:
    handled = ValueRecorder()

    def prepare(io: Server) -> None:
        @io.of("/").on("step")
        async def step(_socket: Socket, number: int) -> None:
            await asyncio.sleep(0.002 * (number % 3))
            handled.add(number)

    async with serve(prepare=prepare) as server:
        await client.connect(server.url, transports=transports, wait_timeout=TIMEOUT_S)
        for number in range(60):
            await client.emit("step", number)
        assert await handled.count(60) == list(range(60))
        await client.disconnect()


@pytest.mark.parametrize("wrapped", [False, True], ids=["plain", "wait_for"])
async def test_handler_can_call_its_own_client_and_later_events_wait(
    client: socketio.AsyncClient, transports: list[str], wrapped: bool
) -> None:
    """Cover ``asyncio.wait_for`` too, which runs the call in a separate task."""
    order = ValueRecorder()

    def prepare(io: Server) -> None:
        @io.of("/").on("ask")
        async def ask(socket: Socket) -> object:
            call = socket.call("question", 40, timeout_s=TIMEOUT_S)
            (answer,) = await (asyncio.wait_for(call, TIMEOUT_S) if wrapped else call)
            order.add("called")
            return answer

        @io.of("/").on("later")
        async def later(_socket: Socket, number: int) -> None:
            order.add(number)

    async with serve(prepare=prepare) as server:
        client.on("question", lambda number: number + 2)
        await client.connect(server.url, transports=transports, wait_timeout=TIMEOUT_S)
        answers = ValueRecorder()
        await client.emit("ask", callback=answers.add)
        for number in range(5):
            await client.emit("later", number)
        assert await order.count(6) == ["called", 0, 1, 2, 3, 4]
        assert await answers.count(1) == [42]
        await client.disconnect()


async def test_call_outside_a_handler_is_answered_while_a_handler_runs(
    client: socketio.AsyncClient, transports: list[str]
) -> None:
    sockets = ValueRecorder()
    release = asyncio.Event()

    def prepare(io: Server) -> None:
        @io.of("/").on("busy")
        async def busy(socket: Socket) -> None:
            sockets.add(socket)
            await release.wait()

    async with serve(prepare=prepare) as server:
        client.on("question", lambda: "yes")
        await client.connect(server.url, transports=transports, wait_timeout=TIMEOUT_S)
        await client.emit("busy")
        (socket,) = await sockets.count(1)
        assert await socket.call("question", timeout_s=TIMEOUT_S) == ["yes"]
        release.set()
        # A client that gets DISCONNECT while its POST is open would wait for its poll.
        socket.close_transport()
        await server.disconnects.count(1)


async def test_call_without_ack_times_out_and_the_socket_stays_connected(server: EngineTestServer) -> None:
    websocket = await server.open_websocket()
    (socket,) = server.io.of("/").sockets.values()
    with pytest.raises(AckTimeout):
        await socket.call("question", timeout_s=0.01)
    assert await websocket.receive_str() == '421["question"]'
    await websocket.send_str("431[1]")
    await websocket.send_str('427["echo",1]')
    assert await websocket.receive_str() == "437[1]"


async def test_call_fails_at_once_when_the_client_disconnects(server: EngineTestServer) -> None:
    websocket = await server.open_websocket()
    (socket,) = server.io.of("/").sockets.values()
    pending = asyncio.create_task(socket.call("question", timeout_s=TIMEOUT_S))
    assert await websocket.receive_str() == '421["question"]'
    await websocket.close()
    with pytest.raises(SocketDisconnected):
        await pending
    with pytest.raises(SocketDisconnected):
        await socket.call("question")


@pytest.mark.parametrize("transport", ["websocket", "polling"])
async def test_ack_is_found_behind_200_kb_of_events(transport: str) -> None:
    handled = ValueRecorder()
    async with serve(prepare=lambda io: prepare_call(io, handled, TIMEOUT_S)) as server:
        events = [f'42["later",{number},"{"x" * 10_000}"]' for number in range(20)]
        if transport == "polling":
            sid = await server.open_polling()
            for body in ['42["ask"]', *("\x1e".join(events[at : at + 5]) for at in range(0, 20, 5)), "431[1]"]:
                async with await server.post(sid, body) as response:
                    assert response.status == 200
        else:
            websocket = await server.open_websocket()
            for text in ['42["ask"]', *events, "431[1]"]:
                await websocket.send_str(text)
        assert await handled.count(21) == [[1], *range(20)]


async def test_events_behind_a_call_are_delayed_and_handled_in_order() -> None:
    """Beyond the read-ahead limit the call times out; no event is lost and the client stays connected."""
    handled = ValueRecorder()
    async with serve(prepare=lambda io: prepare_call(io, handled, 0.5)) as server:
        websocket = await server.open_websocket()
        await websocket.send_str('42["ask"]')
        for number in range(40):
            await websocket.send_str(f'42["later",{number},"{"x" * 60_000}"]')
        await websocket.send_str("431[1]")
        assert await handled.count(41) == ["timeout", *range(40)]


def prepare_call(io: Server, handled: ValueRecorder, timeout_s: float) -> None:
    """Record the acks and events of a client."""

    @io.of("/").on("ask")
    async def ask(socket: Socket) -> None:
        try:
            handled.add(await socket.call("question", timeout_s=timeout_s))
        except AckTimeout:
            handled.add("timeout")

    @io.of("/").on("later")
    async def later(_socket: Socket, number: int, _text: str) -> None:
        handled.add(number)


@pytest.mark.parametrize(
    ("event", "code"),
    [
        ('["unknown"]', "unknown_event"),
        ('["two",1]', "bad_request"),
        ('["two",1,2,3]', "bad_request"),
        ('["two",1' + "0" * 5000 + ",2]", "bad_request"),
        ('["broken"]', "internal"),
        ('["unserialisable"]', "internal"),
    ],
)
async def test_every_event_that_requests_an_ack_gets_one(event: str, code: str) -> None:
    def prepare(io: Server) -> None:
        main = io.of("/")

        @main.on("two")
        async def two(_socket: Socket, _first: object, _second: object) -> None:
            pass

        @main.on("broken")
        async def broken(_socket: Socket) -> None:
            raise RuntimeError

        @main.on("unserialisable")
        async def unserialisable(_socket: Socket) -> object:
            return object()

    async with serve(prepare=prepare) as server:
        websocket = await server.open_websocket()
        for _ in range(2):
            await websocket.send_str(f"4217{event}")
            answer = await websocket.receive_str(timeout=TIMEOUT_S)
            (body,) = msgspec.json.decode(answer.removeprefix("4317"))
            assert (body["success"], body["error"]["code"]) == (False, code)


async def test_raw_handler_gets_unbuilt_arguments_and_may_fail(client: socketio.AsyncClient) -> None:
    seen: list[tuple[str, list[bytes], bool]] = []

    def prepare(io: Server) -> None:
        @io.of("/").on_event
        async def handle(_socket: Socket, event: IncomingEvent) -> None:
            seen.append((event.name, [bytes(arg) for arg in event.args], event.wants_ack))
            if event.name == "fail":
                raise RuntimeError
            event.reply({"ok": True})
            with pytest.raises(AlreadyAnswered):
                event.reply()

    async with serve(prepare=prepare) as server:
        await client.connect(server.url, transports=["websocket"], wait_timeout=TIMEOUT_S)
        await client.emit("fail", 1)
        assert await client.call("say", {"a": 1}) == {"ok": True}
        assert seen == [("fail", [b"1"], False), ("say", [b'{"a":1}'], True)]
        assert server.io.stats.handler_errors == 1
        await client.disconnect()


async def test_queued_event_has_its_arrival_time(transports: list[str]) -> None:
    seen, release = ValueRecorder(), asyncio.Event()

    def prepare(io: Server) -> None:
        @io.of("/").on_event
        async def handle(_socket: Socket, event: IncomingEvent) -> None:
            seen.add((event.name, event.arrived_at))
            await release.wait()

    async with serve(prepare=prepare) as server:
        clock = asyncio.get_running_loop().time
        began = clock()
        if transports[0] == "polling":
            await server.post(await server.open_polling(), '42["first"]\x1e42["second"]')
        else:
            websocket = await server.open_websocket()
            await websocket.send_str('42["first"]')
            await websocket.send_str('42["second"]')
        await until(lambda: server.io.stats.packets_in == 3)
        arrived = clock()
        await until(lambda: clock() > arrived)
        release.set()
        (first, _), (second, arrived_at) = await seen.count(2)
        assert (first, second) == ("first", "second")
        assert began < arrived_at <= arrived


class FailingConnection(SocketIOConnection):
    """Raises outside the program's handlers."""

    async def _handle_event(self, *_args: object) -> None:
        raise KeyError


async def test_exception_in_the_engine_closes_the_session(transports: list[str]) -> None:
    """An open session would have no task that handles later packets."""

    def prepare(io: Server) -> None:
        io._make_receiver = lambda session: FailingConnection(session, io._namespaces)

    async with serve(prepare=prepare) as server:
        if transports[0] == "polling":
            await server.post(await server.open_polling(), '42["echo"]')
        else:
            websocket = await server.open_websocket()
            await websocket.send_str('42["echo"]')
        assert (await server.disconnects.count(1))[0][1] == "transport error"


async def test_running_handler_finishes_after_its_client_disconnected(transports: list[str]) -> None:
    started, finished, release = ValueRecorder(), ValueRecorder(), asyncio.Event()

    def prepare(io: Server) -> None:
        @io.of("/").on("slow")
        async def slow(socket: Socket) -> str:
            started.add(socket)
            await release.wait()
            socket.join("room")
            finished.add(socket.connected)
            return "dropped"

    async with serve(prepare=prepare) as server:
        client = socketio.AsyncClient(reconnection=False)
        await client.connect(server.url, transports=transports, wait_timeout=TIMEOUT_S)
        await client.emit("slow")
        (socket,) = await started.count(1)
        assert not await server.io.handlers_idle(0.0)
        socket.disconnect()
        release.set()
        assert await finished.count(1) == [False]
        assert await server.io.handlers_idle(TIMEOUT_S)
        assert server.io.of("/").room_count == 0
        await client.disconnect()
        await client.shutdown()


async def test_attachments_are_sent_and_received(
    binary: EngineTestServer, client: socketio.AsyncClient, transports: list[str]
) -> None:
    received = ValueRecorder()
    client.on("*", lambda *values: received.add(values))
    await client.connect(binary.url, transports=transports, wait_timeout=TIMEOUT_S)
    assert await client.call("echo", (b"\x00\xff", {"deep": [b"two"]})) == (b"\x00\xff", {"deep": [b"two"]})
    binary.io.of("/").emit("file", b"\x1e", "name")
    assert await received.count(1) == [("file", b"\x1e", "name")]


def test_sync_client_connects_calls_and_disconnects() -> None:
    """Connect python-socketio's threaded client to a server in this thread's loop.

    On polling the client does not always send its DISCONNECT; then the ping timeout ends the socket.
    """

    def call_echo(url: str, transports: list[str]) -> Any:
        client = socketio.Client(reconnection=False)
        client.connect(url, transports=transports, wait_timeout=TIMEOUT_S)
        try:
            return client.call("echo", {"n": 1})
        finally:
            client.disconnect()

    async def run() -> None:
        for transports in (["websocket"], ["polling"]):
            async with serve(EngineOptions(ping_interval_s=1.0, ping_timeout_s=1.0)) as server:
                assert await asyncio.to_thread(call_echo, server.url, transports) == {"n": 1}
                await server.disconnects.count(1)

    asyncio.run(run())


async def test_cancelled_error_raised_by_a_handler_fails_only_its_event(
    client: socketio.AsyncClient, transports: list[str]
) -> None:
    """The handler awaited a cancelled future; the task that handles the client's events was not cancelled."""

    def prepare(io: Server) -> None:
        @io.of("/").on("wait")
        async def wait(_socket: Socket) -> None:
            cancelled = asyncio.get_running_loop().create_future()
            cancelled.cancel()
            await cancelled

    async with serve(prepare=prepare) as server:
        await client.connect(server.url, transports=transports, wait_timeout=TIMEOUT_S)
        assert (await client.call("wait"))["error"]["code"] == "internal"
        assert await client.call("echo", 1) == 1
        await client.disconnect()


async def test_binary_event_is_handled_while_a_call_waits(binary: EngineTestServer) -> None:
    websocket = await binary.open_websocket()
    (socket,) = binary.io.of("/").sockets.values()
    call = asyncio.create_task(socket.call("question"))
    assert await websocket.receive_str() == '421["question"]'
    await websocket.send_str('451-7["echo",{"_placeholder":true,"num":0}]')
    await until(lambda: binary.io.stats.packets_in == 2)
    await websocket.send_bytes(b"x" * 9_000)
    assert (await websocket.receive_str(timeout=TIMEOUT_S)).startswith("461-7[")
    assert await websocket.receive_bytes() == b"x" * 9_000
    await websocket.send_str('431["answer"]')
    assert await call == ["answer"]


async def test_queued_binary_event_is_handled_before_a_partial_binary_ack() -> None:
    """The event arrived first and was queued behind a handler that ends before the ack is complete."""
    release = asyncio.Event()

    def prepare(io: Server) -> None:
        @io.of("/").on("wait")
        async def wait(_socket: Socket) -> None:
            await release.wait()

    async with serve(EngineOptions(allow_binary=True), prepare) as server:
        websocket = await server.open_websocket()
        (socket,) = server.io.of("/").sockets.values()
        await websocket.send_str('42["wait"]')
        call = asyncio.create_task(socket.call("question"))
        assert await websocket.receive_str() == '421["question"]'
        await websocket.send_str('451-7["echo",{"_placeholder":true,"num":0}]')
        await websocket.send_bytes(b"event")
        await websocket.send_str('461-1[{"_placeholder":true,"num":0}]')
        await until(lambda: server.io.stats.packets_in == 5)
        release.set()
        assert (await websocket.receive_str(timeout=TIMEOUT_S)).startswith("461-7[")
        assert await websocket.receive_bytes() == b"event"
        await websocket.send_bytes(b"ack")
        assert await call == [b"ack"]
