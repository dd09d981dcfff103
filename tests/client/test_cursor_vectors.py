"""Cursor scenarios of ``tests/vectors/cursor.json``, which the browser client's core passes too."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from chatws.client.core.cursor import ConversationCursor
from chatws.protocol.entities import Conversation, Message, User
from chatws.protocol.responses import HistoryAck, JoinAck

JsonObject = dict[str, Any]

VECTORS: list[JsonObject] = json.loads((Path(__file__).parent.parent / "vectors" / "cursor.json").read_text())
TIMESTAMP = "2026-01-01T00:00:00.000Z"
USER = User(user_id="u", user_name="U", role="customer")


class CursorScenario:
    """A cursor and the inputs of a scenario, applied to it."""

    def __init__(self, after_seq: int | None, *, fast_path: bool) -> None:
        self._cursor = ConversationCursor("c", after_seq, None)
        self._fast_path = fast_path

    def run(self, step: JsonObject) -> JsonObject:
        """Apply one step and return the resulting state."""
        followed: list[int] = []
        reloaded = None
        match step:
            case {"join": join}:
                self._cursor.apply_join(_join_ack(join))
            case {"receive": seqs}:
                followed = list(self._receive(seqs, step.get("bound")))
            case {"history": page}:
                reloaded = self._cursor.apply_history(_history_ack(page))
            case {"announceHead": head, "atMs": at_ms}:
                self._cursor.announce_head(head, at_ms / 1000)
            case {"applyAnnouncedHead": True, "atMs": at_ms}:
                self._cursor.apply_announced_head(at_ms / 1000)
            case {"disconnect": True}:
                self._cursor.disconnect()
        released = followed + _seqs(self._cursor.release())
        return {
            "released": released,
            "reloaded": None if reloaded is None else _seqs(reloaded),
            "last": self._cursor.last,
            "head": self._cursor.head,
            "behind": self._cursor.is_behind,
            "reloading": self._cursor.is_reloading,
            "duplicates": self._cursor.duplicates,
            "request": self._next_request(),
        }

    def _receive(self, seqs: list[int], bound: int | None) -> Iterator[int]:
        for message in map(_message, seqs):
            if self._fast_path and self._cursor.advance(message):
                yield message.seq
            else:
                self._cursor.take([message], bound=bound)

    def _next_request(self) -> JsonObject | None:
        if not self._cursor.joined:
            return {"join_conversation": msgspec.to_builtins(self._cursor.join_payload())}
        if self._cursor.is_behind:
            return {"history": msgspec.to_builtins(self._cursor.history_payload())}
        return None


def _message(seq: int) -> Message:
    return Message(
        conversation_id="c", content=str(seq), sender=USER, timestamp=TIMESTAMP, message_id=f"m{seq}", seq=seq
    )


def _seqs(messages: list[Message] | tuple[Message, ...]) -> list[int]:
    return [message.seq for message in messages]


def _join_ack(given: JsonObject) -> JoinAck:
    conversation = Conversation(
        conversation_id="c",
        status="queued",
        version=1,
        customer=USER,
        assignee=None,
        created_at=TIMESTAMP,
        updated_at=TIMESTAMP,
        head_seq=given["headSeq"],
        last_message=None,
    )
    return JoinAck(
        conversation=conversation,
        epoch=given.get("epoch", "e"),
        recovered=given.get("recovered", True),
        messages=[_message(seq) for seq in given.get("messages", [])],
        has_more=given.get("hasMore", False),
        read_marks=[],
        typing=[],
        presence=[],
    )


def _history_ack(given: JsonObject) -> HistoryAck:
    messages = [_message(seq) for seq in given["messages"]]
    return HistoryAck(messages=messages, has_more_before=False, has_more_after=False, head_seq=given["headSeq"])


@pytest.mark.parametrize("fast_path", [False, True], ids=["general", "fast path"])
@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_cursor_passes_the_shared_vectors(vector: JsonObject, *, fast_path: bool) -> None:
    scenario = CursorScenario(vector["afterSeq"], fast_path=fast_path)
    for number, step in enumerate(vector["steps"], 1):
        actual = scenario.run(step)
        expected = step.get("expect", {})
        assert {key: actual[key] for key in expected} == expected, f"step {number}"
