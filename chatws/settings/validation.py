"""Validation of combinations of settings: errors that prevent a start, and warnings."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from chatws.settings.model import Settings

LAST_PORT = 65_535


LIMITS_DISABLED_BY_ZERO = (
    "connections",
    "connections_per_address",
    "connections_per_agent",
    "connections_per_session",
    "credential_failures_per_minute",
    "http_connections",
    "http_per_address",
    "http_request_ms",
    "login_failures_per_minute",
    "new_per_address_per_s",
    "new_per_s",
    "unauthenticated",
    "write_stall_ms",
)


class SettingsIssue(NamedTuple):
    """Problem with the settings, its consequence, and the advice."""

    what: str
    why: str
    advice: str


def is_loopback(host: str) -> bool:
    """Return whether a listen address, or the host of a URL, is reachable from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def errors(settings: Settings) -> list[SettingsIssue]:
    """Return the issues that prevent a server from starting."""
    found: list[SettingsIssue] = []
    if (settings.tls_cert is None) != (settings.tls_key is None):
        found.append(
            SettingsIssue("TLS is incomplete", "it needs a certificate and a key", "give --tls-cert and --tls-key")
        )
    if settings.is_dev and not is_loopback(settings.host):
        found.append(
            SettingsIssue(
                f"development mode does not listen on {settings.host}",
                "any client on the network could create sessions and read all data",
                "use --host 127.0.0.1, or --prod for production checks",
            )
        )
    if not settings.is_dev and "*" in settings.cors_origin:
        found.append(
            SettingsIssue(
                "cors_origin * is refused in production",
                "any web page could connect to the server",
                "list the origins, for example --cors-origin https://example.org",
            )
        )
    found += _network_errors("trusted_proxies", settings.trusted_proxies)
    found += _network_errors("internal_addresses", settings.internal_addresses)
    if not settings.is_dev and any(_is_everything(entry) for entry in settings.trusted_proxies):
        found.append(
            SettingsIssue(
                "trusted_proxies contains every address",
                "any client could claim any address, and have limits of its own for each",
                "list the addresses of the proxies",
            )
        )
    if any(name.lower() == "none" for name in settings.jwt_algorithms):
        found.append(
            SettingsIssue("jwt_algorithms must not contain none", "any client could forge tokens", "use HS256")
        )
    return found + _worker_errors(settings)


def warnings(settings: Settings) -> list[SettingsIssue]:
    """Return the issues that a server reports as warnings when it starts."""
    found: list[SettingsIssue] = []
    exposed = not settings.is_dev and not is_loopback(settings.host)
    if exposed and settings.tls_cert is None and not settings.trusted_proxies:
        found.append(
            SettingsIssue(
                f"{settings.host} is served without TLS",
                "tokens and messages are sent over the network unencrypted",
                "give --tls-cert and --tls-key, or --trusted-proxy for a proxy that terminates TLS",
            )
        )
    if settings.bot_url and settings.bot_url.startswith("http:") and not is_loopback(_host_of(settings.bot_url)):
        found.append(
            SettingsIssue(
                f"the bot at {_host_of(settings.bot_url)} is contacted without TLS",
                "its key and the customers' messages are sent over the network unencrypted",
                "use its https address, unless the network is private",
            )
        )
    if settings.webhook_url and settings.webhook_url.startswith("http:"):
        host = _host_of(settings.webhook_url)
        if not is_loopback(host):
            found.append(
                SettingsIssue(
                    f"the webhook at {host} is contacted without TLS",
                    "the messages are sent over the network unencrypted",
                    "use its https address, unless the network is private",
                )
            )
    if settings.redis_url is None and not settings.database.startswith("sqlite"):
        found.append(
            SettingsIssue(
                "redis_url is not set",
                "other servers of the database would deliver its messages seconds later, and show its users as offline",
                "give --redis-url if there are several servers",
            )
        )
    if exposed and settings.metrics == "on":
        found.append(
            SettingsIssue(
                "/metrics is open to all clients",
                "it shows the load and the number of users",
                "use --set metrics=local, or block it in the proxy",
            )
        )
    return found + _limit_warnings(settings)


def _limit_warnings(settings: Settings) -> list[SettingsIssue]:
    if settings.is_dev:
        return []
    if settings.limits == "off":
        return [SettingsIssue("limits are off", "one client can exhaust the server", "leave --limits on")]
    disabled = [name for name in LIMITS_DISABLED_BY_ZERO if getattr(settings, name) == 0]
    return [
        SettingsIssue(f"{name} is 0", "there is no such limit, and one client can exhaust the server", "set a number")
        for name in disabled
    ]


def _network_errors(name: str, entries: tuple[str, ...]) -> list[SettingsIssue]:
    return [
        SettingsIssue(
            f"{name} contains {entry!r}", "it is neither an address nor a network", "use for example 10.0.0.0/8"
        )
        for entry in entries
        if _parse_network(entry) is None
    ]


def _is_everything(entry: str) -> bool:
    network = _parse_network(entry)
    return network is not None and network.prefixlen == 0


def _parse_network(entry: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(entry)
    except ValueError:
        return None


def _worker_errors(settings: Settings) -> list[SettingsIssue]:
    if settings.workers == 1:
        return []
    found: list[SettingsIssue] = []
    what = f"{settings.workers} workers"
    if settings.database.startswith("sqlite"):
        found.append(
            SettingsIssue(
                f"{what} on SQLite",
                "only one process may write the file",
                "give --database-url postgresql://... and --redis-url redis://... ('chatws db copy' moves the data)",
            )
        )
    elif settings.redis_url is None:
        found.append(
            SettingsIssue(
                f"{what} without Redis",
                "messages between users of different servers would be seconds late, and typing would not be shown",
                "give --redis-url redis://...",
            )
        )
    if settings.port and settings.port + settings.workers - 1 > LAST_PORT:
        found.append(
            SettingsIssue(f"{what} from port {settings.port} on", "there are not enough ports", "give a lower port")
        )
    return found


def _host_of(url: str) -> str:
    return urlsplit(url).hostname or ""
