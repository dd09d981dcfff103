"""Long-polling and the upgrade to WebSocket, against servers of three implementations; about 20 s."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import gevent
import pytest

from chatws.client.errors import CannotConnect
from chatws.client.gevent.endpoint import resolve_endpoint
from chatws.client.gevent.transport_choice import SINGLE, TransportChoice
from chatws.protocol.events import Authenticated
from chatws.protocol.responses import JoinAck, SendAck
from tests.client.chat_server import ChatServer
from tests.client.gevent.connection_recorder import ConnectionRecorder
from tests.client.gevent.http_relay import HttpRelay
from tests.client.gevent.recording_observer import TIMEOUT_S, RecordingObserver
from tests.client.gevent.server_thread import running
from tests.support.certificate import make_certificate
from tests.support.guide_server import GuideOnlyServer

if TYPE_CHECKING:
    from pathlib import Path

    from tests.client.gevent.conftest import OpenClient
    from tests.conftest import StartServer
    from tests.support.server import ServerProcess

POLLED = (TransportChoice.POLLING, TransportChoice.UPGRADE)
MESSAGES = 40


def join_pair(url: str, open_client: OpenClient, transport: TransportChoice) -> list[RecordingObserver]:
    """Connect a customer and an agent of a python-socketio or Node server, and join both to one conversation."""
    pair = [
        open_client(url, {"sessionId": "session-1"}, transport),
        open_client(url, {"token": "token-agent"}, transport),
    ]
    for client in pair:
        assert isinstance(client.connect(), Authenticated)
        assert isinstance(client.join("conv-1"), JoinAck)
    return pair


def exchange(pair: list[RecordingObserver], contents: list[str]) -> None:
    """Send messages from both sides in turn, and wait until both sides have received them in order."""
    before = [len(client.contents) for client in pair]
    for number, content in enumerate(contents):
        assert isinstance(pair[number % 2].send("conv-1", content), SendAck)
    for client, start in zip(pair, before, strict=True):
        client.wait(lambda client=client, start=start: len(client.contents) >= start + len(contents))  # type: ignore[misc]  # mypy does not infer a lambda's default
        assert client.contents[start:] == contents


def close(pair: list[RecordingObserver]) -> None:
    """Close clients before their server, which otherwise leaves sockets open that it has just accepted."""
    for client in pair:
        client.driver.close()
    gevent.sleep(0.1)


@pytest.mark.parametrize("transport", SINGLE)
def test_chat_works_against_the_official_server(
    official_server: str, open_client: OpenClient, transport: TransportChoice
) -> None:
    pair = join_pair(official_server, open_client, transport)
    exchange(pair, ["Grüße \N{WAVING HAND SIGN}", "Hello!", "Bye!"])
    for client in pair:
        assert bool(client.upgrades) is (transport is TransportChoice.UPGRADE)
        assert not client.failed_upgrades


def test_upgrade_is_timed_between_handshake_and_end(official_server: str, open_client: OpenClient) -> None:
    client = join_pair(official_server, open_client, TransportChoice.UPGRADE)[0]
    [times] = client.wait(lambda: client.upgrades)
    assert 0 < times.started_s < times.transport_s < times.upgraded_s


@pytest.mark.parametrize("implementation", ["chatws", "official", "python-socketio"])
def test_no_message_is_lost_or_reordered_across_the_upgrade(
    request: pytest.FixtureRequest, start_server: StartServer, implementation: str
) -> None:
    """Both clients send without a pause from before the upgrade until after it."""
    auths = [{"sessionId": "session-2"}, {"token": "token-2"}]
    conversation_id = "conv-2"
    stock = GuideOnlyServer()
    if implementation == "chatws":
        server = start_server("--limits", "off")
        session = server.new_session()
        conversation_id = session["conversationId"]
        auths = [{"sessionId": session["sessionId"]}, {"token": server.sign_token("agent-1")}]
        target = server.url
    else:
        target = request.getfixturevalue("official_server") if implementation == "official" else ""
    with running(stock):
        relay = HttpRelay(target or stock.url)
        relay.holds_websockets = True
        with running(relay):
            clients = [ConnectionRecorder(relay.url, auth) for auth in auths]
            for client in clients:
                client.join(conversation_id)
            send_across_the_upgrade(relay, clients, conversation_id)
            for client in clients:
                client.wait(lambda client=client: len(client.acks) == client.sent)  # type: ignore[misc]  # as above
                assert client.acks == list(range(1, client.sent + 1))
                for number, sender in enumerate(clients):
                    contents = [f"{number}-{sent}" for sent in range(1, sender.sent + 1)]
                    client.wait(lambda c=client, n=number, s=sender: len(c.contents(f"{n}-")) >= s.sent)  # type: ignore[misc]  # as above
                    assert client.contents(f"{number}-") == contents
                client.connection.close()


def send_across_the_upgrade(relay: HttpRelay, clients: list[ConnectionRecorder], conversation_id: str) -> None:
    """Send messages from all clients without a pause, from before the upgrade until after it."""

    def send_one() -> None:
        for number, client in enumerate(clients):
            client.send_message(conversation_id, f"{number}-")
        gevent.sleep(0.001)

    for _ in range(MESSAGES):
        send_one()
    relay.open_websockets()
    with gevent.Timeout(TIMEOUT_S):
        while any(client.upgraded_after is None for client in clients):
            send_one()
    for _ in range(MESSAGES):
        send_one()


def test_refused_websocket_leaves_the_client_polling(official_server: str, open_client: OpenClient) -> None:
    relay = HttpRelay(official_server)
    relay.refuses_websockets = True
    with running(relay):
        pair = join_pair(relay.url, open_client, TransportChoice.UPGRADE)
        for client in pair:
            assert client.wait(lambda client=client: client.failed_upgrades) == [  # type: ignore[misc]  # as above
                "the server answered HTTP/1.1 400 Bad Request"
            ]
        exchange(pair, ["one", "two", "three"])
        assert not any(client.upgrades or client.ends for client in pair)
        close(pair)


@pytest.mark.parametrize("keeps_alive", [True, False])
def test_chunked_replies_are_joined_and_cookies_sent_back(open_client: OpenClient, *, keeps_alive: bool) -> None:
    chat = ChatServer()
    with running(chat):
        relay = HttpRelay(chat.url)
        relay.keeps_alive = keeps_alive
        with running(relay):
            pair = join_pair(relay.url, open_client, TransportChoice.POLLING)
            exchange(pair, ["Grüße \N{WAVING HAND SIGN}" * 20, "Hello!"])
            close(pair)
    # The first request of each client has no cookie yet, all others the one of the server.
    assert (
        sorted(map(str, relay.cookies)) == ["None"] * 2 + ["a"] * (len(relay.cookies) - 2)
        or relay.cookies.count(None) == 2
    )


@pytest.mark.parametrize("transport", POLLED)
def test_unknown_session_makes_the_client_reconnect(open_client: OpenClient, transport: TransportChoice) -> None:
    """Behind a load balancer without sticky sessions, the second server answers HTTP 400."""
    first, second = ChatServer(), ChatServer()
    with running(first), running(second):
        relay = HttpRelay(first.url)
        relay.refuses_websockets = True
        with running(relay):
            pair = join_pair(relay.url, open_client, transport)
            relay.target = second.url
            exchange(pair, ["after", "the move"])
            for client in pair:
                assert client.ends[0].reason == "the server answered HTTP/1.1 400 Bad Request"
            close(pair)
    assert [message["content"] for message in second.messages["conv-1"]] == ["after", "the move"]


def test_message_whose_post_was_cut_is_stored_once(open_client: OpenClient) -> None:
    chat = ChatServer()
    with running(chat):
        relay = HttpRelay(chat.url)
        with running(relay):
            pair = join_pair(relay.url, open_client, TransportChoice.POLLING)
            relay.posts_to_lose = 1
            exchange(pair, ["once", "then"])
            assert relay.losses == 1
            assert len(pair[0].ends) == 1
            close(pair)
    assert [message["content"] for message in chat.messages["conv-1"]] == ["once", "then"]


@pytest.mark.parametrize("transport", SINGLE)
def test_closed_client_is_gone_on_the_server(open_client: OpenClient, transport: TransportChoice) -> None:
    """Python-engineio notices the end of a polling client by its packet only."""
    chat = ChatServer()
    with running(chat):
        pair = join_pair(chat.url, open_client, transport)
        chat.emptied.clear()
        for client in pair:
            client.driver.close()
        with gevent.Timeout(TIMEOUT_S):
            while not chat.emptied.is_set():
                gevent.sleep(0.01)


@pytest.mark.parametrize("transport", SINGLE)
def test_certificate_is_verified_over_every_transport(
    tmp_path: Path, shared_server: ServerProcess, open_client: OpenClient, transport: TransportChoice
) -> None:
    certificate = make_certificate(tmp_path, "DNS:localhost")
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate.cert, certificate.key)
    chat = ChatServer()

    class TlsServer:
        async def start(self) -> None:
            await chat.start(tls)

        async def stop(self) -> None:
            await chat.stop()

    with running(TlsServer()):
        client = open_client("http://127.0.0.1", {"sessionId": "session-1"}, transport)
        # The name in the certificate is that of the URL, the address that of a proxy.
        client.driver._endpoint = resolve_endpoint(
            f"https://localhost:{shared_server.port}", certificate.cert, via=("127.0.0.1", chat.port)
        )
        assert isinstance(client.connect(), Authenticated)
        if transport is TransportChoice.UPGRADE:
            client.wait(lambda: client.upgrades)
        untrusting = open_client("http://127.0.0.1", {"sessionId": "session-2"}, transport)
        untrusting.driver._endpoint = resolve_endpoint(f"https://localhost:{chat.port}")
        untrusting.driver.ask(untrusting.driver.session.start, lambda _: None)
        untrusting.wait(lambda: untrusting.ends)
        assert "certificate" in untrusting.ends[0].reason.lower()


@pytest.mark.parametrize("transport", POLLED)
def test_drained_server_is_left_and_found_again(
    start_server: StartServer, open_client: OpenClient, transport: TransportChoice
) -> None:
    server = start_server()
    session = server.new_session()
    client = open_client(server.url, {"sessionId": session["sessionId"]}, transport)
    assert isinstance(client.connect(), Authenticated)
    assert isinstance(client.join(session["conversationId"]), JoinAck)
    server.terminate()
    client.wait(lambda: client.ends)
    assert "server_draining" in [name for name, _ in client.events]
    server.start()
    client.wait(lambda: len(client.opened) == 2)
    assert isinstance(client.send(session["conversationId"], "still here"), SendAck)


def test_mix_divides_clients_evenly_and_in_a_fixed_order() -> None:
    assert [TransportChoice.MIX.of_client(index) for index in range(6)] == [*SINGLE, *SINGLE]
    assert TransportChoice.POLLING.of_client(5) is TransportChoice.POLLING


def test_one_client_cannot_have_a_mix(open_client: OpenClient) -> None:
    with pytest.raises(ValueError, match="of_client"):
        open_client("http://127.0.0.1", {}, TransportChoice.MIX)


def test_server_without_socketio_is_named(official_server: str, open_client: OpenClient) -> None:
    client = open_client(f"{official_server}/nothing", {"sessionId": "session-1"}, TransportChoice.POLLING)
    client.driver.ask(client.driver.session.start, lambda _: None)
    client.wait(lambda: client.ends)
    assert client.ends[0].reason == "the server answered HTTP/1.1 404 Not Found"
    with pytest.raises(CannotConnect):
        resolve_endpoint("ftp://host")
