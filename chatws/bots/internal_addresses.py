"""Internal addresses, which a bot's URL must not name in production: loopback, link-local and unspecified ones.

Services that trust their own machine listen there, among them the metadata services of clouds (169.254.169.254).
"""

from __future__ import annotations

import errno
import ipaddress
import socket
from collections.abc import Iterable
from urllib.parse import urlsplit

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver


class InternalAddresses:
    """Internal addresses that are refused: all, except listed addresses and networks."""

    def __init__(self, allowed: Iterable[str]) -> None:
        """Parse the list.

        Raises:
            ValueError: an entry is neither an address nor a network.
        """
        self._allowed = tuple(ipaddress.ip_network(entry) for entry in allowed)

    def is_refused(self, address: str) -> bool:
        """Return whether an address is internal and not listed; a name is not an address."""
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
            parsed = parsed.ipv4_mapped
        is_internal = parsed.is_loopback or parsed.is_link_local or parsed.is_unspecified
        return is_internal and not any(parsed in network for network in self._allowed)

    def is_refused_url(self, url: str) -> bool:
        """Return whether the host of a URL is a refused address, or a name of this machine."""
        host = (urlsplit(url).hostname or "").rstrip(".")
        if host == "localhost" or host.endswith(".localhost"):
            host = "127.0.0.1"
        try:
            # Also the short and hexadecimal forms that the system's resolver accepts, such as 127.1.
            host = socket.inet_ntoa(socket.inet_aton(host))
        except OSError:
            return self.is_refused(host)
        return self.is_refused(host)


class ExternalResolver(AbstractResolver):
    """Resolver of names that drops refused addresses, at each connection: a name may change its address."""

    def __init__(self, internal: InternalAddresses) -> None:
        self._internal = internal
        self._resolver = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Resolve a name.

        Raises:
            OSError: it has no address, or refused ones only.
        """
        found = await self._resolver.resolve(host, port, family)
        kept = [result for result in found if not self._internal.is_refused(result["host"])]
        if not kept:
            raise OSError(errno.EPERM, f"{host} has internal addresses only, which internal_addresses does not list")
        return kept

    async def close(self) -> None:
        """Release the resolver."""
        await self._resolver.close()
