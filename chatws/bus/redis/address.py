"""Where Redis is and how one gets in: a URL, taken apart."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from chatws.bus.errors import BadBusUrl

DEFAULT_PORT = 6379
_FILES = {"ssl_ca_certs": "ca_file", "ssl_certfile": "cert_file", "ssl_keyfile": "key_file"}


@dataclass(frozen=True, repr=False)
class Address:
    """One Redis; ``path`` is set for a Unix socket."""

    host: str
    port: int
    path: str
    username: str
    password: str
    database: int
    tls: ssl.SSLContext | None

    def __repr__(self) -> str:
        """Name it for the operator, without user and password."""
        return self.path or f"{self.host}:{self.port}"


def parse_address(url: str) -> Address:
    """Take apart ``redis[s]://[[user]:password@]host[:port][/database]`` or ``unix://[[user]:password@]/path[?db=0]``.

    With ``rediss`` the certificate is always checked. ``?ssl_ca_certs=FILE`` names the authorities to believe,
    ``ssl_certfile`` and ``ssl_keyfile`` the client's own certificate.

    Raises:
        BadBusUrl: it is none of these, or a file it names can not be used.
    """
    try:
        split = urlsplit(url)
        port = split.port or DEFAULT_PORT
    except ValueError:
        raise BadBusUrl("host or port is malformed") from None
    if split.scheme not in {"redis", "rediss", "unix"}:
        raise BadBusUrl("it begins with redis://, rediss:// or unix://")
    query = {name: values[-1] for name, values in parse_qs(split.query).items()}
    is_unix = split.scheme == "unix"
    database = query.pop("db", "0") if is_unix else split.path.strip("/") or query.pop("db", "0")
    if not database.isdecimal():
        raise BadBusUrl("the database is a number, for example redis://localhost/0")
    address = Address(
        host=split.hostname or "localhost",
        port=port,
        path=unquote(split.path) if is_unix else "",
        username=unquote(split.username or ""),
        password=unquote(split.password or ""),
        database=int(database),
        tls=_tls(split, query),
    )
    if query:
        raise BadBusUrl(f"nothing is known of its {min(query)}")
    return address


def _tls(split: SplitResult, query: dict[str, str]) -> ssl.SSLContext | None:
    files = {_FILES[name]: query.pop(name) for name in _FILES if name in query}
    if split.scheme != "rediss":
        if files:
            raise BadBusUrl("certificates need rediss://")
        return None
    try:
        context = ssl.create_default_context(cafile=files.get("ca_file"))
        if "cert_file" in files:
            context.load_cert_chain(files["cert_file"], files.get("key_file"))
    except OSError as problem:  # ssl.SSLError is one
        raise BadBusUrl(f"a certificate can not be used: {problem}") from None
    return context
