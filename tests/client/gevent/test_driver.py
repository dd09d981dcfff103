from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from chatws.client.core.sdk_events import ConversationJoined
from chatws.client.errors import CannotConnect, RequestRefused
from chatws.client.gevent.endpoint import resolve_endpoint
from chatws.client.gevent.transport_choice import SINGLE, TransportChoice
from chatws.protocol.entities import Message
from chatws.protocol.errors import ErrorCode
from chatws.protocol.events import Authenticated, TypingIndicator
from chatws.protocol.responses import JoinAck, SendAck
from tests.client.chat_server import ChatServer
from tests.client.gevent.recording_observer import RecordingObserver
from tests.client.gevent.server_thread import running
from tests.support.guide_server import GuideOnlyServer, Json
from tests.support.ports import free_port

if TYPE_CHECKING:
    from tests.client.gevent.conftest import OpenClient
    from tests.conftest import StartServer
    from tests.support.server import ServerProcess


each_transport = pytest.mark.parametrize("transport", SINGLE)


def open_pair(
    server: ServerProcess, open_client: OpenClient, transport: TransportChoice = TransportChoice.WEBSOCKET
) -> tuple[RecordingObserver, RecordingObserver, str]:
    """Connect a customer and an agent, and join both to the customer's conversation."""
    session = server.new_session()
    customer = open_client(server.url, {"sessionId": session["sessionId"]}, transport)
    agent = open_client(server.url, {"token": server.sign_token("agent-1")}, transport)
    for client in (customer, agent):
        assert isinstance(client.connect(), Authenticated)
        assert isinstance(client.join(session["conversationId"]), JoinAck)
    return customer, agent, session["conversationId"]


@each_transport
def test_message_reaches_both_and_is_acked(
    shared_server: ServerProcess, open_client: OpenClient, transport: TransportChoice
) -> None:
    customer, agent, conversation_id = open_pair(shared_server, open_client, transport)
    ack = customer.send(conversation_id, "Grüße \N{WAVING HAND SIGN}")
    assert isinstance(ack, SendAck)
    assert ack.seq == 1
    for client in (customer, agent):
        client.wait(lambda client=client: client.contents)  # type: ignore[misc]  # mypy does not infer a lambda's default
        assert client.contents == ["Grüße \N{WAVING HAND SIGN}"]


def test_typing_reaches_the_other_user(shared_server: ServerProcess, open_client: OpenClient) -> None:
    customer, agent, conversation_id = open_pair(shared_server, open_client)
    customer.driver.apply(customer.driver.session.typing(conversation_id, 0.0, is_typing=True))
    agent.wait(lambda: any(isinstance(payload, TypingIndicator) for _, payload in agent.events))


@each_transport
def test_connection_steps_are_timed_in_order(
    shared_server: ServerProcess, open_client: OpenClient, transport: TransportChoice
) -> None:
    customer, _, _ = open_pair(shared_server, open_client, transport)
    times, authenticated_s = customer.opened[0]
    assert 0 < times.started_s < times.transport_s < times.namespace_s < authenticated_s


@each_transport
def test_refused_credentials_are_final(
    shared_server: ServerProcess, open_client: OpenClient, transport: TransportChoice
) -> None:
    outcome = open_client(shared_server.url, {"token": "no token"}, transport).connect()
    assert isinstance(outcome, RequestRefused)
    assert outcome.code is ErrorCode.UNAUTHORIZED


@each_transport
def test_cut_connection_reconnects_and_catches_up(
    shared_server: ServerProcess, open_client: OpenClient, transport: TransportChoice
) -> None:
    customer, agent, conversation_id = open_pair(shared_server, open_client, transport)
    reachable = agent.driver._endpoint
    agent.driver._endpoint = resolve_endpoint(
        f"http://127.0.0.1:{free_port()}"
    )  # unreachable until both messages are stored
    agent.driver.cut()
    assert agent.ends[0].reason == "cut"
    for content in ("one", "two"):
        customer.send(conversation_id, content)
    agent.driver._endpoint = reachable
    agent.wait(lambda: len(agent.contents) == 2)
    assert agent.contents == ["one", "two"]
    assert agent.live == []
    assert any(isinstance(payload, ConversationJoined) and payload.again for payload in agent.delivered)


