"""Sentences of the guide on its two browser clients, run on Node.js with the official client."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.support.chat import RunningChat
from tests.support.node import NodeRunner


async def test_client_logging_queued_messages_and_own_messages(tmp_path: Path, node: NodeRunner) -> None:
    async with RunningChat(tmp_path / "data") as chat:
        tokens = chat.token(), chat.token(ttl_s=1800)
        rows: list[dict[str, Any]] = await node.run("browser_clients.mjs", chat.url, "session-uuid", *tokens)
    steps = {row.pop("step"): row for row in rows}
    # Listen for messages: `data.sender.userId !== currentUserId` is for own messages, with includeOwn.
    assert steps["received"]["all"] == ["Hello!", "How can I help?"]
    assert "How can I help?" in steps["received"]["byOthers"]
    assert "Hello!" not in steps["received"]["byOthers"]
    # Queue messages locally: the agent's message was written before the page was loaded again.
    assert steps["unsent"] == {"rows": 0}
    # Logging, client: console.log('[WebSocket] Connected', socket.id)
    lines = steps["logged"]["lines"]
    connected = [socket_id for text, socket_id in (line[:2] for line in lines) if text == "[WebSocket] Connected"]
    assert len(set(connected)) == 2, "one of the widget's client, one of the dashboard's"
    assert all(isinstance(socket_id, str) for socket_id in connected)
    assert ["[WebSocket] Message sent", {"conversationId": "conv-1", "content": "Hello!"}] in lines
    assert ["[WebSocket] Message sent", {"conversationId": "conv-1", "content": "How can I help?"}] in lines
    assert lines.count(["[WebSocket] Disconnected", "client disconnect"]) == 2
