"""Registry of the checks, and the decorators that add a check to it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import msgspec

from chatws_loadtest.check.errors import CheckFailed

if TYPE_CHECKING:
    from chatws_loadtest.check.check_context import CheckContext

CheckFunction = Callable[["CheckContext"], Awaitable[None]]


class CheckOutcome(StrEnum):
    """Outcome of a check."""

    PASS = "pass"
    FAIL = "fail"
    NOT_OFFERED = "not offered"
    NOT_JUDGED = "not judged"


@dataclass(frozen=True, slots=True)
class Check:
    """Check of one behaviour; ``in_guide``: the guide requires it, so that it must not be missing."""

    name: str
    what: str
    in_guide: bool
    run: CheckFunction


class CheckResult(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Result of a check; only a failed one has ``advice``."""

    name: str
    what: str
    in_guide: bool
    result: CheckOutcome
    reason: str = ""
    advice: str = ""
    duration_s: float = 0.0


CHECKS: Final[dict[str, Check]] = {}
"""Every check by name, in the order of the source files."""

ADVICE: Final = {
    "health": "check that the server is running: curl URL/health",
    "transport": "test with the polling transport, and look for a proxy that does not pass WebSocket on",
    "auth": "verify the credentials: the key the tokens are signed with, the sessions in the database",
    "room": "verify that both clients joined the same conversation's room",
    "message": "check the server's log for errors; test with the WebSocket test page",
    "typing": "check the typing events in the console, and that the 3-second timeout does not clear too fast",
    "presence": "check that the server detects disconnects, and waits a little before it reports offline",
    "catchup": "check that messages are stored with a seq before they are acked",
    "claim": "change a conversation's status only if it still has the version that the agent has seen",
    "limit": "set limits on sizes and rates; without them one client can take the server down",
    "rest": "check the REST routes: curl URL/openapi.json",
    "webhook": "check webhook_url and the secret, and the server's log for webhook_failed",
    "bot": "check the setting bot, and the server's log for bot_failed",
}
"""Advice for failed checks, by the first part of their names (guide: Troubleshooting)."""


def guide_check(name: str, what: str) -> Callable[[CheckFunction], CheckFunction]:
    """Register a check of behaviour that the guide requires."""
    return _register(name, what, in_guide=True)


def addition_check(name: str, what: str) -> Callable[[CheckFunction], CheckFunction]:
    """Register a check of behaviour that goes beyond the guide."""
    return _register(name, what, in_guide=False)


def require(condition: object, reason: str) -> None:
    """Fail the check unless the condition is true.

    Raises:
        CheckFailed: it is false.
    """
    if not condition:
        raise CheckFailed(reason)


def _register(name: str, what: str, *, in_guide: bool) -> Callable[[CheckFunction], CheckFunction]:
    def register(function: CheckFunction) -> CheckFunction:
        assert name not in CHECKS, name
        assert name.partition(".")[0] in ADVICE, name
        CHECKS[name] = Check(name, what, in_guide, function)
        return function

    return register
