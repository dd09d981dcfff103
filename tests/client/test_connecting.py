from __future__ import annotations

import asyncio
import ssl
import subprocess
from types import CoroutineType
from typing import TYPE_CHECKING

import engineio
import pytest

from chatws.client import (
    CannotConnect,
    ClientOptions,
    CustomerClient,
    RequestRefused,
)
from chatws.protocol.errors import ErrorCode
from tests.client.chat_server import ChatServer
from tests.client.recording_listener import RecordingListener
from tests.support.tools import require_tool

if TYPE_CHECKING:
    from pathlib import Path


async def test_refused_tcp_connection_is_cannot_connect(chat: ChatServer) -> None:
    await chat.kill()
    with pytest.raises(CannotConnect):
        await CustomerClient(chat.url, "ann").connect()


async def test_first_connect_is_retried_if_configured(chat: ChatServer) -> None:
    await chat.kill()
    ann = RecordingListener.customer(chat.url, "ann", ClientOptions(retry_first_connect=True))
    connecting = asyncio.create_task(ann.client.connect())
    await ann.wait_for(lambda listener: "reconnecting" in listener.states)
    await chat.start()
    assert (await connecting).user_id == "ann"
    await ann.client.disconnect()


async def test_client_gives_up_after_max_attempts(chat: ChatServer) -> None:
    ann = RecordingListener.customer(chat.url, "ann", ClientOptions(max_attempts=2))
    await ann.client.connect()
    pending = ann.client.join_conversation("c1")
    await pending
    await chat.kill()
    lost = ann.client.post_message("c1", "never sent")
    with pytest.raises(CannotConnect):
        await lost.done
    assert ann.client.state == "disconnected"
    await ann.client.disconnect()


async def test_bad_credentials_are_refused_and_not_retried(chat: ChatServer) -> None:
    chat.connect_errors = [{"message": "no", "data": {"code": "session_expired"}}]
    with pytest.raises(RequestRefused) as caught:
        await CustomerClient(chat.url, "ann").connect()
    assert caught.value.code is ErrorCode.SESSION_EXPIRED
    assert len(chat.auths) == 1


async def test_full_server_is_retried(chat: ChatServer, ann: RecordingListener[CustomerClient]) -> None:
    chat.connect_errors = [{"message": "full", "data": {"code": "connection_limit"}}]
    chat.cut()
    await ann.wait_for(lambda listener: listener.states.count("reconnecting") == 2)
    await ann.wait_for(lambda listener: listener.states[-1] == "connected")


async def test_expired_token_is_renewed(chat: ChatServer) -> None:
    tokens = iter(["old", "new"])
    chat.connect_errors = [{"message": "expired", "data": {"code": "token_expired"}}]
    agent = RecordingListener.agent(chat.url, lambda: next(tokens))
    user = await agent.client.connect()
    assert user.user_id == "agent-new"
    assert [auth["token"] for auth in chat.auths] == ["old", "new"]
    await agent.client.disconnect()


async def test_expired_token_is_final_without_a_renewal(chat: ChatServer) -> None:
    chat.connect_errors = [{"message": "expired", "data": {"code": "token_expired"}}]
    with pytest.raises(RequestRefused) as caught:
        await RecordingListener.agent(chat.url, "old").client.connect()
    assert caught.value.code is ErrorCode.TOKEN_EXPIRED


async def test_token_is_renewed_on_the_live_connection(chat: ChatServer) -> None:
    tokens = iter(["first", "second"])

    async def fetch() -> str:
        return next(tokens)

    agent = RecordingListener.agent(chat.url, fetch)
    await agent.client.connect()
    await chat.emit_to_all("auth_expiring", {"inMs": 60000})
    assert await chat.wait_for("refresh_token") == [{"token": "second"}]
    await agent.client.disconnect()


async def test_disconnect_by_the_server_is_final_and_fails_pending_messages(
    chat: ChatServer, ann: RecordingListener[CustomerClient]
) -> None:
    chat.acks_to_drop = 1
    pending = ann.client.post_message("c1", "a")
    await chat.wait_for("send_message")
    await chat.log_out_all()
    with pytest.raises(RequestRefused) as caught:
        await pending.done
    assert caught.value.code is ErrorCode.UNAUTHORIZED
    assert ann.client.state == "disconnected"
    assert len(chat.auths) == 1


