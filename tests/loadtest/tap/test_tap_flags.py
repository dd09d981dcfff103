"""Flags of a tap that need no injected fault, on our server and on one with other event names; 8 s."""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING

import msgspec
import pytest

from chatws.client.mapping import read_mapping
from chatws_loadtest.raw_client import RawClient
from chatws_loadtest.server_address import ServerAddress
from chatws_loadtest.tap.masking import mask_path, mask_reason, mask_url, reveal
from chatws_loadtest.tap.storms import STORM_ATTEMPTS, USER_RECONNECTS, StormDetector
from tests.loadtest.other_server import MAPPING, run_example_server
from tests.loadtest.tap.tap_run import TapRun
from tests.support.peer import Peer

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.node import NodeRunner
    from tests.support.server import ServerProcess


async def test_message_sent_past_the_tap_by_a_user_behind_it_is_flagged(shared_server: ServerProcess) -> None:
    session = await asyncio.to_thread(shared_server.new_session)
    credentials, room = {"sessionId": session["sessionId"]}, session["conversationId"]
    async with TapRun(shared_server.url, ack_late_s=0.1) as tap:
        behind = await Peer.connect(tap.url, credentials)
        await behind.call("join_conversation", room)
        past = await Peer.connect(shared_server.url, credentials)
        await past.call("join_conversation", room)
        await past.call("send_message", {"conversationId": room, "content": "past"})
        flag = await tap.expect(type="flag", flag="delivery_without_send")
        await behind.close()
        await past.close()
    assert (flag.c, flag.room) == (1, "r1")


async def test_message_of_a_user_without_a_connection_through_the_tap_is_not_flagged(
    shared_server: ServerProcess,
) -> None:
    session = await asyncio.to_thread(shared_server.new_session)
    room = session["conversationId"]
    async with TapRun(shared_server.url, ack_late_s=0.1) as tap:
        customer = await Peer.connect(tap.url, {"sessionId": session["sessionId"]})
        await customer.call("join_conversation", room)
        agent = await Peer.connect(shared_server.url, {"token": shared_server.sign_token("agent-2")})
        await agent.call("join_conversation", room)
        await agent.call("send_message", {"conversationId": room, "content": "past"})
        await tap.expect(type="in", event="message_received")
        # A later ack is judged after the delivery.
        await customer.call("send_message", {"conversationId": room, "content": "mine"})
        await asyncio.sleep(0.4)  # longer than the grace, and than the interval of the judgement
        await customer.close()
        await agent.close()
    # A busy machine delays acks by more than the grace.
    assert [flag for flag in tap.find(type="flag") if flag.flag != "ack_late"] == []


async def test_user_that_connects_again_and_again_is_flagged(shared_server: ServerProcess) -> None:
    token = shared_server.sign_token("agent-3")
    async with TapRun(shared_server.url) as tap:
        at_once = [await Peer.connect(tap.url, {"token": token}) for _ in range(USER_RECONNECTS + 1)]
        for peer in at_once:
            await peer.expect("authenticated")
        for peer in at_once:
            await peer.close()
        await tap.expect(type="close", c=USER_RECONNECTS + 1)
        assert tap.find(type="flag") == []
        for _ in range(USER_RECONNECTS):
            peer = await Peer.connect(tap.url, {"token": token})
            await peer.expect("authenticated")
            await peer.close()
        storm = await tap.expect(type="flag", flag="reconnect_storm")
    assert storm.user == "u1"


def test_many_attempts_are_a_storm_only_after_as_many_ends() -> None:
    start, storm = StormDetector(), StormDetector()
    assert [start.attempt(0.001 * number) for number in range(500)] == [""] * 500
    for number in range(STORM_ATTEMPTS):
        storm.ended(0.01 * number)
    found = [storm.attempt(1 + 0.01 * number) for number in range(3 * STORM_ATTEMPTS)]
    assert [bool(detail) for detail in found].count(True) == 1, "a storm is reported once"


async def test_server_with_other_event_names_is_paired_by_its_mapping(node: NodeRunner, tmp_path: Path) -> None:
    del node  # the fixture has installed the packages
    mapping = read_mapping(MAPPING)
    with run_example_server(tmp_path) as url:
        async with TapRun(url, mapping=mapping) as tap:
            server = ServerAddress(tap.url, ssl.create_default_context(), mapping)
            staff = await RawClient.authenticated(server, {"token": "staff-1"})
            guest = await RawClient.authenticated(server, {"sessionId": "guest-1"})
            for client in (staff, guest):
                await client.emit("join_conversation", "room-1")
                await client.expect("joined_conversation", conversationId="room-1")
            await guest.request("send_message", {"conversationId": "room-1", "content": "hello"})
            await staff.expect("message_received", content="hello")
            refused = await guest.request("send_message", {"conversationId": "room-1", "content": " "})
            await staff.close()
            await guest.close()
            await tap.expect(type="close", c=1)
            await tap.expect(type="close", c=2)
    assert refused["success"] is False
    assert [(row.user, row.role) for row in tap.find(event="welcome")] == [("u1", "staff"), ("u2", "guest")]
    acks = tap.find(type="ack", event="chat message")
    assert [(row.c, row.message, row.room, row.ok) for row in acks] == [(2, "m1", "r1", True), (2, "m2", "r1", False)]
    received = tap.find(type="in", event="chat message")
    assert {(row.c, row.message) for row in received} == {(1, "m1"), (2, "m1")}
    assert tap.find(type="flag") == []
    shown = msgspec.json.encode(tap.records).decode()
    assert all(secret not in shown for secret in ("hello", "room-1", "guest-1", "staff-1"))


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ({"token": "abc", "text": "hi"}, '{"token":"***","text":"hi"}'),
        ([{"user": {"sessionId": "s-1"}}], '[{"user":{"sessionId":"***"}}]'),
        (["eyJhbGciOiJI.eyJzdWIiOiJh.c2lnbmF0dXJl"], '["***"]'),
        (["\x1b]0;title\x07"], '["\\\\u001b]0;title\\\\u0007"]'.replace("\\\\", "\\")),
    ],
)
def test_revealed_content_has_no_credentials_and_no_control_characters(value: object, shown: str) -> None:
    assert reveal(value) == shown


def test_texts_of_errors_and_addresses_are_masked() -> None:
    assert mask_reason("rate_limited", with_content=False) == "rate_limited"
    assert mask_reason("no message 'my parcel' for Ann!", with_content=False) == "(text of 31 characters)"
    assert mask_reason("token eyJhbGciOiJIUzI1NiIsInR5cCI6", with_content=True) == "token ***"
    assert mask_path("/api/conversations/c-1/messages", with_content=False) == "/api/conversations/…"
    assert mask_url("https://me:pw@chat.example:8443/x?token=1") == "https://chat.example:8443/x"
