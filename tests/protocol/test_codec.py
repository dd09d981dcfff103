"""Decoding of requests, event packets and acks."""

from __future__ import annotations

import itertools

import msgspec
import pytest

from chatws.protocol.codec import decode_ack, decode_command, decode_event_packet, decode_request, find_command
from chatws.protocol.errors import ChatError, ErrorCode
from chatws.protocol.events import LeftConversation
from chatws.protocol.responses import MarkAck, Refused
from chatws.protocol.spec import COMMANDS
from chatws.wire.errors import PacketError
from chatws.wire.socketio import split_event

PAYLOADS = [
    '"conv-1"',
    '{"conversationId":"conv-1","content":"text","clientMessageId":"m-1","later":[{}]}',
    '{"conversationId":"conv-1","seq":7,"version":1,"token":"t","status":"away","limit":5,"afterSeq":0}',
    '{"conversationId":7,"content":null,"seq":"7"}',
    "{}",
    "null",
    '{"conversationId":"conv-1","content":"text"},"more",[1]',
    '{"conversationId":"conv-1","content":"text"},nul',
    '{"conversationId":"conv-1",',
    '{"a":' * 2_000,
]


def decode_in_steps(raw_json: str) -> object:
    try:
        name, args = split_event(raw_json)
        row = find_command(name)
        return row, decode_command(row, args)
    except (ChatError, PacketError):
        return None


@pytest.mark.parametrize("name", [*COMMANDS, "unknown", "disconnect", "send\\u005fmessage"])
def test_request_is_decoded_as_in_steps_or_not_at_all(name: str) -> None:
    for payload, end in itertools.product(PAYLOADS, ("]", "]]", "] ", "")):
        raw_json = f'["{name}",{payload}{end}'
        assert decode_request(raw_json) in (None, decode_in_steps(raw_json))


def test_valid_request_is_decoded_at_once() -> None:
    raw_json = f'["send_message",{PAYLOADS[1]}]'
    assert decode_request(raw_json) == decode_in_steps(raw_json)
    assert decode_request('["send_message"]') is None


def test_event_packet_is_decoded_from_name_and_first_argument() -> None:
    packet = '["left_conversation",{"conversationId":"c","later":1},"more"]'
    assert decode_event_packet(packet) == ("left_conversation", LeftConversation(conversation_id="c"))
    assert decode_event_packet('["positions",{"c":7}]') == ("positions", {"c": 7})


@pytest.mark.parametrize(
    "raw_json",
    ["[]", "[7]", "{", '["left_conversation"]', '["left_conversation",{}]', '["unheard_of",{}]', "[" * 10_000],
)
def test_unknown_or_malformed_event_packet_decodes_to_none(raw_json: str) -> None:
    assert decode_event_packet(raw_json) is None


def test_ack_is_a_reply_or_an_error_reply_or_malformed() -> None:
    assert decode_ack("mark_read", '[{"success":true,"seq":3}]') == MarkAck(seq=3)
    refused = decode_ack("mark_read", '[{"success":false,"error":{"code":"forbidden","message":"","retryable":false}}]')
    assert isinstance(refused, Refused)
    assert refused.error.code is ErrorCode.FORBIDDEN
    for unreadable in ("[]", '[{"success":true}]', "[7]", "[}"):
        with pytest.raises(msgspec.DecodeError):
            decode_ack("mark_read", unreadable)