def test_reconnect_presents_the_pid_of_the_previous_connection(open_client: OpenClient) -> None:
    server = ChatServer()
    with running(server):
        client = open_client(server.url, {"sessionId": "ann"})
        assert isinstance(client.connect(), Authenticated)
        client.driver.cut()
        client.wait(lambda: len(client.opened) == 2)
        assert [auth.get("pid") for auth in server.auths] == [None, server.socket_ids[0]]


@pytest.mark.parametrize("transport", [TransportChoice.WEBSOCKET, TransportChoice.POLLING])
def test_message_posted_while_the_server_is_down_is_stored_after_its_restart(
    start_server: StartServer, open_client: OpenClient, transport: TransportChoice
) -> None:
    server = start_server()
    customer, agent, conversation_id = open_pair(server, open_client, transport)
    server.kill()
    customer.wait(lambda: customer.ends)
    acks: list[object] = []
    session = customer.driver.session
    customer.driver.ask(
        lambda request_id, now: session.post(request_id, conversation_id, "late", "id-1", now), acks.append
    )
    server.start()
    agent.wait(lambda: agent.contents)
    assert agent.contents == ["late"]
    customer.wait(lambda: acks)
    assert isinstance(acks[0], SendAck)


def test_refused_tcp_connection_is_retried(open_client: OpenClient) -> None:
    client = open_client(f"http://127.0.0.1:{free_port()}", {"sessionId": "x"})
    client.driver.ask(client.driver.session.start, lambda _: None)
    client.wait(lambda: len(client.ends) > 1)
    assert client.ends[0].reason == "Connection refused"


class UnauthenticatingServer(GuideOnlyServer):
    """Fault: accepts CONNECT, and never sends ``authenticated``."""

    async def _connect(self, sid: str, _environ: Json, auth: Json) -> None:
        del sid, auth


@each_transport
def test_missing_step_of_connecting_is_the_reason_of_the_end(transport: TransportChoice) -> None:
    server = UnauthenticatingServer()
    with running(server):
        assert first_end(server.url, transport, 3.0) == "connected, but no `authenticated` event arrived within 3 s"
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        assert first_end(url, transport, 1.0) == "no Engine.IO handshake arrived within 1 s"


def first_end(url: str, transport: TransportChoice, timeout_s: float) -> str:
    """Return the reason why the first attempt to connect ended."""
    client = RecordingObserver(url, {"sessionId": "x"}, transport, timeout_s=timeout_s)
    client.driver.ask(client.driver.session.start, lambda _: None)
    client.wait(lambda: client.ends)
    client.driver.close()
    return client.ends[0].reason


@each_transport
def test_chat_works_against_python_socketio(
    stock_server: str, open_client: OpenClient, transport: TransportChoice
) -> None:
    customer = open_client(stock_server, {"sessionId": "customer-1"}, transport)
    agent = open_client(stock_server, {"token": "agent-1"}, transport)
    for client in (customer, agent):
        assert isinstance(client.connect(), Authenticated)
        assert isinstance(client.join("conv-1"), JoinAck)
    assert isinstance(customer.send("conv-1", "Hello!"), SendAck)
    assert isinstance(agent.send("conv-1", "How can I help?"), SendAck)
    for client in (customer, agent):
        client.wait(lambda client=client: len(client.contents) == 2)  # type: ignore[misc]  # as above
        assert client.contents == ["Hello!", "How can I help?"]
        assert all(isinstance(payload, Message) for name, payload in client.events if name == "message_received")


@pytest.mark.parametrize("url", ["ftp://localhost", "http://", "http://localhost:99999"])
def test_invalid_url_is_refused(url: str) -> None:
    with pytest.raises(CannotConnect):
        resolve_endpoint(url)
