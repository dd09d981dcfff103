"""The example of docs/embedding.md works beside the chat."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import socketio
from aiohttp import ClientSession, web

from chatws.settings import Settings
from tests.examples import lobby


@pytest.fixture
async def url(tmp_path: Path) -> AsyncIterator[str]:
    runner = web.AppRunner(lobby.make_app(Settings(data_dir=tmp_path, port=0)))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def test_own_namespace_works_beside_the_chat(url: str) -> None:
    async with ClientSession() as http:
        client = socketio.AsyncClient(http_session=http, reconnection=False)
        entered: list[str] = []
        client.on("entered", entered.append, namespace="/lobby")
        await client.connect(
            url, auth={"sessionId": "session-1", "ticket": "valid"}, namespaces=["/", "/lobby"], wait_timeout=30
        )
        assert await client.call("enter", "blue", namespace="/lobby") == {"members": 1}
        assert entered == [client.get_sid("/lobby")]
        assert (await client.call("join_conversation", "conv-1"))["success"]
        for wrong in (None, ("a", "b")):
            assert "members" not in (await client.call("enter", wrong, namespace="/lobby") or {})
        await client.disconnect()


async def test_own_namespace_can_refuse_a_client(url: str) -> None:
    async with ClientSession() as http:
        client = socketio.AsyncClient(http_session=http, reconnection=False)
        with pytest.raises(socketio.exceptions.ConnectionError, match="/lobby"):
            await client.connect(url, namespaces=["/lobby"], wait_timeout=30)


def test_documentation_has_the_current_example() -> None:
    root = Path(__file__).parents[2]
    program = (root / "tests/examples/lobby.py").read_text().partition("\n\n")[2]
    assert program in (root / "docs" / "embedding.md").read_text()
