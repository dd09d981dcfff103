from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest

from chatws.client.core.sdk_events import ConversationJoined
from chatws.client.errors import CannotConnect, RequestRefused
from chatws.client.gevent.endpoint import resolve_endpoint
from chatws.protocol.entities import Message
from chatws.protocol.errors import ErrorCode
from chatws.protocol.events import Authenticated, TypingIndicator
from chatws.protocol.responses import JoinAck, SendAck
from tests.client.chat_server import ChatServer
from tests.client.gevent.recording_observer import Witnessed
from tests.support.guide_server import GuideOnlyServer
from tests.support.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.conftest import StartServer
    from tests.support.server import ServerProcess


@pytest.fixture
def open_client() -> Iterator[Callable[[str, dict[str, str]], Witnessed]]:
    """Make clients that are closed with the test."""
    made: list[Witnessed] = []

    def make(url: str, auth: dict[str, str]) -> Witnessed:
        made.append(Witnessed(url, auth))
        return made[-1]

    yield make
    for client in made:
        client.driver.close()


@pytest.fixture(params=["with our additions", "guide only"])
def stock_server(request: pytest.FixtureRequest) -> Iterator[str]:
    """A server on python-socketio, in a thread with a loop of its own."""
    server = GuideOnlyServer() if request.param == "guide only" else ChatServer()
    listening, over = threading.Event(), threading.Event()

    async def serve() -> None:
        await server.start()
        listening.set()
        await asyncio.to_thread(over.wait)
        await server.stop()

    # A runner also ends what the server's library leaves running.
    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    assert listening.wait(30)
    yield server.url
    over.set()
    thread.join()


def open_pair(
    server: ServerProcess, open_client: Callable[[str, dict[str, str]], Witnessed]
) -> tuple[Witnessed, Witnessed, str]:
    """Connect a customer and an agent and put both into the customer's conversation."""
    session = server.new_session()
    customer = open_client(server.url, {"sessionId": session["sessionId"]})
    agent = open_client(server.url, {"token": server.sign_token("agent-1")})
    for client in (customer, agent):
        assert isinstance(client.connect(), Authenticated)
        assert isinstance(client.join(session["conversationId"]), JoinAck)
    return customer, agent, session["conversationId"]


def test_message_reaches_both_and_is_acked(
    shared_server: ServerProcess, open_client: Callable[[str, dict[str, str]], Witnessed]
) -> None:
    customer, agent, conversation_id = open_pair(shared_server, open_client)
    ack = customer.say(conversation_id, "Grüße \N{WAVING HAND SIGN}")
    assert isinstance(ack, SendAck)
    assert ack.seq == 1
    for client in (customer, agent):
        client.wait(lambda client=client: client.contents)  # type: ignore[misc]  # mypy does not infer a lambda's default
        assert client.contents == ["Grüße \N{WAVING HAND SIGN}"]


def test_typing_is_heard_by_the_other(
    shared_server: ServerProcess, open_client: Callable[[str, dict[str, str]], Witnessed]
) -> None:
    customer, agent, conversation_id = open_pair(shared_server, open_client)
    customer.driver.apply(customer.driver.session.typing(conversation_id, 0.0, is_typing=True))
    agent.wait(lambda: any(isinstance(payload, TypingIndicator) for _, payload in agent.events))


def test_steps_of_a_connection_are_timed_in_their_order(
    shared_server: ServerProcess, open_client: Callable[[str, dict[str, str]], Witnessed]
) -> None:
    customer, _, _ = open_pair(shared_server, open_client)
    times, authenticated_s = customer.opened[0]
    assert 0 < times.started_s < times.transport_s < times.namespace_s < authenticated_s


def test_refused_credentials_end_it_for_good(
    shared_server: ServerProcess, open_client: Callable[[str, dict[str, str]], Witnessed]
) -> None:
    outcome = open_client(shared_server.url, {"token": "no token"}).connect()
    assert isinstance(outcome, RequestRefused)
    assert outcome.code is ErrorCode.UNAUTHORIZED


def test_cut_connection_comes_back_and_catches_up(
    shared_server: ServerProcess, open_client: Callable[[str, dict[str, str]], Witnessed]
) -> None:
    customer, agent, conversation_id = open_pair(shared_server, open_client)
    there = agent.driver._address
    agent.driver._address = resolve_endpoint(
        f"http://127.0.0.1:{free_port()}"
    )  # so that it is away until both are stored
    agent.driver.cut()
    assert agent.ends[0].reason == "cut"
    for content in ("one", "two"):
        customer.say(conversation_id, content)
    agent.driver._address = there
    agent.wait(lambda: len(agent.contents) == 2)
    assert agent.contents == ["one", "two"]
    assert agent.live == []
    assert any(isinstance(payload, ConversationJoined) and payload.again for payload in agent.told)


def test_killed_server_is_noticed_and_what_was_posted_meanwhile_is_stored(
    start_server: StartServer, open_client: Callable[[str, dict[str, str]], Witnessed]
) -> None:
    server = start_server()
    customer, agent, conversation_id = open_pair(server, open_client)
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


def test_nobody_listening_is_tried_again(open_client: Callable[[str, dict[str, str]], Witnessed]) -> None:
    client = open_client(f"http://127.0.0.1:{free_port()}", {"sessionId": "x"})
    client.driver.ask(client.driver.session.start, lambda _: None)
    client.wait(lambda: len(client.ends) > 1)
    assert client.ends[0].reason == "Connection refused"


def test_flows_hold_on_python_socketio_too(
    stock_server: str, open_client: Callable[[str, dict[str, str]], Witnessed]
) -> None:
    customer = open_client(stock_server, {"sessionId": "customer-1"})
    agent = open_client(stock_server, {"token": "agent-1"})
    for client in (customer, agent):
        assert isinstance(client.connect(), Authenticated)
        assert isinstance(client.join("conv-1"), JoinAck)
    assert isinstance(customer.say("conv-1", "Hello!"), SendAck)
    assert isinstance(agent.say("conv-1", "How can I help?"), SendAck)
    for client in (customer, agent):
        client.wait(lambda client=client: len(client.contents) == 2)  # type: ignore[misc]  # as above
        assert client.contents == ["Hello!", "How can I help?"]
        assert all(isinstance(payload, Message) for name, payload in client.events if name == "message_received")


@pytest.mark.parametrize("url", ["ftp://localhost", "http://", "http://localhost:99999"])
def test_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(CannotConnect):
        resolve_endpoint(url)
