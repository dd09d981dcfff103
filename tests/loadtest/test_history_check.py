"""Comparison of acked messages with histories that a server pages wrongly."""

from __future__ import annotations

import http.client

import pytest
from aiohttp import web

from chatws_loadtest.history_check import NotReadable, count_unstored
from chatws_loadtest.ipc import RoomAssignment

FIRST = {"seq": 1, "content": "lt-0-0-0-Hello"}


@pytest.mark.parametrize("messages", [[], [FIRST]])
async def test_history_that_does_not_advance_is_not_readable(messages: list[dict[str, object]]) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.json_response({"messages": messages, "hasMoreAfter": True})

    app = web.Application()
    app.router.add_get("/api/conversations/conv/messages", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    rooms = [RoomAssignment("conv", [{"sessionId": "session"}])]
    try:
        with pytest.raises(NotReadable, match="repeats a page"):
            await count_unstored(
                lambda: http.client.HTTPConnection("127.0.0.1", port, timeout=10),
                rooms,
                {"conv": [(1, 0), (2, 1)]},
                "lt",
            )
    finally:
        await runner.cleanup()
