from __future__ import annotations

import msgspec
import pytest

from chatws.protocol.codec import decode_ack, decode_event_packet
from chatws.protocol.errors import ErrorCode
from chatws.protocol.events import LeftConversation
from chatws.protocol.responses import MarkAck, Refused


def test_event_is_read_with_its_name_and_its_first_argument_only() -> None:
    packet = '["left_conversation",{"conversationId":"c","later":1},"more"]'
    assert decode_event_packet(packet) == ("left_conversation", LeftConversation(conversation_id="c"))
    assert decode_event_packet('["positions",{"c":7}]') == ("positions", {"c": 7})


@pytest.mark.parametrize(
    "raw_json",
    ["[]", "[7]", "{", '["left_conversation"]', '["left_conversation",{}]', '["unheard_of",{}]', "[" * 10_000],
)
def test_what_is_no_event_of_the_table_is_left_to_the_long_way(raw_json: str) -> None:
    assert decode_event_packet(raw_json) is None


def test_ack_is_the_commands_reply_or_a_refusal_or_unreadable() -> None:
    assert decode_ack("mark_read", '[{"success":true,"seq":3}]') == MarkAck(seq=3)
    refused = decode_ack("mark_read", '[{"success":false,"error":{"code":"forbidden","message":"","retryable":false}}]')
    assert isinstance(refused, Refused)
    assert refused.error.code is ErrorCode.FORBIDDEN
    for unreadable in ("[]", '[{"success":true}]', "[7]", "[}"):
        with pytest.raises(msgspec.DecodeError):
            decode_ack("mark_read", unreadable)
