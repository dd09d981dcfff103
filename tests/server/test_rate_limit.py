"""Rate limits by address: separate counts, a bounded number of addresses, disabled by a rate of 0."""

from __future__ import annotations

import pytest

from chatws.protocol.errors import ChatError, ErrorCode
from chatws.server.requests.bounded_table import SHARED
from chatws.server.requests.rate_limit import AddressRateLimiter


def test_each_address_has_its_own_bucket_that_refills_with_time() -> None:
    limit = AddressRateLimiter(per_s=0.5, burst=2)
    for _ in range(2):
        limit.take("a", now=0)
    with pytest.raises(ChatError) as refused:
        limit.take("a", now=0)
    assert refused.value.code is ErrorCode.RATE_LIMITED
    assert refused.value.retry_after_ms == pytest.approx(2_000, abs=1)
    limit.take("b", now=0)
    limit.take("a", now=2)


def test_addresses_of_one_ipv6_network_share_a_bucket() -> None:
    limit = AddressRateLimiter(per_s=0.001, burst=1)
    limit.take("2001:db8::1", now=0)
    with pytest.raises(ChatError):
        limit.check("2001:db8::2", now=0)
    limit.give_back("2001:db8::3")
    limit.take("2001:db8::4", now=0)


def test_returned_tokens_never_exceed_the_burst() -> None:
    limit = AddressRateLimiter(per_s=0.001, burst=1)
    limit.take("a", now=0)
    for _ in range(3):
        limit.give_back("a")
    limit.take("a", now=0)
    with pytest.raises(ChatError):
        limit.check("a", now=0)


def test_rotating_addresses_does_not_drive_out_an_exhausted_bucket() -> None:
    limit = AddressRateLimiter(per_s=0.001, burst=2, max_addresses=3)
    for address in ("a", "a", "b", "c", *(f"rotated-{number}" for number in range(5_000))):
        limit.count(address, now=0)
    assert len(limit) <= 3 + SHARED
    with pytest.raises(ChatError):
        limit.check("a", now=0)


def test_full_buckets_make_room_for_other_addresses() -> None:
    limit = AddressRateLimiter(per_s=1, burst=1, max_addresses=3)
    for address in ("a", "b", "c"):
        limit.take(address, now=0)
    limit.take("d", now=2)
    assert len(limit) == 1
    with pytest.raises(ChatError):
        limit.check("d", now=2)


def test_rate_of_zero_disables_the_limit() -> None:
    limit = AddressRateLimiter(per_s=0, burst=1)
    for _ in range(100):
        limit.take("a", now=0)
        limit.check("a", now=0)
    assert len(limit) == 0
