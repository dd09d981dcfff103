"""Check of the webhook: with a real server, without the option, and behind a relay that breaks the promises."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
import pytest
from aiohttp import web

from chatws.protocol.ids import new_id, now_unix_ms
from chatws.protocol.webhook_signature import ID_HEADER, WebhookSigner, new_secret
from chatws_loadtest.check import webhook_checks
from chatws_loadtest.check.command import _run
from chatws_loadtest.check.registry import CHECKS
from chatws_loadtest.check.webhook_receiver import WebhookOptions
from chatws_loadtest.credentials import tls_context
from chatws_loadtest.options import find_credentials
from chatws_loadtest.server_address import ServerAddress
from tests.loadtest.command import run_command
from tests.support.ports import free_port

if TYPE_CHECKING:
    from tests.conftest import StartServer
    from tests.support.server import ServerProcess

PASS, FAILED, USAGE = 0, 1, 2


async def check(server: ServerProcess, *options: str) -> tuple[int, dict[str, str]]:
    """Run the check of the webhook alone; return the exit code and its row."""
    key = ("--jwt-secret-file", str(server.data_dir / "secret"))
    done = await run_command("check", server.url, *key, "--only=webhook", "--json", *options)
    assert done.stdout, done.stderr
    [row] = json.loads(done.stdout)["checks"]
    return done.returncode, row


async def test_signed_ordered_and_repeated_events_pass_and_another_secret_fails(
    start_server: StartServer, tmp_path: Path
) -> None:
    url = f"http://127.0.0.1:{free_port()}/hook"
    server = await asyncio.to_thread(start_server, "--set", f"webhook_url={url}")
    genuine, other = server.data_dir / "webhook-secret", tmp_path / "other-secret"
    other.write_text(new_secret())
    code, row = await check(server, "--webhook-url", url, "--webhook-secret-file", str(genuine))
    assert (code, row["result"]) == (PASS, "pass"), row
    code, row = await check(server, "--webhook-url", url, "--webhook-secret-file", str(other))
    assert (code, row["result"], row["reason"]) == (FAILED, "fail", "no signature matches the secret")


async def test_without_the_option_the_webhook_is_not_judged(shared_server: ServerProcess) -> None:
    code, row = await check(shared_server)
    assert (code, row["result"]) == (PASS, "not judged")
    assert "--webhook-url" in row["reason"]


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--webhook-url", "http://127.0.0.1:8080/"], "needs the secret"),
        (["--webhook-url", "https://example.org/hook"], "not an http URL of this machine"),
        (["--webhook-url", "http://127.0.0.1:8080/", "--webhook-secret-file", "/missing"], "No such file"),
    ],
)
async def test_unusable_options_are_usage_errors(options: list[str], problem: str) -> None:
    done = await run_command("check", "http://127.0.0.1:1", *options)
    assert done.returncode == USAGE
    assert problem in done.stderr


class WebhookRelay:
    """Server between chatws and the receiver; ``fault`` names the promise that it breaks."""

    def __init__(self, receiver_url: str, signer: WebhookSigner) -> None:
        self.fault = ""
        self._receiver_url = receiver_url
        self._signer = signer
        self._late: list[tuple[str, bytes]] = []
        self._http: aiohttp.ClientSession | None = None  # while it listens

    @asynccontextmanager
    async def listen(self, port: int) -> AsyncIterator[None]:
        """Relay requests to this port until the end of the block."""
        app = web.Application()
        app.router.add_post("/hook", self._relay)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        # Each check has a receiver of its own: connections to an earlier one are closed.
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as self._http:
            yield
        await runner.cleanup()

    async def _relay(self, request: web.Request) -> web.Response:
        body = await request.read()
        event_id = new_id(now_unix_ms()) if self.fault == "new id" else request.headers[ID_HEADER]
        status = await self._post(event_id, body)
        if status == 500 and self.fault == "other order":
            self._late.append((event_id, body))
        elif len(self._late) == 1 and b"message.created" in body:
            self._late.append((event_id, body))  # the second message; the third is the one behind it
        elif self._late:
            await self._post(*self._late[0])
            self._late.clear()
        is_kept_secret = self.fault in {"no repetition", "other order"}
        return web.Response(status=204 if is_kept_secret else status)

    async def _post(self, event_id: str, body: bytes) -> int:
        assert self._http is not None
        headers = self._signer.headers(event_id, now_unix_ms() // 1000, body)
        async with self._http.post(self._receiver_url, data=body, headers=headers) as response:
            return response.status


async def test_broken_promises_are_found(start_server: StartServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook_checks, "TIMEOUT_S", 5.0)
    relay_port, receiver_url = free_port(), f"http://127.0.0.1:{free_port()}/hook"
    server = await asyncio.to_thread(start_server, "--set", f"webhook_url=http://127.0.0.1:{relay_port}/hook")
    signer = WebhookSigner.parse((server.data_dir / "webhook-secret").read_text())
    relay, reasons = WebhookRelay(receiver_url, signer), {}
    async with relay.listen(relay_port):
        for relay.fault in ("other order", "new id", "no repetition"):
            credentials = find_credentials(server.data_dir / "secret", None, None)
            options = WebhookOptions(receiver_url, signer)
            access = ServerAddress(server.url, tls_context(server.url, None))
            checks = [CHECKS["webhook.delivery"]]
            [result] = await _run(access, None, credentials, checks, webhook=options, quiet=True)
            reasons[relay.fault] = result.reason
    assert reasons == {
        "other order": "the messages were accepted in the order [2, 3, 1]",
        "new id": "the repetition has another webhook-id",
        "no repetition": f"1 of 3 messages did not arrive at {receiver_url} within 5 s",
    }
