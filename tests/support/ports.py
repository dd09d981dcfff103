"""Reservation of TCP ports on the loopback address."""

from __future__ import annotations

import socket

_reserved: list[socket.socket] = []
"""Ports returned by `free_port`, reserved until this process exits."""


def reserve_port(port: int = 0) -> socket.socket:
    """Reserve a port while the returned socket is open; by default a port chosen by the system.

    The socket is bound but does not listen: the system assigns the port to no other process, connections fail, and a
    server started with this port can listen on it. Otherwise a parallel process could take the port of a server that
    has not started yet or is being restarted.
    """
    reservation = socket.socket()
    reservation.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    reservation.bind(("127.0.0.1", port))
    return reservation


def free_port() -> int:
    """Return a reserved port; only for tests that need a port number before they start a server."""
    _reserved.append(reserve_port())
    port: int = _reserved[-1].getsockname()[1]
    return port
