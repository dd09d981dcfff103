"""TCP ports on the loopback address that nobody else gets."""

from __future__ import annotations

import socket

_kept: list[socket.socket] = []
"""The ports of `free_port`, until this process ends."""


def keep_port(port: int = 0) -> socket.socket:
    """Keep a port, by default one of the system's choice, while the socket is open.

    The socket is bound and does not listen: the system gives the port to nobody, nobody can connect to it, and a server
    that names it may listen there. Without that, what runs beside a test takes the port of a server that is not up yet,
    or not up again.
    """
    keeper = socket.socket()
    keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    keeper.bind(("127.0.0.1", port))
    return keeper


def free_port() -> int:
    """Return a port nobody listens on; only for tests that must name a port before anything is started."""
    _kept.append(keep_port())
    port: int = _kept[-1].getsockname()[1]
    return port
