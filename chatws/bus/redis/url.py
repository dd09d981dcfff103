"""Parser of the Redis URL, and the connections to its endpoint."""

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
"""Name of the connections in ``CLIENT LIST``."""

_FILE_OPTIONS = {"ssl_ca_certs", "ssl_certfile", "ssl_keyfile"}


@dataclass(frozen=True, repr=False)
class RedisEndpoint:
    """Address, credentials and TLS settings of one Redis."""

    kind: type[AbstractConnection]
    options: dict[str, Any]
    tls: RedisSSLContext | None
    """Shared by all connections, so that the certificates are read once."""

    def __repr__(self) -> str:
        """Return the address without user and password."""
        if self.kind is UnixDomainSocketConnection:
            return str(self.options["path"])
        return f"{self.options['host']}:{self.options['port']}"

    def connection(self) -> AbstractConnection:
        """Return an unopened connection without retries and timeouts; the caller enforces the timeouts."""
        # RESP 2 without driver information: the Redis user then does not need HELLO and CLIENT SETINFO.
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
    """Parse ``redis[s]://[[user]:password@]host[:port][/database]`` or ``unix://[[user]:password@]/path[?db=0]``.

    With ``rediss`` the certificate is always verified. ``?ssl_ca_certs=FILE`` adds trusted authorities to those of the
    system; ``ssl_certfile`` and ``ssl_keyfile`` set the client certificate.

    Raises:
        BadBusUrl: the URL is malformed, or a certificate file cannot be used.
    """
    if not url.startswith(("redis://", "rediss://", "unix://")):
        raise BadBusUrl("it has to begin with redis://, rediss:// or unix://")
    try:
        _check_options(url)
        options: dict[str, Any] = {"host": "localhost", "port": 6379, **parse_url(url)}
    except ValueError:  # its text may contain the password
        raise BadBusUrl("host, port or database is malformed") from None
    kind = options.pop("connection_class", Connection)
    if kind is UnixDomainSocketConnection:
        del options["host"], options["port"]
        if "path" not in options:
            raise BadBusUrl("the path of the socket is missing")
    return RedisEndpoint(kind, options, _tls(kind, options))


def _check_options(url: str) -> None:
    """Reject options and values that the library ignores, or reports only at the first connection."""
    split = urlsplit(url)
    query = parse_qs(split.query, keep_blank_values=True)
    if unknown := query.keys() - _FILE_OPTIONS - {"db"}:
        raise BadBusUrl(f"unknown option {min(unknown)}")
    if split.scheme != "rediss" and query.keys() & _FILE_OPTIONS:
        raise BadBusUrl("certificates need rediss://")
    path = "" if split.scheme == "unix" else split.path.strip("/")
    if not all(database.isdecimal() for database in (path or "0", *query.get("db", []))):
        raise BadBusUrl("the database has to be a number, for example redis://localhost/0")


def _tls(kind: type[AbstractConnection], options: dict[str, Any]) -> RedisSSLContext | None:
    if not issubclass(kind, SSLConnection):
        return None
    context = kind(**options).ssl_context
    try:
        context.get()
    except OSError as error:  # includes ssl.SSLError
        raise BadBusUrl(f"a certificate cannot be used: {error}") from None
    return context
