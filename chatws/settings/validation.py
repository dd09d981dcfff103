"""Which combinations of settings a server refuses to start with, and which it warns about."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from chatws.settings.model import Settings

LAST_PORT = 65_535


class Concern(NamedTuple):
    """What is wrong, why it matters, and what to do."""

    what: str
    why: str
    advice: str


def is_loopback(host: str) -> bool:
    """Whether an address to listen on, or the host of a URL, is this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def refusals(settings: Settings) -> list[Concern]:
    """List what must change before a server may start with these settings."""
    found: list[Concern] = []
    if (settings.tls_cert is None) != (settings.tls_key is None):
        found.append(Concern("TLS is half set", "it needs a certificate and its key", "give --tls-cert and --tls-key"))
    if settings.is_dev and not is_loopback(settings.host):
        found.append(
            Concern(
                f"development mode does not listen on {settings.host}",
                "anybody who reaches it could make sessions and read everything",
                "use --host 127.0.0.1, or --prod to have everything checked",
            )
        )
    if not settings.is_dev and "*" in settings.cors_origin:
        found.append(
            Concern(
                "cors_origin * is refused in production",
                "any web page could use the server",
                "name the origins, for example --cors-origin https://example.org",
            )
        )
    if any(name.lower() == "none" for name in settings.jwt_algorithms):
        found.append(Concern("jwt_algorithms may not hold none", "anybody could sign tokens", "use HS256"))
    return found + _refused_workers(settings)


def warnings(settings: Settings) -> list[Concern]:
    """List what a server may start with, but its operator should know."""
    found: list[Concern] = []
    exposed = not settings.is_dev and not is_loopback(settings.host)
    if exposed and settings.tls_cert is None and not settings.trusted_proxies:
        found.append(
            Concern(
                f"{settings.host} is served without TLS",
                "tokens and messages cross the network readable",
                "give --tls-cert and --tls-key, or --trusted-proxy for a proxy that ends TLS",
            )
        )
    if settings.bot_url and settings.bot_url.startswith("http:") and not is_loopback(_host_of(settings.bot_url)):
        found.append(
            Concern(
                f"the bot at {_host_of(settings.bot_url)} is asked without TLS",
                "its key and what customers write cross the network readable",
                "use its https address, unless the network is yours",
            )
        )
    if settings.redis_url is None and not settings.database.startswith("sqlite"):
        found.append(
            Concern(
                "there is no Redis",
                "other servers of this database would show what happens here only after a few seconds",
                "give --redis-url when there is more than one",
            )
        )
    if not settings.is_dev and settings.limits == "off":
        found.append(Concern("limits are off", "one client can use up the server", "leave --limits on"))
    return found


def _refused_workers(settings: Settings) -> list[Concern]:
    if settings.workers == 1:
        return []
    found: list[Concern] = []
    what = f"{settings.workers} workers"
    if settings.database.startswith("sqlite"):
        found.append(
            Concern(
                f"{what} on SQLite",
                "one process alone may write its file",
                "give --database-url postgresql://... and --redis-url redis://... ('chatws db copy' moves the data)",
            )
        )
    elif settings.redis_url is None:
        found.append(
            Concern(
                f"{what} without Redis",
                "people on different servers would see each other's messages seconds late, and never who is typing",
                "give --redis-url redis://...",
            )
        )
    if settings.port and settings.port + settings.workers - 1 > LAST_PORT:
        found.append(Concern(f"{what} from port {settings.port} on", "there are not as many ports", "give a lower one"))
    return found


def _host_of(url: str) -> str:
    return urlsplit(url).hostname or ""
