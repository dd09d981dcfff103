from __future__ import annotations

import msgspec
import pytest

from chatws.client import CannotConnect, ConnectionChange, RequestRefused
from chatws.protocol.errors import ErrorCode
from chatws.protocol.events import TypingIndicator
from chatws_cli.text_ui.json_records import JsonRequest, ack_of, parse_request, record_of, refusal_of


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("hello", JsonRequest(content="hello")),
        ("[1]", JsonRequest(content="[1]")),
        ('{"content": "a", "clientMessageId": "x"}', JsonRequest(content="a", client_message_id="x")),
        ('{"command": "mark_read", "data": {"seq": 1}}', JsonRequest(command="mark_read", data={"seq": 1})),
        ("  ", None),
    ],
)
def test_a_line_is_a_message_or_a_request(line: str, expected: JsonRequest | None) -> None:
    assert parse_request(line) == expected


@pytest.mark.parametrize(
    "line", ["{", "{}", '{"content": 1}', '{"content": "a", "command": "b"}', '{"contnet": "a"}', '{"data": {}}']
)
def test_a_broken_request_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_request(line)


def test_event_record_has_name_and_field_names_of_the_wire() -> None:
    event = TypingIndicator(conversation_id="c", user_id="u", user_name="U", is_typing=True)
    assert msgspec.to_builtins(record_of("typing_indicator", event)) == {
        "event": "typing_indicator",
        "data": {"conversationId": "c", "userId": "u", "userName": "U", "isTyping": True},
    }


def test_connection_change_is_a_record() -> None:
    record = record_of("connection_change", ConnectionChange("reconnecting", "transport close", 2, 0.5))
    assert record["data"] == {"state": "reconnecting", "reason": "transport close", "attempt": 2}


def test_ack_and_refusal_name_their_request() -> None:
    assert ack_of("history", {}, None) == {"event": "ack", "command": "history", "data": {}}
    refused = refusal_of("send_message", RequestRefused(ErrorCode.FORBIDDEN), "id-1")
    assert (refused["clientMessageId"], refused["error"]["code"]) == ("id-1", "forbidden")
    assert refusal_of("x", CannotConnect("gone"))["error"]["code"] == "connection_lost"
