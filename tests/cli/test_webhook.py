"""``chatws webhook``: the listener against a real server and forged requests, and the secret."""

from __future__ import annotations

import json
import re
import signal
import socket
import stat
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from chatws.protocol.webhook_signature import WebhookSigner, new_secret
from tests.support.commands import PipedCommand
from tests.support.output import OutputLines
from tests.support.ports import free_port
from tests.support.server import environment_of_children

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cli.conftest import RunCommand
    from tests.conftest import StartServer
    from tests.support.server import ServerProcess

PAGE = Path(__file__).parents[2] / "docs" / "webhooks.md"
BODY = b'{"type": "message.created", "data": {"content": "hi\\u001b[2J", "sender": {"userName": "Ada"}, "seq": 1}}'


@contextmanager
def listening(*options: str) -> Iterator[tuple[PipedCommand, str]]:
    """Run ``chatws webhook listen`` on a free port; yield its process and its URL."""
    with closing(PipedCommand("webhook", "listen", "--port", "0", *options)) as child:
        yield child, child.stderr.wait_for(r"listening on (http://\S+/);", 60)[1]


def post(url: str, headers: dict[str, str], body: bytes = BODY) -> int:
    """Send a request and return the status of its answer."""
    request = urllib.request.Request(url, data=body, headers=headers)  # noqa: S310 - the listener on loopback
    try:
        with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310
            return int(response.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def send(server: ServerProcess, *texts: str) -> None:
    """Send messages of a new customer over REST."""
    session = server.new_session()
    url = f"{server.url}/api/conversations/{session['conversationId']}/messages"
    headers = {"X-Session-Id": session["sessionId"], "Content-Type": "application/json"}
    for text in texts:
        assert post(url, headers, json.dumps({"content": text}).encode()) == 200


def test_events_of_a_server_are_verified_with_its_secret(start_server: StartServer, tmp_path: Path) -> None:
    with listening("--data-dir", str(tmp_path / "server"), "--count", "3", "--json") as (child, url):
        server = start_server("--set", f"webhook_url={url}", data_dir=tmp_path / "server")
        send(server, "one", "two", "three")
        assert child.wait(timeout=60) == 0
    records = [json.loads(line) for line in child.stdout.lines]
    assert [record["body"]["data"]["content"] for record in records] == ["one", "two", "three"]
    assert {(record["verified"], record["problem"], record["repeated"]) for record in records} == {(True, None, False)}


def test_receiver_of_the_page_accepts_events_and_refuses_forged_ones(start_server: StartServer, tmp_path: Path) -> None:
    (program,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    secret = new_secret()
    (tmp_path / "secret").write_text(secret)
    (tmp_path / "secret").chmod(0o600)
    port = free_port()
    variables = {**environment_of_children(), "CHATWS_WEBHOOK_SECRET": secret, "PORT": str(port)}
    receiver = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, env=variables)
    assert receiver.stdout is not None
    lines = OutputLines(receiver.stdout)
    url = f"http://127.0.0.1:{port}/"
    try:
        options = {"webhook_url": url, "webhook_secret_file": str(tmp_path / "secret")}
        server = start_server(*(part for name, value in options.items() for part in ("--set", f"{name}={value}")))
        send(server, "Where is my parcel?", "Hello?")
        lines.wait_for("message.created Hello", 30)
        now_s = int(time.time())
        for signer, sent_at_s, status in (
            (WebhookSigner.parse(new_secret()), now_s, 401),
            (WebhookSigner.parse(secret), now_s - 600, 401),
            (WebhookSigner.parse(secret), now_s, 204),
        ):
            assert post(url, signer.headers("id-1", sent_at_s, BODY)) == status
    finally:
        receiver.kill()
        receiver.wait()
        lines.join()
    assert lines.lines[:2] == ["message.created Where is my parcel?", "message.created Hello?"]


def test_forged_old_and_repeated_requests_are_marked(tmp_path: Path) -> None:
    secret = new_secret()
    (tmp_path / "secret").write_text(f"{secret}\n")
    now_s = int(time.time())
    genuine = WebhookSigner.parse(secret).headers("id-1", now_s, BODY)
    with listening("--secret-file", str(tmp_path / "secret"), "--count", "6", "--status", "202") as (child, url):
        assert post(url, genuine) == 202
        assert post(url, genuine) == 202
        assert post(url, genuine, BODY + b" ") == 401
        assert post(url, WebhookSigner.parse(new_secret()).headers("id-2", now_s, BODY)) == 401
        assert post(url, WebhookSigner.parse(secret).headers("id-3", now_s - 600, BODY)) == 401
        assert post(url, {}) == 401
        assert child.wait(timeout=60) == 1
    first, again, *bad = child.stdout.lines
    assert first.endswith("#1 Ada:  hi[2J")
    assert again == f"{first}  [repeated]"
    assert all(line.startswith("NOT VERIFIED  ") for line in bad)
    assert ["no signature" in line for line in bad] == [True, True, False, False]
    assert "5 minutes" in bad[2]


def test_listener_ends_with_ctrl_c(tmp_path: Path) -> None:
    with listening("--data-dir", str(tmp_path)) as (child, _):
        child.send_signal(signal.SIGINT)
        assert child.wait(timeout=30) == 130


def test_busy_port_and_bad_secret_are_explained(chatws: RunCommand, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("confidential")
    bad = chatws("webhook", "listen", "--secret-file", str(tmp_path / "secret"))
    assert (bad.returncode, "whsec_" in bad.stderr, "confidential" in bad.stderr) == (2, True, False)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        busy = chatws("webhook", "listen", "--port", str(port), "--data-dir", str(tmp_path))
    assert (busy.returncode, f"port {port} cannot be opened" in busy.stderr) == (1, True)


def test_secret_is_created_once_and_private(chatws: RunCommand, tmp_path: Path) -> None:
    first = chatws("webhook", "secret", "--data-dir", str(tmp_path / "data")).stdout.strip()
    WebhookSigner.parse(first)
    assert chatws("webhook", "secret", "--data-dir", str(tmp_path / "data")).stdout.strip() == first
    assert stat.S_IMODE((tmp_path / "data" / "webhook-secret").stat().st_mode) == 0o600
    assert chatws("webhook", "secret", "--new").stdout.strip() != first
