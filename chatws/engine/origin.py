"""Client address and origin of a request, trusted proxies, and CORS."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass

from aiohttp import hdrs

from chatws.engine.options import Origins
from chatws.engine.upgrade_request import HttpRequest

_FORWARDED_FOR = "X-Forwarded-For"
_FORWARDED_HOST = "X-Forwarded-Host"
_FORWARDED_PROTO = "X-Forwarded-Proto"
_BLOCK_BITS = 64
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


@dataclass(frozen=True, slots=True)
class TrustedProxies:
    """Networks whose ``X-Forwarded-*`` headers are trusted."""

    networks: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...] = ()

    @classmethod
    def parse(cls, entries: Iterable[str]) -> TrustedProxies:
        """Parse addresses and networks such as ``10.0.0.0/8``.

        Raises:
            ValueError: an entry is neither.
        """
        return cls(tuple(ipaddress.ip_network(entry) for entry in entries))

    def __contains__(self, address: str) -> bool:
        if not self.networks:
            return False
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(parsed in network for network in self.networks)


def peer_address(request: HttpRequest, trusted: TrustedProxies) -> str:
    """Return the client's address: the peer's, or behind trusted proxies the last forwarded one that is not a proxy."""
    address = _connected_address(request)
    if address not in trusted:
        return address
    for hop in reversed(",".join(request.headers.getall(_FORWARDED_FOR, [])).split(",")):
        candidate = hop.strip()
        if not _is_address(candidate):
            return address
        address = candidate
        if candidate not in trusted:
            return address
    return address


def block_of(address: str) -> str:
    """Return the key of limits per address: an IPv4 address, or the /64 of an IPv6 one, which a single host may own.

    An IPv4 address mapped to IPv6 counts as the IPv4 address.
    """
    if ":" not in address:
        return address
    try:
        parsed = ipaddress.IPv6Address(address)
    except ValueError:
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(parsed), _BLOCK_BITS), strict=False))


def own_origin(request: HttpRequest, trusted: TrustedProxies) -> str:
    """Return the server's origin as the client sees it, for example ``https://chat.example``."""
    scheme, host = request.scheme, request.headers.get(hdrs.HOST, "")
    if _connected_address(request) in trusted:
        scheme = _first_value(request, _FORWARDED_PROTO) or scheme
        host = _first_value(request, _FORWARDED_HOST) or host
    return _normalise(f"{scheme}://{host}")


def origin_allowed(request: HttpRequest, allowed: Origins, trusted: TrustedProxies) -> bool:
    """Return True if the request's ``Origin`` is absent (no browser), the server's own, or in the exact list."""
    origin = request.headers.get(hdrs.ORIGIN)
    if origin is None or allowed == "*" or origin in allowed:
        return True
    return _normalise(origin) == own_origin(request, trusted)


def is_secure(request: HttpRequest, trusted: TrustedProxies) -> bool:
    """Return True if the client's own connection is encrypted."""
    return own_origin(request, trusted).startswith("https://")


def cors_headers(request: HttpRequest, allowed: Origins) -> dict[str, str]:
    """Return the headers that let pages of a listed origin read the response; credentials are never allowed."""
    origin = request.headers.get(hdrs.ORIGIN)
    if origin is None:
        return {}
    if allowed == "*":
        return {hdrs.ACCESS_CONTROL_ALLOW_ORIGIN: "*"}
    if origin in allowed:
        return {hdrs.ACCESS_CONTROL_ALLOW_ORIGIN: origin, hdrs.VARY: hdrs.ORIGIN}
    return {hdrs.VARY: hdrs.ORIGIN}


def preflight_headers() -> dict[str, str]:
    """Return the headers of the response to a CORS preflight request."""
    return {
        hdrs.ACCESS_CONTROL_ALLOW_METHODS: "GET, POST",
        hdrs.ACCESS_CONTROL_ALLOW_HEADERS: "Content-Type",
        hdrs.ACCESS_CONTROL_MAX_AGE: "600",
    }


def _connected_address(request: HttpRequest) -> str:
    transport = request.transport
    peer = None if transport is None else transport.get_extra_info("peername")
    return str(peer[0]) if isinstance(peer, tuple) and peer else ""


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _first_value(request: HttpRequest, header: str) -> str:
    return request.headers.get(header, "").split(",")[0].strip()


def _normalise(origin: str) -> str:
    """Convert an origin to lower case without the scheme's default port, as browsers send it."""
    text = origin.lower()
    return text.removesuffix(_DEFAULT_PORTS.get(text.partition("://")[0], ""))
