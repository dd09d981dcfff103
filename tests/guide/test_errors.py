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
    failures = [row for row in rows if row["step"] == "authenticate"]
    assert [row["ack"]["error"]["code"] for row in failures] == ["unauthorized", *["bad_request"] * 3]
    for row in failures:
        assert (row["reason"], row["active"]) == ("io server disconnect", False)
        assert row["ms"] < 1_000  # the limit in docs/protocol.md
    steps = {row.pop("step"): row for row in rows}
    assert steps["connect"]["data"]["retryable"] is False
    assert steps["connect"]["ms"] < 1_000
    assert (steps["invalid"]["event"], steps["invalid"]["retryable"]) == ("join_conversation", False)
    assert "retryAfterMs" not in steps["invalid"]
    failed = steps["error"]
    assert (failed["code"], failed["event"], failed["retryable"]) == ("rate_limited", "send_message", True)
    assert failed["message"]
    assert failed["retryAfterMs"] > 0
