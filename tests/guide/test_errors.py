"""Sentences of the guide on failures, with the official client: Security and the row of the event ``error``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.support.chat import RunningChat
from tests.support.node import NodeRunner

CLOSE_MS = 1_000
"""Limit in docs/protocol.md for the time from a failed log-in to the close of the transport."""


async def test_auto_disconnect_on_auth_failure_and_error_occurred(tmp_path: Path, node: NodeRunner) -> None:
    rows: list[dict[str, Any]] = []
    closed_ms: list[float] = [float("inf")] * 5
    # A busy machine may delay some of the five closes.
    for attempt in range(3):
        async with RunningChat(tmp_path / f"data-{attempt}") as chat:
            rows = await node.run("auth_failure.mjs", chat.url, "session-uuid")
        found: list[Any] = [row["ms"] for row in rows if "ms" in row]
        assert len(found) == len(closed_ms)
        closed_ms = [min(closed_ms[number], found[number]) for number in range(len(found))]
        if max(closed_ms) < CLOSE_MS:
            break
    assert max(closed_ms) < CLOSE_MS
    failures = [row for row in rows if row["step"] == "authenticate"]
    assert [row["ack"]["error"]["code"] for row in failures] == ["unauthorized", *["bad_request"] * 3]
    for row in failures:
        assert (row["reason"], row["active"]) == ("io server disconnect", False)
    steps = {row.pop("step"): row for row in rows}
    assert steps["connect"]["data"]["retryable"] is False
    assert (steps["invalid"]["event"], steps["invalid"]["retryable"]) == ("join_conversation", False)
    assert "retryAfterMs" not in steps["invalid"]
    failed = steps["error"]
    assert (failed["code"], failed["event"], failed["retryable"]) == ("rate_limited", "send_message", True)
    assert failed["message"]
    assert failed["retryAfterMs"] > 0
