"""Where Redis is and how one gets in: a URL, taken apart by the ``redis`` package, and connections made of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

from redis.asyncio.connection import (
    AbstractConnection,
    Connection,
    RedisSSLContext,
    SSLConnection,
    UnixDomainSocketConnection,
    parse_url,
)

from chatws.bus.errors import BadBusUrl

CLIENT_NAME = "chatws"
"""For ``CLIENT LIST``."""

_FILES = {"ssl_ca_certs", "ssl_certfile", "ssl_keyfile"}


@dataclass(frozen=True, repr=False)
class RedisEndpoint:
    """One Redis, and what a connection to it is made with."""

    kind: type[AbstractConnection]
    options: dict[str, Any]
    tls: RedisSSLContext | None
    """Shared by all connections: the certificates are read once."""

    def __repr__(self) -> str:
        """Name it for the operator, without user and password."""
        if self.kind is UnixDomainSocketConnection:
            return str(self.options["path"])
        return f"{self.options['host']}:{self.options['port']}"

    def connection(self) -> AbstractConnection:
        """Make a connection that is not open yet, tries once, and leaves time limits to who uses it."""
        # RESP 2, and no word about the driver: the user in Redis then needs no right to HELLO and CLIENT SETINFO.
        connection = self.kind(
            **self.options,
            protocol=2,
            client_name=CLIENT_NAME,
            driver_info=None,
            socket_timeout=None,
            socket_connect_timeout=None,
        )
        if isinstance(connection, SSLConnection) and self.tls is not None:
            connection.ssl_context = self.tls
        return connection


def parse_redis_url(url: str) -> RedisEndpoint:
    """Take apart ``redis[s]://[[user]:password@]host[:port][/database]`` or ``unix://[[user]:password@]/path[?db=0]``.

    With ``rediss`` the certificate is always checked. ``?ssl_ca_certs=FILE`` names authorities to believe beside those
    of the system, ``ssl_certfile`` and ``ssl_keyfile`` the client's own certificate.

    Raises:
        BadBusUrl: it is none of these, or a file it names can not be used.
    """
    if not url.startswith(("redis://", "rediss://", "unix://")):
        raise BadBusUrl("it begins with redis://, rediss:// or unix://")
    try:
        _check(url)
        options: dict[str, Any] = {"host": "localhost", "port": 6379, **parse_url(url)}
    except ValueError:  # its words may hold the password
        raise BadBusUrl("host, port or database is malformed") from None
    kind = options.pop("connection_class", Connection)
    if kind is UnixDomainSocketConnection:
        del options["host"], options["port"]
        if "path" not in options:
            raise BadBusUrl("the path of the socket is missing")
    return RedisEndpoint(kind, options, _tls(kind, options))


def _check(url: str) -> None:
    """Refuse what the library would pass over in silence, or leave to the first connection."""
    split = urlsplit(url)
    query = parse_qs(split.query, keep_blank_values=True)
    if unknown := query.keys() - _FILES - {"db"}:
        raise BadBusUrl(f"nothing is known of its {min(unknown)}")
    if split.scheme != "rediss" and query.keys() & _FILES:
        raise BadBusUrl("certificates need rediss://")
    path = "" if split.scheme == "unix" else split.path.strip("/")
    if not all(database.isdecimal() for database in (path or "0", *query.get("db", []))):
        raise BadBusUrl("the database is a number, for example redis://localhost/0")


def _tls(kind: type[AbstractConnection], options: dict[str, Any]) -> RedisSSLContext | None:
    if not issubclass(kind, SSLConnection):
        return None
    context = kind(**options).ssl_context
    try:
        context.get()
    except OSError as problem:  # ssl.SSLError is one
        raise BadBusUrl(f"a certificate can not be used: {problem}") from None
    return context
