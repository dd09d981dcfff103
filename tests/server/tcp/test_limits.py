"""Counts of open connections, in total and per address."""

from __future__ import annotations

from chatws.engine.origin import TrustedProxies
from chatws.server.tcp import ListenerLimits
from chatws.server.tcp.limits import ConnectionCounts


def limits(*, total: int = 0, per_address: int = 0, trusted: tuple[str, ...] = ()) -> ListenerLimits:
    return ListenerLimits(
        max_connections=total,
        max_per_address=per_address,
        max_descriptors=0,
        request_timeout_s=1.0,
        keepalive_timeout_s=1.0,
        trusted_proxies=TrustedProxies.parse(trusted),
    )


def test_addresses_of_one_ipv6_network_share_a_limit() -> None:
    counts = ConnectionCounts(limits(per_address=2))
    counts.add("2001:db8::1")
    counts.add("2001:db8::2")
    assert counts.is_address_full("2001:db8::3")
    assert not counts.is_address_full("2001:db8:0:1::1")
    counts.remove("2001:db8::1")
    assert not counts.is_address_full("2001:db8::3")


def test_trusted_proxy_counts_in_total_only() -> None:
    counts = ConnectionCounts(limits(total=3, per_address=1, trusted=("10.0.0.0/8",)))
    for _ in range(3):
        assert not counts.is_full
        counts.add("10.1.2.3")
    assert counts.is_full
    assert not counts.is_address_full("10.1.2.3")


def test_limit_of_zero_is_none() -> None:
    counts = ConnectionCounts(limits())
    for _ in range(100):
        counts.add("192.0.2.1")
    assert not counts.is_full
    assert not counts.is_address_full("192.0.2.1")
