"""Requests: exactly one reply to each, whatever its content and whatever fails."""

from __future__ import annotations

import asyncio
import json
from typing import Any, NoReturn

import pytest

from chatws.protocol.errors import ERRORS, ErrorCode
from chatws.protocol.spec import COMMANDS
from chatws.server.auth.identity import Identity
from chatws.server.handlers import ROUTES
from chatws.store.interface import Unavailable
from tests.server.conftest import StartChat
from tests.support.chat import RunningChat, until
from tests.support.peer import Peer

MALFORMED_EVENTS = {
    "connect": '["connect"]',
    "disconnect": '["disconnect"]',
    "connect_error": '["connect_error"]',
    "no name": "[7]",
    "empty": "[]",
    "object": "{}",
    "cut off": '["history",{"conversationId":',
    "no JSON": '["history",nul]',
    "deep list": '["history",' + "[" * 20_000 + "]" * 20_001,
    "deep object": '["history",' + '{"conversationId":' * 3000 + "1" + "}" * 3000 + "]",
}
HOSTILE = {
    "nothing": None,
    "null": "null",
    "whole number": "7",
    "huge number": "1" + "0" * 400,
    "fraction": "-1.5e300",
    "true": "true",
    "empty text": '""',
    "text that is no id": '"a b"',
    "text of 65 characters": json.dumps("a" * 65),
    "text with a null": '"a\\u0000"',
    "list": "[]",
    "list of an id": '["conv-1"]',
    "empty object": "{}",
    "id of another type": '{"conversationId":{"a":1},"content":"x","seq":1,"version":1,"status":7,"token":1}',
    "id that is a pattern": '{"conversationId":"..%2f*","content":"x","seq":1,"version":1,"status":"x","token":1}',
    "null fields": '{"conversationId":null,"content":null,"seq":null,"version":null,"status":null,"token":null}',
    "huge fields": '{"conversationId":1e999,"content":1e999,"seq":1e999,"version":1e999,"status":1e999,"token":1e999}',
    "key twice": '{"conversationId":"a","conversationId":7,"content":7,"seq":"7","version":"7","status":7,"token":7}',
    "polluted prototype": '{"__proto__":{"conversationId":"a"},"status":"x","token":1}',
    "placeholder of an attachment": '{"_placeholder":true,"num":0,"status":"x","token":1}',
}
OBJECTS = {kind for kind, raw in HOSTILE.items() if raw is None or raw.startswith("{")}
HARMLESS = {(name, kind) for name in ("list_agents", "list_replies") for kind in OBJECTS} | {
    ("subscribe_inbox", kind) for kind in ("nothing", "empty object")
}
"""Payloads of the events without fields, all of which are unknown, and an inbox subscription without a filter."""


def test_every_event_of_the_table_has_a_route_and_no_other_has() -> None:
    assert ROUTES.keys() == COMMANDS.keys()


@pytest.mark.parametrize("role", ["agent", "customer", "unauthenticated"])
async def test_hostile_payload_gets_exactly_one_bad_request(start_chat: StartChat, role: str) -> None:
    chat = await start_chat(limits="off")
    agent, customer = await chat.pair()
    peer = {"agent": agent, "customer": customer}.get(role) or await chat.connect()
    wrong: dict[tuple[str, str], Any] = {}

    async def check(peer: Peer, name: str, kind: str) -> None:
        raw = HOSTILE[kind]
        ack = await (await peer.start_raw(f'["{name}"]' if raw is None else f'["{name}",{raw}]'))
        if (name, kind) not in HARMLESS and ack.get("error", {}).get("code") != "bad_request":
            wrong[name, kind] = ack

    async def fail_to_authenticate(kind: str) -> None:
        unknown = await chat.connect()
        await check(unknown, "authenticate", kind)
        assert await unknown.wait_closed() == 1000

    for name in COMMANDS:
        if role == "unauthenticated" and name == "authenticate":
            # At once: each connection is closed half a second after the failure.
            await asyncio.gather(*map(fail_to_authenticate, HOSTILE))
            continue
        for kind in HOSTILE:
            await check(peer, name, kind)
    assert wrong == {}
    await peer.settle()
    assert not peer.seen("error")
    assert chat.service.get_connection_count() == 2


async def test_further_arguments_and_unknown_fields_are_ignored(chat: RunningChat) -> None:
    agent, _ = await chat.pair()
    ack = await agent.call(
        "send_message", {"conversationId": "conv-1", "content": "x", "mood": {"a": [1]}}, "more", [None]
    )
    assert ack["success"]


async def test_unknown_event_is_refused_by_name(chat: RunningChat) -> None:
    agent, _ = await chat.pair()
    refusal = {"code": "unknown_event", "message": ERRORS[ErrorCode.UNKNOWN_EVENT].text, "retryable": False}
    for name in ("nonsense", "", "__proto__", "constructor", "Send_Message", "é" * 5000):
        assert (await agent.call(name, {"conversationId": "conv-1"}))["error"] == refusal, name
    assert chat.service.get_connection_count() == 2


