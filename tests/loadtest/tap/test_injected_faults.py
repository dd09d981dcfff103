"""Faults that rules inject between real clients and our server, and their flags; 8 s."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
import socketio

from chatws_loadtest.tap.fault_rules import parse_rule
from tests.loadtest.tap.tap_run import TIMEOUT_S, TapRun
from tests.support.commands import run_chatws
from tests.support.peer import Peer

if TYPE_CHECKING:
    from tests.support.server import ServerProcess

USAGE = 2


def tap_with(server: ServerProcess, *rules: str, **options: Any) -> TapRun:
    return TapRun(server.url, rules=tuple(parse_rule(rule) for rule in rules), **options)


class ChattingCustomer:
    """Customer behind a tap who has joined a conversation, and receives the customer's own messages."""

    def __init__(self, peer: Peer, room: str) -> None:
        self.peer = peer
        self._room = room

    @classmethod
    async def start(cls, url: str, server: ServerProcess) -> ChattingCustomer:
        session = await asyncio.to_thread(server.new_session)
        peer = await Peer.connect(url, {"sessionId": session["sessionId"]})
        await peer.call("join_conversation", session["conversationId"])
        return cls(peer, session["conversationId"])

    async def send(self, content: str) -> asyncio.Future[object]:
        return await self.peer.start("send_message", {"conversationId": self._room, "content": content})

    async def receive(self, count: int) -> list[str]:
        """Return the contents of the next messages, in the order of their arrival."""
        return [(await self.peer.expect("message_received"))["content"] for _ in range(count)]


async def test_dropped_ack_is_late_and_then_missing(shared_server: ServerProcess) -> None:
    async with tap_with(shared_server, "drop ack of send_message", ack_late_s=0.1, ack_never_s=0.5) as tap:
        talk = await ChattingCustomer.start(tap.url, shared_server)
        ack = await talk.send("one")
        assert await talk.receive(1) == ["one"]
        # On a busy machine, the ack of the join may be late, too.
        late = await tap.expect(type="flag", flag="ack_late", event="send_message")
        never = await tap.expect(type="flag", flag="ack_never", event="send_message")
        assert not ack.done()
        await talk.peer.close()
    [sent] = tap.find(type="out", event="send_message")
    assert (late.message, never.message) == ("m1", "m1")
    assert late.t - sent.t > 0.09
    assert never.t - sent.t > 0.49
    assert tap.records.index(late) < tap.records.index(never)
    assert [(row.c, row.rule, row.event) for row in tap.find(type="rule")] == [
        (1, "drop ack of send_message", "send_message")
    ]


async def test_dropped_delivery_leaves_a_hole(shared_server: ServerProcess) -> None:
    async with tap_with(shared_server, "drop message_received 40%", seed=5) as tap:
        talk = await ChattingCustomer.start(tap.url, shared_server)
        for number in range(20):
            await (await talk.send(f"{number}"))
        await tap.expect(type="flag", flag="hole")
        await talk.peer.close()
    assert len(tap.find(type="in", event="message_received")) + len(tap.find(type="rule")) == 20


async def test_duplicated_delivery_is_flagged(shared_server: ServerProcess) -> None:
    async with tap_with(shared_server, "duplicate message_received from server") as tap:
        talk = await ChattingCustomer.start(tap.url, shared_server)
        _ = await talk.send("one")
        assert await talk.receive(2) == ["one", "one"]
        assert (await tap.expect(type="flag", flag="duplicate")).message == "m1"
        await talk.peer.close()


async def test_reordered_delivery_is_flagged_and_nothing_is_lost(shared_server: ServerProcess) -> None:
    async with tap_with(shared_server, "reorder message_received 40%", seed=2) as tap:
        talk = await ChattingCustomer.start(tap.url, shared_server)
        for number in range(10):
            _ = await talk.send(f"{number}")
        contents = await talk.receive(10)
        await tap.expect(type="flag", flag="disorder")
        await talk.peer.close()
    assert contents != sorted(contents)
    assert sorted(contents) == [f"{number}" for number in range(10)]


async def test_delayed_ack_arrives_late(shared_server: ServerProcess) -> None:
    async with tap_with(shared_server, "delay 300ms ack of send_message") as tap:
        talk = await ChattingCustomer.start(tap.url, shared_server)
        await (await talk.send("one"))
        ack = await tap.expect(type="ack", event="send_message")
        await talk.peer.close()
    assert ack.ms is not None
    assert ack.ms >= 300


async def test_corrupted_event_is_unreadable(shared_server: ServerProcess) -> None:
    async with tap_with(shared_server, "corrupt send_message") as tap:
        talk = await ChattingCustomer.start(tap.url, shared_server)
        _ = await talk.send("one")
        await tap.expect(type="flag", flag="unreadable")
        await talk.peer.close()
    assert tap.find(type="ack", event="send_message") == []


async def test_cut_ends_both_connections(shared_server: ServerProcess) -> None:
    async with tap_with(shared_server, "cut send_message") as tap:
        talk = await ChattingCustomer.start(tap.url, shared_server)
        _ = await talk.send("one")
        await talk.peer.wait_closed(TIMEOUT_S)
        assert (await tap.expect(type="close")).by == "tap"
        await talk.peer.close()


@pytest.mark.parametrize(
    ("rule", "received"),
    [("drop message_received", []), ("duplicate message_received", ["one", "one"]), ("drop ack of nothing", ["one"])],
)
async def test_rules_apply_to_polling(shared_server: ServerProcess, rule: str, received: list[str]) -> None:
    session = await asyncio.to_thread(shared_server.new_session)
    contents: list[str] = []
    async with tap_with(shared_server, rule) as tap:
        client = socketio.AsyncClient()
        client.on("message_received", lambda message: contents.append(message["content"]))
        await client.connect(
            tap.url, auth={"sessionId": session["sessionId"]}, transports=["polling"], wait_timeout=TIMEOUT_S
        )
        await client.call("join_conversation", session["conversationId"])
        await client.call("send_message", {"conversationId": session["conversationId"], "content": "one"})
        # A later reply shows that everything before it has arrived.
        await client.call("history", {"conversationId": session["conversationId"]})
        await client.disconnect()
    assert contents == received
    assert len(tap.find(type="rule")) == (0 if "nothing" in rule else 1)


async def test_event_dropped_over_polling_does_not_reach_the_server(shared_server: ServerProcess) -> None:
    session = await asyncio.to_thread(shared_server.new_session)
    room = session["conversationId"]
    async with tap_with(shared_server, "drop send_message from client") as tap:
        client = socketio.AsyncClient()
        await client.connect(
            tap.url, auth={"sessionId": session["sessionId"]}, transports=["polling"], wait_timeout=TIMEOUT_S
        )
        await client.call("join_conversation", room)
        await client.emit("send_message", {"conversationId": room, "content": "one"})
        page = await client.call("history", {"conversationId": room})
        await client.disconnect()
    assert page["messages"] == []


def test_wrong_rule_ends_the_command_and_points_at_the_word() -> None:
    done = run_chatws("tap", "http://127.0.0.1:9", "--rule", "drop ack off send_message 5%")
    assert (done.returncode, done.stdout) == (USAGE, "")
    first, text, marks, *_ = done.stderr.splitlines()
    assert first.startswith("chatws tap: --rule: ")
    assert text[marks.index("^") : marks.rindex("^") + 1] == "off"
