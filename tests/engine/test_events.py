from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
import socketio

from chatws.engine import AckTimeout, AlreadyAnswered, EngineOptions, IncomingEvent, Server, Socket, SocketDisconnected
from chatws.engine.connection import SocketIOConnection
from tests.engine.support import PATIENCE_S, Recorder, Running, eventually, serve


async def test_values_come_back_as_the_ack(
    running: Running, client: socketio.AsyncClient, transports: list[str]
) -> None:
    await client.connect(running.url, transports=transports)
    assert await client.call("echo", (1, "zwei", {"drei": [True, None]})) == (1, "zwei", {"drei": [True, None]})
    assert await client.call("echo", "€ \x1e") == "€ \x1e"


async def test_events_of_one_socket_are_handled_in_order_whatever_handlers_await(
    client: socketio.AsyncClient, transports: list[str]
) -> None:
    handled = Recorder()

    def prepare(io: Server) -> None:
        @io.of("/").on("step")
        async def step(_socket: Socket, number: int) -> None:
            await asyncio.sleep(0.002 * (number % 3))
            handled.add(number)

    async with serve(prepare=prepare) as running:
        await client.connect(running.url, transports=transports)
        for number in range(60):
            await client.emit("step", number)
        assert await handled.count(60) == list(range(60))
        await client.disconnect()


@pytest.mark.parametrize("wrapped", [False, True], ids=["plain", "wait_for"])
async def test_handler_can_call_its_own_client_and_later_events_wait(
    client: socketio.AsyncClient, transports: list[str], wrapped: bool
) -> None:
    """``asyncio.wait_for`` runs the call in another task than the one that reads."""
    order = Recorder()

    def prepare(io: Server) -> None:
        @io.of("/").on("ask")
        async def ask(socket: Socket) -> object:
            call = socket.call("question", 40, timeout_s=PATIENCE_S)
            (answer,) = await (asyncio.wait_for(call, PATIENCE_S) if wrapped else call)
            order.add("asked")
            return answer

        @io.of("/").on("later")
        async def later(_socket: Socket, number: int) -> None:
            order.add(number)

    async with serve(prepare=prepare) as running:
        client.on("question", lambda number: number + 2)
        await client.connect(running.url, transports=transports)
        answers = Recorder()
        await client.emit("ask", callback=answers.add)
        for number in range(5):
            await client.emit("later", number)
        assert await order.count(6) == ["asked", 0, 1, 2, 3, 4]
        assert await answers.count(1) == [42]
        await client.disconnect()


async def test_call_from_elsewhere_is_answered_while_a_handler_of_that_socket_runs(
    client: socketio.AsyncClient, transports: list[str]
) -> None:
    sockets = Recorder()
    release = asyncio.Event()

    def prepare(io: Server) -> None:
        @io.of("/").on("busy")
        async def busy(socket: Socket) -> None:
            sockets.add(socket)
            await release.wait()

    async with serve(prepare=prepare) as running:
        client.on("question", lambda: "yes")
        await client.connect(running.url, transports=transports)
        await client.emit("busy")
        (socket,) = await sockets.count(1)
        assert await socket.call("question", timeout_s=PATIENCE_S) == ["yes"]
        release.set()
        # The client, asked to leave while its POST is open, would sit out its poll.
        socket.close_transport()
        await running.ended.count(1)


async def test_call_without_answer_times_out_and_the_socket_goes_on(running: Running) -> None:
    websocket = await running.open_websocket()
    (socket,) = running.io.of("/").sockets.values()
    with pytest.raises(AckTimeout):
        await socket.call("question", timeout_s=0.01)
    assert await websocket.receive_str() == '421["question"]'
    await websocket.send_str("431[1]")
    await websocket.send_str('427["echo",1]')
    assert await websocket.receive_str() == "437[1]"


async def test_call_fails_at_once_when_the_client_goes(running: Running) -> None:
    websocket = await running.open_websocket()
    (socket,) = running.io.of("/").sockets.values()
    pending = asyncio.create_task(socket.call("question", timeout_s=PATIENCE_S))
    assert await websocket.receive_str() == '421["question"]'
    await websocket.close()
    with pytest.raises(SocketDisconnected):
        await pending
    with pytest.raises(SocketDisconnected):
        await socket.call("question")


