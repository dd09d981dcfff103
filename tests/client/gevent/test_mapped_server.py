"""Adapter of a server that a mapping describes: connecting, acks and payloads; no server is needed."""

from __future__ import annotations

import msgspec
import pytest

from chatws.client.core.event_names import Command, Event
from chatws.client.gevent.endpoint import Endpoint
from chatws.client.gevent.legacy_protocol import JOINED, LegacyProtocolAdapter
from chatws.client.mapping import CompiledMapping, ServerMapping
from chatws.protocol.commands import History, JoinConversation, SendMessage
from chatws.protocol.entities import Message, Presence
from chatws.protocol.errors import ErrorCode
from chatws.protocol.events import Authenticated
from chatws.protocol.responses import JoinAck, Ok, Refused, SendAck

ENDPOINT = Endpoint("host", 80, "", 2, ("127.0.0.1", 80), None)
MINIMAL = {
    "auth": {"agent": {"name": "{credential}"}, "customer": {"name": "{credential}"}},
    "join": {"event": "enter", "args": ["{conversationId}"], "ack": {"kind": "empty"}, "confirmed_by": "ack"},
    "send": {"event": "say", "args": ["{content}"], "ack": {"success": "ok"}},
    "message_received": {"event": "said", "content": "text"},
}
MESSAGE = SendMessage(conversation_id="c1", content="hi", client_message_id="m1")


def adapter(**tables: object) -> LegacyProtocolAdapter:
    """Return an adapter for a customer of the minimal mapping with other tables."""
    created = LegacyProtocolAdapter(CompiledMapping(msgspec.convert({**MINIMAL, **tables}, ServerMapping)))
    created.connect(ENDPOINT, {"sessionId": "ann"})
    return created


def received(client: LegacyProtocolAdapter, name: str, *args: object) -> list[tuple[str, object]]:
    return client.events(name, [msgspec.Raw(msgspec.json.encode(arg)) for arg in args])


def test_endpoint_has_the_servers_path_namespace_and_credentials() -> None:
    server = {"path": "/live/", "namespace": "/chat"}
    auth = {"method": "query", "agent": {"key": "{credential}"}, "customer": {"key": "{credential}"}}
    endpoint, connect_payload = adapter(server=server, auth=auth).connect(ENDPOINT, {"token": "t 1"})
    assert (endpoint.engine_path, endpoint.namespace, endpoint.query) == ("/live/", "/chat", "&key=t+1")
    assert connect_payload is None


def test_server_without_a_confirmation_authenticates_with_connect() -> None:
    user = adapter().accept_connect('{"sid":"s1"}')
    assert isinstance(user, Authenticated)
    assert (user.user_id, user.role) == ("ann", "customer")
    for reply, user_id in (('{"sid":"s1"}', "s1"), ("{broken", "ann"), ("", "ann")):
        user = adapter(authenticated={"source": "connect", "user_id": "sid"}).accept_connect(reply)
        assert user is not None
        assert user.user_id == user_id


def test_sign_in_is_confirmed_or_refused_by_its_ack() -> None:
    auth = {"method": "event", "event": "login", "agent": ["{credential}"], "customer": ["{credential}"]}
    client = adapter(auth={**auth, "ack": {"error": "@0"}}, authenticated={"source": "ack", "user_id": "@1.id"})
    outgoing = client.sign_in({"sessionId": "ann"})
    assert outgoing is not None
    assert (outgoing.name, outgoing.args, outgoing.requests_ack) == ("login", ["ann"], True)
    assert client.accept_connect("") is None
    user = client.accept_sign_in('[null,{"id":7}]')
    assert isinstance(user, Authenticated)
    assert user.user_id == "7"
    assert client.accept_sign_in('["unknown name"]') == "unknown name"


def test_join_is_confirmed_by_the_ack_or_at_once() -> None:
    client = adapter()
    join = JoinConversation(conversation_id="c1")
    assert client.prepare(1, Command.JOIN_CONVERSATION, join).reply is None
    assert isinstance(client.reply(1, Command.JOIN_CONVERSATION, "[]"), JoinAck)
    silent = adapter(join={}).prepare(1, Command.JOIN_CONVERSATION, join)
    assert silent.outgoing is None
    assert isinstance(silent.reply, JoinAck)


def test_join_is_confirmed_by_an_event_that_names_no_conversation() -> None:
    client = adapter(join={"event": "enter", "confirmed_by": "event", "confirmation": "entered"})
    assert client.prepare(4, Command.JOIN_CONVERSATION, JoinConversation(conversation_id="c1")).reply is None
    [(name, fields)] = received(client, "entered")
    assert name == JOINED
    joined = client.joined(fields)
    assert joined is not None
    assert (joined[0], joined[1].conversation.conversation_id) == (4, "c1")
    assert client.joined(fields) is None


@pytest.mark.parametrize(("raw", "accepted"), [('[{"ok":true}]', True), ('[{"ok":false}]', False)])
def test_ack_of_a_message_is_read_by_the_mapping(raw: str, *, accepted: bool) -> None:
    reply = adapter().reply(2, Command.SEND_MESSAGE, raw)
    assert isinstance(reply, SendAck if accepted else Refused)


@pytest.mark.parametrize("raw", ["[]", "[true]", '[{"ok":"yes"}]', '[{"success":true}]'])
def test_ack_of_another_shape_raises_an_error_that_the_driver_reports(raw: str) -> None:
    with pytest.raises(msgspec.DecodeError):
        adapter().reply(2, Command.SEND_MESSAGE, raw)


def test_message_to_a_server_without_acks_is_acked_locally_and_has_no_ack_id() -> None:
    prepared = adapter(send={"event": "say", "args": ["{content}"]}).prepare(2, Command.SEND_MESSAGE, MESSAGE)
    assert prepared.outgoing is not None
    assert (prepared.outgoing.args, prepared.outgoing.requests_ack) == (["hi"], False)
    assert isinstance(prepared.reply, SendAck)


def test_command_that_the_mapping_lacks_is_not_sent() -> None:
    client = adapter()
    typing = client.prepare(3, Command.TYPING_START, "c1")
    assert (typing.outgoing, typing.reply) == (None, Ok())
    history = client.prepare(4, Command.HISTORY, History(conversation_id="c1"))
    assert history.outgoing is None
    assert isinstance(history.reply, Refused)
    assert history.reply.error.code is ErrorCode.UNKNOWN_EVENT


def test_events_get_the_fields_that_the_mapping_lacks_and_stay_raw_if_they_are_invalid() -> None:
    presence = {"event": "up", "offline_event": "down", "user_id": "@0"}
    client = adapter(presence_update=presence)
    client.prepare(1, Command.JOIN_CONVERSATION, JoinConversation(conversation_id="c1"))
    [(_, first)] = received(client, "said", {"text": "a"})
    [(_, second)] = received(client, "said", {"text": "b"})
    assert isinstance(first, Message)
    assert isinstance(second, Message)
    assert [(first.conversation_id, first.seq), (second.conversation_id, second.seq)] == [("c1", 1), ("c1", 2)]
    [(_, gone)] = received(client, "down", 5)
    assert isinstance(gone, Presence)
    assert (gone.user_id, gone.status) == ("5", "offline")
    assert received(client, "said", {"text": 7}) == [(Event.MESSAGE_RECEIVED, msgspec.Raw(b'{"text":7}'))]
