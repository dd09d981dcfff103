"""Server that the tests use: a process of ``chatws serve`` with a temporary database, or one that the project names."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from http.client import HTTPException
from pathlib import Path
from typing import Final, Protocol

from chatws.server.auth.keys import KeyRing, load_keys
from chatws.settings import Settings
from chatws_loadtest.credentials import Credentials, CredentialsMissing, CustomerCredentials, mint_tokens, open_http
from chatws_loadtest.options import find_credentials
from chatws_loadtest.server_process import HOST, LISTENING, START_TIMEOUT_S, hold_port

STOP_TIMEOUT_S: Final = 10.0
PROGRAM: Final = "from chatws_cli.main import run; run()"


class ServerNotRunning(Exception):
    """The server did not start, or cannot be killed; the text says why, and includes the log."""


class TargetServer(Protocol):
    """Server with credentials for its users."""

    @property
    def url(self) -> str: ...

    @property
    def ca_file(self) -> Path | None: ...

    @property
    def credentials(self) -> Credentials:
        """Credentials for load tests and scenario files."""

    def token(self, name: str) -> str:
        """Return a token of an agent."""

    def session(self, name: str) -> CustomerCredentials:
        """Return a session of a customer that no test has used, and its conversation."""

    def credential_options(self) -> list[str]:
        """Return the options of ``chatws loadtest`` that name the server and its credentials."""

    def ensure_running(self) -> None:
        """Start the server again if a test killed it."""

    def read_log(self) -> str:
        """Return what the server has logged since the last call."""


class LocalServer:
    """Process of ``chatws serve`` on a free port, which a test can kill and restart; its methods block."""

    ca_file: Path | None = None

    def __init__(self, data_dir: Path, options: Sequence[str] = ()) -> None:
        self.data_dir = data_dir
        self.port = 0
        """Chosen by the system at the first start, and kept across restarts."""
        self._options = options
        self._child: subprocess.Popen[bytes] | None = None
        # Bound to the port from the first kill on, so that no reconnecting client gets it as its local port.
        self._port_holder: socket.socket | None = None
        self._log = data_dir / "server.log"
        self._log_read = 0

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def credentials(self) -> Credentials:
        return Credentials(keys=self._keys, tag="pytest")

    @property
    def is_running(self) -> bool:
        return self._child is not None and self._child.poll() is None

    def start(self) -> None:
        """Start the server, and return when it listens.

        Raises:
            ServerNotRunning: it did not listen in time.
        """
        options = ["--port", str(self.port), "--data-dir", str(self.data_dir), "--limits", "off"]
        options += ["--log-level", "warning", *self._options]
        with self._log.open("ab") as log:
            self._child = subprocess.Popen(
                [sys.executable, "-c", PROGRAM, "serve", *options],
                env=_environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
            )
        port = _read_port(self._child)
        if port is None:
            self.kill()
            raise ServerNotRunning(f"chatws serve did not start:\n{self.read_log()}")
        self.port = port

    def kill(self) -> None:
        """Kill the server (SIGKILL), and wait for the end of the process."""
        self._end(signal.SIGKILL)
        if self.port and self._port_holder is None:
            self._port_holder = hold_port(self.port)

    def restart(self) -> None:
        """Kill the server if it runs, and start it with the same port and data."""
        self.kill()
        self.start()

    def stop(self) -> None:
        """Shut the server down (SIGTERM), and kill it if it does not end in time."""
        self._end(signal.SIGTERM)
        if self._port_holder is not None:
            self._port_holder.close()

    def ensure_running(self) -> None:
        if not self.is_running:
            self.restart()

    def token(self, name: str) -> str:
        """Sign a token for an agent with this user id and name, valid for a day."""
        return mint_tokens(self._keys, [name])[0]

    def session(self, name: str) -> CustomerCredentials:
        """Create a customer with this name, and a conversation."""
        return _create_session(self.url, name)

    def credential_options(self) -> list[str]:
        return ["--url", self.url, "--jwt-secret-file", str(self.data_dir / "secret")]

    def read_log(self) -> str:
        with self._log.open("rb") as log:
            log.seek(self._log_read)
            text = log.read()
        self._log_read += len(text)
        return text.decode(errors="replace")

    @property
    def _keys(self) -> KeyRing:
        return load_keys(Settings(data_dir=self.data_dir), create=False)

    def _end(self, number: signal.Signals) -> None:
        child = self._child
        if child is None:
            return
        if child.poll() is None:
            child.send_signal(number)
        try:
            child.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        assert child.stdout is not None
        child.stdout.close()


class RemoteServer:
    """Server that runs already, with credentials from files."""

    def __init__(self, url: str, key_file: Path | None, tokens: Path | None, sessions: Path | None) -> None:
        self.url = url.rstrip("/")
        self.ca_file: Path | None = None
        self.credentials: Credentials = find_credentials(key_file, tokens, sessions)
        self._tokens: Iterator[str] | None = None
        self._sessions = iter(self.credentials.sessions)
        files = {"--jwt-secret-file": key_file, "--tokens": tokens, "--sessions": sessions}
        self._options = [text for option, file in files.items() if file for text in (option, str(file))]

    def start(self) -> None:
        """Do nothing: the server runs."""

    def stop(self) -> None:
        """Leave the server running."""

    def kill(self) -> None:
        raise ServerNotRunning(f"{self.url} was not started by the tests, which cannot kill it; leave out --chatws-url")

    restart = kill

    def token(self, name: str) -> str:
        """Sign a token if the key is known, else return the next one of the file.

        Raises:
            CredentialsMissing: there is neither a key nor a token.
        """
        if self.credentials.keys is not None:
            return mint_tokens(self.credentials.keys, [name])[0]
        self._tokens = self._tokens or self.credentials.agents(1)
        return next(self._tokens)

    def session(self, name: str) -> CustomerCredentials:
        """Return the next session of the file; without a file, create one.

        Raises:
            CredentialsMissing: the server creates none.
        """
        return next(self._sessions, None) or _create_session(self.url, name)

    def credential_options(self) -> list[str]:
        return ["--url", self.url, *self._options]

    def ensure_running(self) -> None:
        """Do nothing: the tests cannot stop the server."""

    def read_log(self) -> str:
        return ""


def _create_session(url: str, name: str) -> CustomerCredentials:
    client = open_http(url)
    try:
        body = json.dumps({"userName": name})
        client.request("POST", "/api/sessions", body=body, headers={"Content-Type": "application/json"})
        fields = json.loads(client.getresponse().read())
        return CustomerCredentials(fields["sessionId"], fields["conversationId"])
    except (OSError, ValueError, KeyError, TypeError, HTTPException) as problem:
        advice = "name a file of customers with --chatws-sessions"
        raise CredentialsMissing(f"POST /api/sessions created no customer ({problem!r}); {advice}") from problem
    finally:
        client.close()


def _environment() -> dict[str, str]:
    """Return the environment without settings that the developer may have exported for a server."""
    return {name: value for name, value in os.environ.items() if not name.startswith("CHATWS_")}


def _read_port(child: subprocess.Popen[bytes]) -> int | None:
    """Read the port from the server's first lines; None if it ends or takes too long."""
    assert child.stdout is not None
    deadline = time.monotonic() + START_TIMEOUT_S
    text = b""
    while (left := deadline - time.monotonic()) > 0 and select.select([child.stdout], [], [], left)[0]:
        chunk = os.read(child.stdout.fileno(), 4096)
        if not chunk:
            return None
        text += chunk
        if match := LISTENING.search(text):
            return int(match[1])
    return None
