"""Processes of ``chatws`` commands that start without their imports, most of the processor time of a short command."""

from __future__ import annotations

import atexit
import os
import signal
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Final

import msgspec

from tests.support.fork_requests import ForkRequest, Session

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

CHATWS: Final = Path(sys.executable).with_name("chatws")
ROOT: Final = Path(__file__).parent.parent.parent
MAX_REPORT_BYTES: Final = 32


class PreloadedProcess:
    """Process of a command, forked by `tests.support.fork_server`; its methods are those of `subprocess.Popen`.

    It differs from a started program in its parent process and in the command line that /proc shows.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        streams: Sequence[int],
        env: Mapping[str, str],
        folder: Path | None = None,
        *,
        program: str = str(CHATWS),
        session: Session = "inherited",
        open_files: tuple[int, int] | None = None,
    ) -> None:
        """Start ``chatws``, or ``locust``, with the descriptors of its three standard streams.

        ``open_files`` are the soft and the hard limit of open files.
        """
        self.returncode: int | None = None
        request = ForkRequest(
            [program, *arguments], dict(env), str(folder or Path.cwd()), session=session, open_files=open_files
        )
        self._report, report = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with report:
            socket.send_fds(_fork_server(), [msgspec.json.encode(request)], [*streams, report.fileno()])
        self.pid = self._read_report()

    def wait(self, timeout: float | None = None) -> int:
        """Wait until the process has exited, and return its exit code.

        Raises:
            subprocess.TimeoutExpired: it did not exit in time.
        """
        if self.returncode is None:
            self._report.settimeout(timeout)
            try:
                self.returncode = self._read_report()
            except (TimeoutError, BlockingIOError) as error:
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0) from error
            self._report.close()
        return self.returncode

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal unless the process has exited."""
        with suppress(subprocess.TimeoutExpired):
            self.wait(0)
        if self.returncode is None:
            # It may have been reaped without its exit code being reported yet.
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _read_report(self) -> int:
        report = self._report.recv(MAX_REPORT_BYTES)
        assert report, "the fork server ended"
        return int(report)


def send_request(message: bytes, descriptors: list[int]) -> None:
    """Send a `ForkRequest` with its descriptors to this process's fork server."""
    socket.send_fds(_fork_server(), [message], descriptors)


def run_preloaded(
    *arguments: str, env: Mapping[str, str], timeout_s: float, folder: Path | None = None, input_text: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run a command until it exits, with ``input_text`` on its standard input.

    Raises:
        subprocess.TimeoutExpired: it did not exit in time, and was killed.
    """
    with TemporaryFile() as stdin, TemporaryFile() as stdout, TemporaryFile() as stderr:
        stdin.write(input_text.encode())
        stdin.seek(0)
        child = PreloadedProcess(arguments, [file.fileno() for file in (stdin, stdout, stderr)], env, folder)
        try:
            code = child.wait(timeout_s)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
            raise
        output = []
        for file in (stdout, stderr):
            file.seek(0)
            output.append(file.read().decode())
    return subprocess.CompletedProcess(arguments, code, *output)


_starting = threading.Lock()
_control: list[socket.socket] = []


def _fork_server() -> socket.socket:
    """Return the socket of this process's fork server, which the first call starts."""
    with _starting:
        if not _control:
            _control.append(_start_fork_server())
    return _control[0]


def _start_fork_server() -> socket.socket:
    control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        number = theirs.fileno()
        # In a session of its own: Ctrl-C ends the tests, which then stop their servers.
        child = subprocess.Popen(
            [sys.executable, "-m", "tests.support.fork_server", str(number)],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=[number],
            start_new_session=True,
        )

    def stop() -> None:
        control.close()
        child.wait()

    atexit.register(stop)
    return control
