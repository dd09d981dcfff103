"""Sentences of the guide on failures, with the official client: Security and the row of the event ``error``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.chat import RunningChat
from tests.support.node import NodeRunner


@pytest.mark.alone  # the time until the close is part of the protocol
async def test_auto_disconnect_on_auth_failure_and_error_occurred(tmp_path: Path, node: NodeRunner) -> None:
    async with RunningChat(tmp_path / "data") as chat:
        rows: list[dict[str, Any]] = await node.run("auth_failure.mjs", chat.url, "session-uuid")
    steps = {row.pop("step"): row for row in rows}
    assert steps["ack"]["success"] is False
    assert steps["ack"]["error"]["code"] == "unauthorized"
    assert steps["disconnect"] == {"reason": "io server disconnect"}
    assert steps["closed"]["active"] is False
    assert steps["closed"]["ms"] < 1_000  # the limit in docs/protocol.md
    failed = steps["error"]
    assert (failed["code"], failed["event"], failed["retryable"]) == ("rate_limited", "send_message", True)
    assert failed["message"]
    assert failed["retryAfterMs"] > 0