async def test_malformed_event_packet_closes_the_transport(chat: RunningChat) -> None:
    customer = await chat.customer()
    assert (await customer.call("join_conversation", "conv-1"))["success"]
    for kind, packet in MALFORMED_EVENTS.items():
        agent = await chat.agent()
        assert (await agent.call("join_conversation", "conv-1"))["success"]
        await agent.send_raw(f"421{packet}")
        assert await agent.wait_closed() == 1002, kind
    assert (await customer.call("history", {"conversationId": "conv-1"}))["success"]


async def test_server_events_sent_by_a_client_are_unknown_events(chat: RunningChat) -> None:
    agent, customer = await chat.pair()
    for name in ("message_received", "authenticated", "presence_update", "conversation_updated", "positions", "error"):
        assert (await customer.call(name, {"conversationId": "conv-1"}))["error"]["code"] == "unknown_event"
    await agent.settle()
    assert not agent.events


async def test_refused_request_without_ack_gets_one_error_event_that_names_it(chat: RunningChat) -> None:
    _, customer = await chat.pair()
    await customer.emit("nonsense")
    await customer.emit("mark_read", 7)
    await customer.settle()
    errors = [(error["event"], error["code"]) for error in customer.seen("error")]
    assert errors == [("nonsense", "unknown_event"), ("mark_read", "bad_request")]


async def test_successful_request_without_ack_gets_no_error(chat: RunningChat) -> None:
    _, customer = await chat.pair()
    await customer.emit("mark_read", {"conversationId": "conv-1", "seq": 0})
    await customer.settle()
    assert not customer.seen("error")


def broken(problem: Exception) -> Any:
    async def fail(*args: object, **options: object) -> NoReturn:
        del args, options
        raise problem

    return fail


async def stuck(*args: object, **options: object) -> None:
    """Replace a store method by one that never returns."""
    del args, options
    await asyncio.Event().wait()


async def send(peer: Peer) -> Any:
    return await peer.call("send_message", {"conversationId": "conv-1", "content": "x"})


async def test_crashing_handler_gives_one_internal_error(chat: RunningChat, caplog: pytest.LogCaptureFixture) -> None:
    agent, customer = await chat.pair()
    chat.parts.store.append = broken(KeyError("the inside of the server"))  # type: ignore[method-assign]  # injected failure
    ack = await send(customer)
    assert ack == {
        "success": False,
        "error": {"code": "internal", "message": ERRORS[ErrorCode.INTERNAL].text, "retryable": False},
    }
    assert "the inside of the server" in caplog.text
    await agent.settle()
    assert not agent.events
    assert (await customer.call("history", {"conversationId": "conv-1"}))["success"]


async def test_stuck_store_is_answered_within_the_deadline(start_chat: StartChat) -> None:
    chat = await start_chat(ack_deadline_ms=1500)
    _, customer = await chat.pair()
    chat.parts.store.append = stuck  # type: ignore[assignment, method-assign]  # no database hangs on demand
    ack = await send(customer)
    assert (ack["error"]["code"], ack["error"]["retryable"]) == ("timeout", True)
    assert (await customer.call("history", {"conversationId": "conv-1"}))["success"]


async def test_requests_queued_behind_a_stuck_one_time_out_with_it(start_chat: StartChat) -> None:
    """Count each deadline from the arrival: the third request is not answered after three deadlines."""
    chat = await start_chat(ack_deadline_ms=1500)
    _, customer = await chat.pair()
    calls = []

    async def counted(draft: object) -> None:
        calls.append(draft)
        await asyncio.Event().wait()

    append, chat.parts.store.append = chat.parts.store.append, counted  # type: ignore[assignment, method-assign]  # as above
    payload = {"conversationId": "conv-1", "content": "x"}
    futures = [await customer.start("send_message", {**payload, "clientMessageId": f"m-{n}"}) for n in range(5)]
    acks = await asyncio.gather(*futures)
    assert [ack["error"]["code"] for ack in acks] == ["timeout"] * 5
    assert len(calls) < 5
    chat.parts.store.append = append  # type: ignore[method-assign]  # restored
    again = [await customer.call("send_message", {**payload, "clientMessageId": f"m-{n}"}) for n in range(5)]
    assert [ack["seq"] for ack in again] == [1, 2, 3, 4, 5]


async def test_request_queued_past_its_deadline_is_rejected_and_not_run(start_chat: StartChat) -> None:
    """Queue the request behind a slow one that succeeds, here CONNECT, which has no deadline."""
    chat = await start_chat(ack_deadline_ms=1500)
    release, identify = asyncio.Event(), chat.parts.authenticator.identify

    async def slow(*args: Any, **options: Any) -> Identity:
        await release.wait()
        return await identify(*args, **options)

    chat.parts.authenticator.identify = slow  # type: ignore[method-assign]  # injected delay
    peer = await Peer.open(chat.url)
    taken = chat.engine.stats.packets_in
    await peer.send_raw("40" + json.dumps({"sessionId": "session-1"}))
    await peer.send_raw('420["join_conversation","conv-1"]')
    await until(lambda: chat.engine.stats.packets_in == taken + 2)
    await asyncio.sleep(0.5)  # the deadline itself
    release.set()
    while not (answer := await peer.receive_raw()).startswith("430"):
        pass
    assert json.loads(answer[3:])[0]["error"]["code"] == "timeout"
    assert chat.parts.namespace.room_size("conversation:conv-1") == 0
    await peer.send_raw('421["join_conversation","conv-1"]')
    while not (answer := await peer.receive_raw()).startswith("431"):
        pass
    assert json.loads(answer[3:])[0]["success"]
    await peer.close()


