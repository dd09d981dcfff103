from __future__ import annotations

import shlex
import socket
import subprocess
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tests.support.certificate import make_certificate
from tests.support.commands import UnreadCommand
from tests.support.preloaded import CHATWS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cli.conftest import RunCommand
    from tests.conftest import StartServer
    from tests.support.server import ServerProcess

COMMANDS = ["agent", "customer", "send --as agent -c c1 hello", "send hello", "tail"]


@pytest.fixture
def closed_port() -> Iterator[int]:
    """Port that is reserved, so that nothing else listens on it during the test."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        yield reserved.getsockname()[1]


@pytest.mark.parametrize("command", COMMANDS)
def test_missing_server_is_reported_before_a_missing_token(
    chatws: RunCommand, closed_port: int, tmp_path: Path, command: str
) -> None:
    url = f"http://127.0.0.1:{closed_port}"
    done = chatws(*shlex.split(command), "--url", url, "--data-dir", str(tmp_path))
    assert (done.returncode, done.stdout) == (3, "")
    assert f"cannot connect to {url}: nothing listens on 127.0.0.1:{closed_port}; " in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("command", COMMANDS)
def test_https_address_of_a_server_without_tls_is_reported_with_the_remedy(
    chatws: RunCommand, shared_server: ServerProcess, tmp_path: Path, command: str
) -> None:
    env = {"CHATWS_TOKEN": shared_server.sign_token("agent-1")}
    url = shared_server.url.replace("http://", "https://")
    done = chatws(*shlex.split(command), "--url", url, "--data-dir", str(tmp_path), env=env)
    assert done.returncode == 3
    assert done.stderr.endswith("the server uses plain HTTP; use an address with http://\n")


def test_http_address_and_untrusted_certificate_of_a_tls_server_are_reported_with_the_remedy(
    chatws: RunCommand, start_server: StartServer, tmp_path: Path
) -> None:
    certificate = make_certificate(tmp_path)
    server = start_server("--tls-cert", str(certificate.cert), "--tls-key", str(certificate.key))
    home = ["--data-dir", str(tmp_path / "home")]
    plain = chatws("send", "hello", "--url", server.url, *home)
    assert (plain.returncode, "use an address with https://" in plain.stderr) == (3, True)
    secure = server.url.replace("http://", "https://")
    untrusted = chatws("send", "hello", "--url", secure, *home)
    assert (untrusted.returncode, "--ca-file" in untrusted.stderr) == (3, True)
    assert chatws("send", "hello", "--url", secure, *home, "--ca-file", str(certificate.cert)).returncode == 0


def test_unknown_host_is_named(chatws: RunCommand, tmp_path: Path) -> None:
    done = chatws("send", "hello", "--url", "http://no-such-host.invalid:3000", "--data-dir", str(tmp_path))
    assert done.returncode == 3
    assert "ssl" not in done.stderr
    assert "no-such-host.invalid" in done.stderr


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:99999", "http://127.0.0.1:x", "http://a..b:3000", "ftp://127.0.0.1", "localhost:3000"]
)
def test_malformed_address_is_a_usage_error(chatws: RunCommand, tmp_path: Path, url: str) -> None:
    done = chatws("send", "hello", "--url", url, "--data-dir", str(tmp_path))
    assert (done.returncode, done.stdout) == (2, "")
    assert "is not the address of a server" in done.stderr


def test_tail_ends_quietly_when_its_reader_has_gone(shared_server: ServerProcess, tmp_path: Path) -> None:
    options = ["--as", "customer", "--url", shared_server.url, "--data-dir", str(tmp_path)]
    with closing(UnreadCommand("tail", *options)) as child:
        assert "conversation" in child.stdout.readline()
        child.stdout.close()  # nothing more is sent, so only the closed pipe can end the command
        assert (child.wait(timeout=60), child.errors) == (141, "")


def test_chat_ends_with_one_line_when_the_disk_below_its_output_is_full(
    shared_server: ServerProcess, tmp_path: Path
) -> None:
    words = [str(CHATWS), "customer", "--url", shared_server.url, "--session-file", str(tmp_path / "session")]
    script = f"exec {shlex.join(words)} > /dev/full"
    done = subprocess.run(["bash", "-c", script], input="Hi", capture_output=True, text=True, timeout=60, check=False)
    line = "chatws: the output cannot be written: No space left on device\n"
    assert (done.returncode, done.stderr) == (1, line)


@pytest.mark.parametrize("secret", ["\udcff", "two\nlines"], ids=["not UTF-8", "two lines"])
def test_token_in_the_environment_that_is_not_text_is_wrong_usage(
    chatws: RunCommand, tmp_path: Path, secret: str
) -> None:
    done = chatws("agent", "--data-dir", str(tmp_path), env={"CHATWS_TOKEN": secret})
    line = "chatws: CHATWS_TOKEN is not text; set it to the secret alone\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", line)