async def test_draining_server_receives_nothing_more_and_the_client_reconnects(
    chat: ChatServer, ann: RecordingListener[CustomerClient]
) -> None:
    await chat.emit_to_all("server_draining", {"retryAfterMs": 30})
    await chat.emit_to_all("notification", {})
    await ann.wait_for(lambda listener: bool(listener.of("notification")))
    pending = ann.client.post_message("c1", "for the next server")
    assert pending.state == "queued"
    chat.cut()
    assert (await pending.done).seq == 1


@pytest.mark.parametrize("transports", [("polling",), ("polling", "websocket"), ("websocket",)])
async def test_conversation_works_over_every_transport(chat: ChatServer, transports: tuple[str, ...]) -> None:
    ann = RecordingListener.customer(chat.url, "ann", ClientOptions(transports=transports))  # type: ignore[arg-type]  # parameters are plain strings
    await ann.client.connect()
    await ann.client.join_conversation("c1")
    await ann.client.send_message("c1", "hello")
    assert await ann.wait_messages(1) == ["hello"]
    chat.cut()
    await chat.post("c1", "meanwhile")
    assert await ann.wait_messages(2) == ["hello", "meanwhile"]
    await ann.client.disconnect()


async def test_reconnects_leave_no_tasks_or_clients_behind(
    chat: ChatServer, ann: RecordingListener[CustomerClient]
) -> None:
    before = client_tasks()
    for count in range(2, 6):
        chat.cut()
        await ann.wait_for(lambda listener, count=count: listener.states.count("connected") == count)  # type: ignore[misc]  # mypy cannot infer a lambda with a default
        await ann.client.send_message("c1", "still here")
    assert client_tasks() == before
    assert len(engineio.base_client.connected_clients) == 1
    await ann.client.disconnect()
    assert client_tasks() == []
    assert engineio.base_client.connected_clients == []


def client_tasks() -> list[str]:
    """Return the names of the coroutines of clients, without those of the test's server."""
    coroutines = [task.get_coro() for task in asyncio.all_tasks()]
    files = [(coro.__qualname__, coro.cr_code.co_filename) for coro in coroutines if isinstance(coro, CoroutineType)]
    return sorted(name for name, file in files if "chatws/client" in file or "async_client" in file)


async def test_private_certificate_is_trusted_only_by_its_ca_file(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    openssl = require_tool("openssl", "apt install openssl")
    request = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost"]
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    await asyncio.to_thread(subprocess.run, [*request, *names], check=True, capture_output=True)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate, key)
    chat = ChatServer()
    await chat.start(tls)
    url = f"https://127.0.0.1:{chat.port}"
    with pytest.raises(CannotConnect, match="CERTIFICATE_VERIFY_FAILED"):
        await CustomerClient(url, "ann").connect()
    async with CustomerClient(url, "ann", options=ClientOptions(ca_file=certificate)) as client:
        await client.join_conversation("c1")
        assert (await client.send_message("c1", "in private")).seq == 1
    await chat.stop()


async def test_missing_ca_file_fails_before_any_connection(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        CustomerClient("https://127.0.0.1:1", "ann", options=ClientOptions(ca_file=tmp_path / "absent.pem"))


async def test_failing_token_callback_is_retried(chat: ChatServer, caplog: pytest.LogCaptureFixture) -> None:
    results = iter(["first", "", "third"])

    def token() -> str:
        result = next(results)
        if not result:
            raise RuntimeError("the login service is unavailable")
        return result

    agent = RecordingListener.agent(chat.url, token)
    await agent.client.connect()
    chat.cut()
    await agent.wait_for(lambda listener: listener.states.count("connected") == 2)
    presented = [(auth["token"], auth.get("pid")) for auth in chat.auths]
    assert presented == [("first", None), ("third", chat.socket_ids[0])]
    assert [record.message for record in caplog.records] == ["token_unavailable"]
    await agent.client.disconnect()
