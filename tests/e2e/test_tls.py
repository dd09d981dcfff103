"""TLS: a server with a certificate, verified by the SDK and by the official client."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest

from chatws.client import CannotConnect, ClientOptions, CustomerClient
from tests.conftest import StartServer
from tests.support.certificate import Certificate, make_certificate
from tests.support.node import NodeRunner
from tests.support.server import ServerProcess


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(scope="module")
def secure_server(tmp_path_factory: pytest.TempPathFactory, certificate: Certificate) -> Iterator[ServerProcess]:
    files = ("--tls-cert", str(certificate.cert), "--tls-key", str(certificate.key))
    server = ServerProcess(tmp_path_factory.mktemp("secure-server"), *files)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def secure_url(secure_server: ServerProcess) -> str:
    return f"https://localhost:{secure_server.port}"


@pytest.mark.parametrize("transport", ["websocket", "polling"])
async def test_sdk_connects_to_a_server_with_a_trusted_certificate(
    secure_url: str, certificate: Certificate, transport: Literal["websocket", "polling"]
) -> None:
    options = ClientOptions(ca_file=certificate.cert, transports=(transport,))
    received: asyncio.Queue[str] = asyncio.Queue()
    conversation_id = f"conv-{transport}"
    async with CustomerClient(secure_url, f"session-{transport}", options=options) as customer:
        customer.on_message_received(lambda event: received.put_nowait(event.message.content))
        await customer.join_conversation(conversation_id)
        for content in ("x" * 4_000, "second"):
            await customer.send_message(conversation_id, content)
        assert [len(await asyncio.wait_for(received.get(), 30)) for _ in range(2)] == [4_000, 6]


@pytest.mark.parametrize("transport", ["websocket", "polling"])
def test_sdk_closes_its_connections_to_a_server_that_does_not_confirm_their_end(
    secure_server: ServerProcess,
    secure_url: str,
    certificate: Certificate,
    transport: Literal["websocket", "polling"],
) -> None:
    async def chat() -> None:
        options = ClientOptions(ca_file=certificate.cert, transports=(transport,))
        async with CustomerClient(secure_url, f"session-frozen-{transport}", options=options):
            os.kill(secure_server.pid, signal.SIGSTOP)

    try:
        asyncio.run(chat())
    finally:
        os.kill(secure_server.pid, signal.SIGCONT)
    # A socket that is left open fails the test with a ResourceWarning.
    gc.collect()


async def test_sdk_rejects_an_untrusted_certificate(secure_url: str) -> None:
    with pytest.raises(CannotConnect):
        await CustomerClient(secure_url, "session-1").connect()


@pytest.mark.parametrize("transports", ["websocket", pytest.param("polling", marks=pytest.mark.extended)])
async def test_npm_client_connects_over_tls(
    node: NodeRunner, secure_url: str, certificate: Certificate, transports: str
) -> None:
    auth = '{"sessionId":"session-npm"}'
    (row,) = await node.run("connect.mjs", secure_url, transports, auth, str(certificate.cert))
    assert row == {"event": "connect", "transport": transports}
    (row,) = await node.run("connect.mjs", secure_url, transports, auth)
    assert row["event"] == "connect_error"


def test_certificate_with_another_key_prevents_the_start(
    start_server: StartServer, certificate: Certificate, tmp_path: Path
) -> None:
    other = make_certificate(tmp_path)
    with pytest.raises(AssertionError, match="TLS"):
        start_server("--tls-cert", str(certificate.cert), "--tls-key", str(other.key))
