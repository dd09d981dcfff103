"""Limits of failed log-ins: delays per account, known addresses, and a bounded memory."""

from __future__ import annotations

from chatws.protocol.errors import ChatError
from chatws.server.auth.login_guard import FORGET_AFTER_S, FREE_FAILURES, MAX_DELAY_S, MAX_KNOWN_ADDRESSES, LoginGuard
from chatws.server.requests.rate_limit import AddressRateLimiter

EMAIL = "agnes@example.org"


def make_guard(*, is_on: bool = True) -> LoginGuard:
    return LoginGuard(AddressRateLimiter(per_s=0, burst=1), is_on=is_on)


def wait_s(guard: LoginGuard, address: str, now: float, email: str = EMAIL) -> float:
    """Attempt to log in, and return the time that the guard asks to wait."""
    try:
        guard.attempt(email, address, now)
    except ChatError as refused:
        return (refused.retry_after_ms or 0) / 1000
    return 0.0


def test_delay_doubles_with_each_failure_up_to_its_maximum() -> None:
    guard, now, delays = make_guard(), 0.0, []
    for number in range(FREE_FAILURES):
        assert wait_s(guard, f"address-{number}", now) == 0.0
    for number in range(12):
        delay_s = wait_s(guard, f"new-{number}", now)
        delays.append(round(delay_s))
        now += delay_s
        assert wait_s(guard, f"newer-{number}", now) == 0.0, "an attempt after the delay is allowed"
    assert delays[:5] == [2, 4, 8, 16, 32]
    assert delays[-1] == MAX_DELAY_S


def test_other_accounts_are_not_delayed() -> None:
    guard = make_guard()
    for _ in range(FREE_FAILURES + 1):
        wait_s(guard, "attacker", 0.0)
    assert wait_s(guard, "attacker", 0.0) > 0.0
    assert wait_s(guard, "attacker", 0.0, "ben@example.org") == 0.0


def test_spelling_of_the_address_does_not_make_another_account() -> None:
    guard = make_guard()
    for _ in range(FREE_FAILURES):
        wait_s(guard, "attacker", 0.0, f" {EMAIL.upper()} ")
    assert wait_s(guard, "attacker", 0.0) > 0.0


def test_success_forgets_the_failures() -> None:
    guard = make_guard()
    for _ in range(FREE_FAILURES - 1):
        wait_s(guard, "owner", 0.0)
    guard.succeeded(EMAIL, "owner", 0.0)
    for number in range(FREE_FAILURES):
        assert wait_s(guard, f"address-{number}", 0.0) == 0.0


def test_failures_are_forgotten_after_an_hour_without_one() -> None:
    guard = make_guard()
    for _ in range(20):
        wait_s(guard, "attacker", 0.0)
    assert wait_s(guard, "attacker", FORGET_AFTER_S) == 0.0
    assert wait_s(guard, "attacker", FORGET_AFTER_S) == 0.0


def test_known_addresses_are_bounded() -> None:
    guard = make_guard()
    for number in range(MAX_KNOWN_ADDRESSES + 1):
        guard.succeeded(EMAIL, f"address-{number}", 0.0)
    for _ in range(FREE_FAILURES):
        wait_s(guard, "attacker", 0.0)
    assert wait_s(guard, "address-0", 0.0) > 0.0
    assert wait_s(guard, "address-1", 0.0) == 0.0


def test_guard_that_is_off_limits_nothing() -> None:
    guard = make_guard(is_on=False)
    assert sum(wait_s(guard, "attacker", 0.0) for _ in range(100)) == 0.0
