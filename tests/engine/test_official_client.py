"""The official JavaScript client with its common options, directly and through proxies."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

import msgspec
import pytest

from chatws.engine import ConnectRefused, IncomingEvent, Server, Socket
from tests.engine.support import serve
from tests.support.node import NodeRunner
from tests.support.proxy import Proxy


class DeliveryProgram:
    """Server side of ``delivery.mjs``; records the events it receives."""

    def __init__(self) -> None:
        self.received: list[list[Any]] = []
        self.visits: list[int] = []

    def prepare(self, io: Server) -> None:
        main = io.of("/")
        main.on_connect(self._connect)
        main.on_event(self._answer)
        admin = io.of("/admin")
        admin.on_connect(self._check)

        @admin.on("echo")
        async def echo(_socket: Socket, value: object) -> list[object]:
            return ["admin", value]

    async def _connect(self, _socket: Socket, auth: msgspec.Raw | None) -> None:
        if auth is not None and "visit" in (given := msgspec.json.decode(auth)):
            self.visits.append(given["visit"])

    async def _check(self, _socket: Socket, auth: msgspec.Raw | None) -> None:
        if auth is None or msgspec.json.decode(auth) != {"key": "right"}:
            raise ConnectRefused("not you", {"code": "forbidden"})

    async def _answer(self, socket: Socket, event: IncomingEvent) -> None:
        values = [msgspec.json.decode(value) for value in event.args]
        self.received.append([event.name, *values])
        if event.name == "drop":
            socket.close_transport()
        elif event.name == "echo" or (event.name == "flaky" and self.received.count(["flaky", *values]) == 2):
            event.reply(*values)


def check(rows: list[dict[str, object]], program: DeliveryProgram, *, ends_on: str) -> None:
    """Check the rows of one pair of ``delivery.mjs``."""
    steps = {str(row["step"]): {key: row[key] for key in row.keys() - {"pair", "step"}} for row in rows}
    assert steps["retries"] == {"answers": ["one", "two"]}
    flaky = [event for event in program.received if event[0] == "flaky"]
    assert flaky == [["flaky", "one"]] * 2 + [["flaky", "two"]] * 2, "queued events keep their order"
    assert steps["retries used up"] == {"error": "operation has timed out", "behind": "behind"}
    assert program.received.count(["silent", "gone"]) == 4
    assert steps["timeout"] == {"late": "operation has timed out", "echo": "after"}
    assert steps["buffered"] == {"echo": "back"}
    assert [event for event in program.received if event[0] == "note"] == [["note", "buffered"]]
    assert steps["dropped"]["reason"] in ("transport close", "transport error")
    assert steps["reconnected"] == {"is_new": True, "echo": "again"}
    assert steps["namespace"] == {"admin": ["admin", 1], "main": 2}
    assert steps["namespace left"] == {"main": 3}
    assert steps["namespace entered again"] == {"admin": ["admin", 4]}
    assert steps["refused"] == {
        "message": "not you",
        "data": {"code": "forbidden"},
        "missing": "Invalid namespace",
    }
    assert program.visits == [1, 2, 3], "the auth function is called for each connection"
    assert steps["transport"] == {"name": ends_on, "visits": 3}


CONNECTION_PATHS: dict[str, tuple[str, str, Callable[[int], Proxy]]] = {
    "websocket": ("websocket", "websocket", Proxy),
    "polling": ("polling", "polling", Proxy),
    "upgrade": ("polling,websocket", "websocket", Proxy),
    "upgrade refused by a proxy": ("polling,websocket", "polling", lambda port: Proxy(port, refuses_upgrade=True)),
    "websocket refused by a proxy": ("websocket,polling", "polling", lambda port: Proxy(port, refuses_upgrade=True)),
    "proxy that sends small segments": ("polling,websocket", "websocket", lambda port: Proxy(port, segment_bytes=3)),
}


async def test_npm_clients_options_work_on_all_paths(node: NodeRunner, subtests: pytest.Subtests) -> None:
    """Run one process of the client for all paths, each with a server of its own: most of its cost is its start."""
    programs = {path: DeliveryProgram() for path in CONNECTION_PATHS}
    proxies: dict[str, Proxy] = {}
    arguments: list[str] = []
    async with AsyncExitStack() as stack:
        for path, (transports, _, make_proxy) in CONNECTION_PATHS.items():
            server = await stack.enter_async_context(serve(prepare=programs[path].prepare))
            proxies[path] = await stack.enter_async_context(make_proxy(server.port).running())
            arguments += [proxies[path].url, transports]
        rows = await node.run("delivery.mjs", *arguments)
    for number, (path, (_, ends_on, _)) in enumerate(CONNECTION_PATHS.items()):
        with subtests.test(path):
            check([row for row in rows if row["pair"] == number], programs[path], ends_on=ends_on)
            assert bool(proxies[path].refused) is proxies[path].refuses_upgrade


async def test_npm_client_reconnects_by_polling_after_a_proxy_blocks_websocket(node: NodeRunner) -> None:
    """The proxy stops supporting WebSocket while the client is connected."""
    connected = asyncio.Event()

    def prepare(io: Server) -> None:
        @io.of("/").on("here")
        async def here(_socket: Socket) -> None:
            connected.set()

    async with serve(prepare=prepare) as server, Proxy(server.port).running() as proxy:
        client = asyncio.create_task(node.run("fallback.mjs", proxy.url))
        await asyncio.wait_for(connected.wait(), 30)
        proxy.refuses_upgrade = True
        await proxy.cut()
        rows = await client
        assert rows == [{"transport": "websocket"}, {"transport": "polling", "echo": "still here"}]