@pytest.mark.parametrize("transport", ["websocket", "polling"])
async def test_call_finds_its_ack_behind_much_that_the_client_sent_before(transport: str) -> None:
    handled = Recorder()
    async with serve(prepare=lambda io: prepare_flood(io, handled, PATIENCE_S)) as running:
        events = [f'42["later",{number},"{"x" * 10_000}"]' for number in range(20)]
        if transport == "polling":
            sid = await running.open_polling()
            for body in ['42["ask"]', *("\x1e".join(events[at : at + 5]) for at in range(0, 20, 5)), "431[1]"]:
                async with await running.post(sid, body) as response:
                    assert response.status == 200
        else:
            websocket = await running.open_websocket()
            for text in ['42["ask"]', *events, "431[1]"]:
                await websocket.send_str(text)
        assert await handled.count(21) == [[1], *range(20)]


async def test_flood_behind_a_call_is_held_back_and_handled_in_order_after_it() -> None:
    """More than is looked through for the ack: the call runs into its timeout, nothing is lost, the client stays."""
    handled = Recorder()
    async with serve(prepare=lambda io: prepare_flood(io, handled, 0.5)) as running:
        websocket = await running.open_websocket()
        await websocket.send_str('42["ask"]')
        for number in range(40):
            await websocket.send_str(f'42["later",{number},"{"x" * 60_000}"]')
        await websocket.send_str("431[1]")
        assert await handled.count(41) == ["no answer", *range(40)]


def prepare_flood(io: Server, handled: Recorder, timeout_s: float) -> None:
    """Note the answer of a client that is asked, and what it sends."""

    @io.of("/").on("ask")
    async def ask(socket: Socket) -> None:
        try:
            handled.add(await socket.call("question", timeout_s=timeout_s))
        except AckTimeout:
            handled.add("no answer")

    @io.of("/").on("later")
    async def later(_socket: Socket, number: int, _text: str) -> None:
        handled.add(number)


@pytest.mark.parametrize(
    ("event", "code"),
    [
        ('["nobody"]', "unknown_event"),
        ('["two",1]', "bad_request"),
        ('["two",1,2,3]', "bad_request"),
        ('["two",1' + "0" * 5000 + ",2]", "bad_request"),
        ('["broken"]', "internal"),
        ('["unserialisable"]', "internal"),
    ],
)
async def test_every_event_that_wants_an_ack_gets_one(event: str, code: str) -> None:
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

    async with serve(prepare=prepare) as running:
        websocket = await running.open_websocket()
        for _ in range(2):
            await websocket.send_str(f"4217{event}")
            answer = await websocket.receive_str(timeout=PATIENCE_S)
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

    async with serve(prepare=prepare) as running:
        await client.connect(running.url, transports=["websocket"])
        await client.emit("fail", 1)
        assert await client.call("say", {"a": 1}) == {"ok": True}
        assert seen == [("fail", [b"1"], False), ("say", [b'{"a":1}'], True)]
        assert running.io.stats.handler_errors == 1
        await client.disconnect()


async def test_event_that_waited_tells_since_when(transports: list[str]) -> None:
    seen, release = Recorder(), asyncio.Event()

    def prepare(io: Server) -> None:
        @io.of("/").on_event
        async def handle(_socket: Socket, event: IncomingEvent) -> None:
            seen.add((event.name, event.arrived_at))
            await release.wait()

    async with serve(prepare=prepare) as running:
        clock = asyncio.get_running_loop().time
        began = clock()
        if transports[0] == "polling":
            await running.post(await running.open_polling(), '42["first"]\x1e42["second"]')
        else:
            websocket = await running.open_websocket()
            await websocket.send_str('42["first"]')
            await websocket.send_str('42["second"]')
        await eventually(lambda: running.io.stats.packets_in == 3)
        came = clock()
        await eventually(lambda: clock() > came)
        release.set()
        (first, _), (second, arrived_at) = await seen.count(2)
        assert (first, second) == ("first", "second")
        assert began < arrived_at <= came


class FaultyClient(SocketIOConnection):
    """Fails where nothing of a program's is to blame."""

    async def _event(self, *_args: object) -> None:
        raise KeyError


async def test_fault_of_the_engine_itself_ends_the_session(transports: list[str]) -> None:
    """Or nobody would handle what comes after it."""

    def prepare(io: Server) -> None:
        io._make_receiver = lambda session: FaultyClient(session, io._namespaces)

    async with serve(prepare=prepare) as running:
        if transports[0] == "polling":
            await running.post(await running.open_polling(), '42["echo"]')
        else:
            websocket = await running.open_websocket()
            await websocket.send_str('42["echo"]')
        assert (await running.ended.count(1))[0][1] == "transport error"


