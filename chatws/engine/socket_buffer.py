"""How many bytes a connection still has to take, those included that encryption hides."""

from __future__ import annotations

import asyncio
import fcntl
import struct

_SIOCOUTQNSD = 0x894B
"""Linux: bytes in a TCP socket's queue that were not sent yet, because the other end has no room for them."""
_INT = struct.Struct("i")


def is_encrypted(transport: asyncio.Transport) -> bool:
    """Tell whether TLS lies between us and the socket."""
    return transport.get_extra_info("sslcontext") is not None


def unsent_bytes(transport: asyncio.Transport) -> int:
    """Count what the kernel did not take; with TLS, also what it took and could not send; 0 once it is closing.

    A TLS transport counts only what waits above the encryption: both loops keep 64 KiB and more below it, which for a
    quiet client is everything it is ever sent.
    """
    if transport.is_closing():
        return 0
    size = transport.get_write_buffer_size()
    return size or (_unsent_by_kernel(transport) if is_encrypted(transport) else 0)


def _unsent_by_kernel(transport: asyncio.Transport) -> int:
    try:
        answer = fcntl.ioctl(transport.get_extra_info("socket").fileno(), _SIOCOUTQNSD, bytes(_INT.size))
    except OSError:
        return 0
    size: int = _INT.unpack(answer)[0]
    return size
