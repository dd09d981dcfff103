"""Real server: ``chatws serve`` in a process of its own."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from chatws.server.auth import tokens
from chatws.server.auth.keys import load_keys
from chatws.settings import Settings
from tests.support.output import OutputLines
from tests.support.ports import reserve_port
from tests.support.preloaded import CHATWS, PreloadedProcess, run_preloaded

if TYPE_CHECKING:
    from collections.abc import Mapping

START_TIMEOUT_S = 60.0
END_TIMEOUT_S = 60.0


class SessionBody(TypedDict):
    """Response of ``POST /api/sessions``."""

    sessionId: str
    userId: str
    userName: str
    conversationId: str
    expiresAt: str


class ServerProcess:
    """Server process that can be killed and restarted on the same port and data.

    It is forked by `tests.support.fork_server`; with ``env``, additional variables, the installed program is executed.
    All methods block; an asynchronous test calls them with ``asyncio.to_thread``.
    """

    def __init__(self, data_dir: Path, *options: str, env: Mapping[str, str] | None = None) -> None:
        self.data_dir = data_dir
        self.port = 0  # chosen by the system at the first start
        self._options = options
        self._env = {**environment_of_children(), **(env or {})}
        # Modules read some variables when they are imported.
        self._is_preloaded = env is None
        self._child: subprocess.Popen[bytes] | PreloadedProcess | None = None
        self._reservation: socket.socket | None = None  # reserves the port after the first exit of the server
        self._stdout: OutputLines | None = None
        self._stderr: OutputLines | None = None

    @property
    def url(self) -> str:
        assert self.port, "the server has not been started"
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        return self._running.pid

    @property
    def stdout(self) -> OutputLines:
        """Standard output since the last start."""
        assert self._stdout is not None, "the server has not been started"
        return self._stdout

    @property
    def stderr(self) -> OutputLines:
        """Standard error, which includes the log, since the last start."""
        assert self._stderr is not None, "the server has not been started"
        return self._stderr

    def start(self) -> None:
        """Start the server and return once it listens.

        Raises:
            AssertionError: it exited or did not listen in time; the message contains its output.
        """
        self.begin()
        self.wait_listening()

    def begin(self) -> None:
        """Start the server and return at once."""
        assert self._child is None, "the server is running"
        pipes = [os.pipe(), os.pipe()]
        self._stdout, self._stderr = (OutputLines(os.fdopen(end, encoding="utf-8")) for end, _ in pipes)
        try:
            self._child = self._start_child(*(end for _, end in pipes))
        finally:
            for _, end in pipes:
                os.close(end)

    def wait_listening(self) -> None:
        """Wait until the server listens; errors as in ``start``."""
        try:
            match = self.stdout.wait_for(r"listening on https?://[^ ]+:(\d+)", START_TIMEOUT_S)
        except (EOFError, TimeoutError) as error:
            self.kill()
            raise AssertionError(f"chatws serve: {error}\n{self.stdout.text}\n{self.stderr.text}") from error
        self.port = int(match[1])

    def kill(self) -> None:
        """Kill the server (SIGKILL) and wait until it has exited."""
        self._running.kill()
        self._wait()

    def terminate(self) -> int:
        """Stop the server with SIGTERM, wait until it has exited, and return its exit code."""
        self._running.terminate()
        return self._wait()

    def wait_end(self) -> int:
        """Wait until the server exits by itself, and return its exit code."""
        return self._wait()

    def restart(self) -> None:
        """Kill the server and start it again with the same port and data."""
        self.kill()
        self.start()

    def stop(self) -> None:
        """Kill the server if it runs and release its port, at the end of a test."""
        if self._child is not None:
            self.kill()
        if self._reservation is not None:
            self._reservation.close()
            self._reservation = None

    def agent_token(self, user_id: str = "agent-1") -> str:
        """Return a token for the agent ``user_id``, made by the command line."""
        options = ["--sub", user_id, "--role", "admin", "--ttl", "1h", "--data-dir", str(self.data_dir)]
        return self.run_command("token", "create", *options).strip()

    def sign_token(self, user_id: str) -> str:
        """Sign a token without a subprocess, for tests that need many."""
        settings = Settings(data_dir=self.data_dir)
        return tokens.mint(load_keys(settings), settings, subject=user_id, name=user_id, ttl_s=3600)

    def new_session(self) -> SessionBody:
        """Start a customer session over REST."""
        request = urllib.request.Request(f"{self.url}/api/sessions", data=b"{}", method="POST")  # noqa: S310 - our server
        request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310 - our own loopback address
            body: SessionBody = json.load(response)
        return body

    def run_command(self, *arguments: str, input_text: str = "") -> str:
        """Run another ``chatws`` command with ``input_text`` on its standard input, and return its standard output.

        Raises:
            AssertionError: it failed; the message contains its standard error.
        """
        done = run_preloaded(*arguments, env=self._env, timeout_s=60, input_text=input_text)
        assert done.returncode == 0, f"chatws {' '.join(arguments)}: exit code {done.returncode}\n{done.stderr}"
        return done.stdout

    def _start_child(self, stdout: int, stderr: int) -> subprocess.Popen[bytes] | PreloadedProcess:
        arguments = ["serve", "--port", str(self.port), "--data-dir", str(self.data_dir), *self._options]
        if self._is_preloaded:
            with Path(os.devnull).open("rb") as stdin:
                return PreloadedProcess(arguments, [stdin.fileno(), stdout, stderr], self._env)
        command = [str(CHATWS), *arguments]
        return subprocess.Popen(command, env=self._env, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr)

    @property
    def _running(self) -> subprocess.Popen[bytes] | PreloadedProcess:
        assert self._child is not None, "the server is not running"
        return self._child

    def _wait(self) -> int:
        """Reap the child, killing it if it does not exit in time."""
        child = self._running
        try:
            code = child.wait(END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            child.kill()
            code = child.wait()
        if self.port and self._reservation is None:
            self._reservation = reserve_port(self.port)
        self.stdout.join()
        self.stderr.join()
        self._child = None
        return code


def environment_of_children() -> dict[str, str]:
    """Return the environment of this process without the settings that a developer may have exported for the server.

    The size of the terminal is also removed, because a child with a terminal of its own would use it, and the summary
    of a CI job, to which load tests would add theirs. The system's certificates are hidden: tests connect to no public
    host, and the import of aiohttp, which loads them twice, takes a sixth less CPU time without them.
    """
    excluded = ("CHATWS_", "WEBSOCKET_CORS_ORIGIN", "GITHUB_STEP_SUMMARY")
    sizes = ("COLUMNS", "LINES")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(excluded) and name not in sizes}
    return {**kept, "SSL_CERT_FILE": os.devnull, "SSL_CERT_DIR": os.devnull}
