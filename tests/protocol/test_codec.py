"""Decoding of event packets and acks."""

from __future__ import annotations

import msgspec
import pytest

from chatws.protocol.codec import decode_ack, decode_event_packet
from chatws.protocol.errors import ErrorCode
from chatws.protocol.events import LeftConversation
from chatws.protocol.responses import MarkAck, Refused


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
