"""Search for programs that a machine may lack, and for free ports."""

from __future__ import annotations

import shutil
import socket


class ProgramMissing(OSError):
    """A program is not installed; the text names it and the way to install it."""


class ServiceFailed(OSError):
    """A service did not start; the text holds its output."""


def find_program(name: str, how_to_install: str) -> str:
    """Return the path of a program; Debian keeps some in a directory that is not on users' PATH.

    Raises:
        ProgramMissing: it is not installed.
    """
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin")
    if path is None:
        raise ProgramMissing(f"{name} is not installed ({how_to_install})")
    return path


def find_chromium() -> str:
    """Return the path of Chromium, preferably of Debian's build without windows: it needs half the processor time.

    Raises:
        ProgramMissing: neither is installed.
    """
    return shutil.which("chromium-headless-shell") or find_program("chromium", "apt install chromium-headless-shell")


def unused_port() -> int:
    """Return a port of the loopback address on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