async def test_join_that_timed_out_left_the_room(start_chat: StartChat) -> None:
    chat = await start_chat(ack_deadline_ms=1500)
    agent, customer = await chat.pair()
    await agent.call("leave_conversation", "conv-1")
    snapshot, chat.parts.store.snapshot = chat.parts.store.snapshot, stuck  # type: ignore[method-assign]  # as above
    assert (await agent.call("join_conversation", "conv-1"))["error"]["code"] == "timeout"
    chat.parts.store.snapshot = snapshot  # type: ignore[method-assign]  # restored
    agent.events.clear()
    await send(customer)
    await agent.settle()
    assert not agent.events
    assert (await agent.call("join_conversation", {"conversationId": "conv-1", "afterSeq": 0}))["messages"]


async def test_unavailable_store_is_reported_as_retryable(chat: RunningChat) -> None:
    agent, customer = await chat.pair()
    append = chat.parts.store.append
    chat.parts.store.append = broken(Unavailable("disk full"))  # type: ignore[method-assign]  # injected failure
    payload = {"conversationId": "conv-1", "content": "x", "clientMessageId": "m-1"}
    ack = await customer.call("send_message", payload)
    assert (ack["error"]["code"], ack["error"]["retryable"]) == ("storage_unavailable", True)
    assert "disk" not in ack["error"]["message"]
    chat.parts.store.append = append  # type: ignore[method-assign]  # restored
    assert (await customer.call("send_message", payload))["seq"] == 1
    await agent.settle()
    assert len(agent.seen("message_received")) == 1


async def test_failing_store_is_logged_at_most_once_per_second(
    chat: RunningChat, caplog: pytest.LogCaptureFixture
) -> None:
    _, customer = await chat.pair()
    chat.parts.store.append = broken(Unavailable("disk full"))  # type: ignore[method-assign]  # injected failure
    for _ in range(2):
        for _ in range(5):
            assert not (await send(customer))["success"]
        chat.clock.advance(1)
    logged = [record.keys for record in caplog.records if record.msg == "request_not_served"]  # type: ignore[attr-defined]  # added by the log
    error = "the store is unavailable: disk full"
    assert logged == [
        {"request": "send_message", "error": error},
        {"request": "send_message", "error": error, "suppressed": 4},
    ]


async def test_requests_for_a_closed_store_are_refused_and_the_connection_stays_open(chat: RunningChat) -> None:
    agent, customer = await chat.pair()
    await chat.parts.store.close()
    for name, payload in (
        ("history", {"conversationId": "conv-1"}),
        ("mark_read", {"conversationId": "conv-1", "seq": 1}),
    ):
        assert (await customer.call(name, payload))["error"]["code"] == "storage_unavailable"
    assert (await send(customer))["error"]["code"] == "storage_unavailable"
    assert (await customer.call("typing_start", "conv-1"))["success"]
    await agent.expect("typing_indicator", isTyping=True)


async def test_connect_is_refused_as_retryable_while_the_store_is_unavailable(chat: RunningChat) -> None:
    await chat.parts.store.close()
    peer = await Peer.open(chat.url)
    await peer.send_raw("40" + json.dumps({"token": chat.token()}))
    refusal = json.loads((await peer.receive_raw()).removeprefix("44"))
    assert (refusal["data"]["code"], refusal["data"]["retryable"]) == ("storage_unavailable", True)
    await peer.close()


async def test_connection_that_ends_during_a_request_leaves_nothing_behind(start_chat: StartChat) -> None:
    chat = await start_chat(presence_grace_ms=1)
    agent, customer = await chat.pair()
    snapshot, may_read = chat.parts.store.snapshot, asyncio.Event()

    async def slow(conversation_id: str, after_seq: int | None) -> Any:
        await may_read.wait()
        return await snapshot(conversation_id, after_seq)

    chat.parts.store.snapshot = slow  # type: ignore[method-assign]  # so that the end happens during the request
    late = await chat.agent("agent-2")
    await late.emit("join_conversation", "conv-1")
    await until(lambda: chat.parts.namespace.room_size("conversation:conv-1") == 3)
    late.cut()
    await late.wait_closed()
    may_read.set()
    await until(lambda: chat.parts.namespace.room_size("conversation:conv-1") == 2)
    assert (await agent.call("join_conversation", "conv-1"))["success"]
    found = (await customer.call("join_conversation", "conv-1"))["presence"]
    assert all(one["status"] == "offline" for one in found if one["userId"] == "agent-2")
    assert chat.service.get_connection_count() == 2
    assert chat.parts.namespace.room_size("conversation:conv-1") == 2