async def test_handler_in_flight_runs_to_its_end_when_the_client_goes(transports: list[str]) -> None:
    started, finished, release = Recorder(), Recorder(), asyncio.Event()

    def prepare(io: Server) -> None:
        @io.of("/").on("slow")
        async def slow(socket: Socket) -> str:
            started.add(socket)
            await release.wait()
            socket.join("room")
            finished.add(socket.connected)
            return "nobody hears this"

    async with serve(prepare=prepare) as running:
        client = socketio.AsyncClient(reconnection=False)
        await client.connect(running.url, transports=transports)
        await client.emit("slow")
        (socket,) = await started.count(1)
        assert not await running.io.handlers_idle(0.0)
        socket.disconnect()
        release.set()
        assert await finished.count(1) == [False]
        assert await running.io.handlers_idle(PATIENCE_S)
        assert running.io.of("/").room_count == 0
        await client.disconnect()
        await client.shutdown()


async def test_attachments_travel_both_ways(
    binary: Running, client: socketio.AsyncClient, transports: list[str]
) -> None:
    received = Recorder()
    client.on("*", lambda *values: received.add(values))
    await client.connect(binary.url, transports=transports)
    assert await client.call("echo", (b"\x00\xff", {"deep": [b"two"]})) == (b"\x00\xff", {"deep": [b"two"]})
    binary.io.of("/").emit("file", b"\x1e", "name")
    assert await received.count(1) == [("file", b"\x1e", "name")]


def test_sync_client_connects_calls_and_leaves() -> None:
    """python-socketio's threaded client, against a server in this thread's loop.

    On polling its DISCONNECT does not always get out; then the missing PONG ends the socket.
    """

    def talk(url: str, transports: list[str]) -> Any:
        client = socketio.Client(reconnection=False)
        client.connect(url, transports=transports)
        try:
            return client.call("echo", {"n": 1})
        finally:
            client.disconnect()

    async def run() -> None:
        for transports in (["websocket"], ["polling"]):
            async with serve(EngineOptions(ping_interval_s=1.0, ping_timeout_s=1.0)) as running:
                assert await asyncio.to_thread(talk, running.url, transports) == {"n": 1}
                await running.ended.count(1)

    asyncio.run(run())


async def test_cancellation_that_a_handler_raises_itself_costs_one_answer(
    client: socketio.AsyncClient, transports: list[str]
) -> None:
    """It waited for something that was cancelled; nobody has cancelled the handling of this client's events."""

    def prepare(io: Server) -> None:
        @io.of("/").on("wait")
        async def wait(_socket: Socket) -> None:
            given_up = asyncio.get_running_loop().create_future()
            given_up.cancel()
            await given_up

    async with serve(prepare=prepare) as running:
        await client.connect(running.url, transports=transports)
        assert (await client.call("wait"))["error"]["code"] == "internal"
        assert await client.call("echo", 1) == 1
        await client.disconnect()


async def test_binary_event_whose_parts_come_later_is_handled_while_a_call_waits(binary: Running) -> None:
    websocket = await binary.open_websocket()
    (socket,) = binary.io.of("/").sockets.values()
    call = asyncio.create_task(socket.call("question"))
    assert await websocket.receive_str() == '421["question"]'
    await websocket.send_str('451-7["echo",{"_placeholder":true,"num":0}]')
    await eventually(lambda: binary.io.stats.packets_in == 2)
    await websocket.send_bytes(b"x" * 9_000)
    assert (await websocket.receive_str(timeout=PATIENCE_S)).startswith("461-7[")
    assert await websocket.receive_bytes() == b"x" * 9_000
    await websocket.send_str('431["answer"]')
    assert await call == ["answer"]


async def test_binary_ack_whose_parts_come_later_lets_a_binary_event_be_handled_before() -> None:
    """The event came first and waited for a handler that ends while the ack is still on its way."""
    release = asyncio.Event()

    def prepare(io: Server) -> None:
        @io.of("/").on("wait")
        async def wait(_socket: Socket) -> None:
            await release.wait()

    async with serve(EngineOptions(allow_binary=True), prepare) as running:
        websocket = await running.open_websocket()
        (socket,) = running.io.of("/").sockets.values()
        await websocket.send_str('42["wait"]')
        call = asyncio.create_task(socket.call("question"))
        assert await websocket.receive_str() == '421["question"]'
        await websocket.send_str('451-7["echo",{"_placeholder":true,"num":0}]')
        await websocket.send_bytes(b"event")
        await websocket.send_str('461-1[{"_placeholder":true,"num":0}]')
        await eventually(lambda: running.io.stats.packets_in == 5)
        release.set()
        assert (await websocket.receive_str(timeout=PATIENCE_S)).startswith("461-7[")
        assert await websocket.receive_bytes() == b"event"
        await websocket.send_bytes(b"ack")
        assert await call == [b"ack"]
