"""What a check is, and the table they all are in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import msgspec

from chatws_loadtest.check.errors import CheckFailed

if TYPE_CHECKING:
    from chatws_loadtest.check.check_context import CheckContext

Body = Callable[["CheckContext"], Awaitable[None]]


class CheckOutcome(StrEnum):
    """What became of a check."""

    PASS = "pass"
    FAIL = "fail"
    NOT_OFFERED = "not offered"


@dataclass(frozen=True, slots=True)
class Check:
    """One row of the table; ``in_guide`` says that the guide promises it, so that it may not be missing."""

    name: str
    what: str
    in_guide: bool
    body: Body


class CheckResult(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A check's result; ``advice`` only for one that failed."""

    name: str
    what: str
    in_guide: bool
    result: CheckOutcome
    reason: str = ""
    advice: str = ""
    duration_s: float = 0.0


CHECKS: Final[dict[str, Check]] = {}
"""All checks by name, in the order they were written down."""

ADVICE: Final = {
    "health": "check that the server is running: curl URL/health",
    "transport": "test with the polling transport, and look for a proxy that does not pass WebSocket on",
    "auth": "verify the credentials: the key the tokens are signed with, the sessions in the database",
    "room": "verify that both clients joined the same conversation's room",
    "message": "check the server's log for errors; test with the WebSocket test page",
    "typing": "check the typing events in the console, and that the 3-second timeout does not clear too fast",
    "presence": "check that the server notices disconnects, and waits a little before it says offline",
    "catchup": "check that messages are stored with a seq before they are acked",
    "limit": "set limits on sizes and rates; without them one client can take the server down",
    "rest": "check the REST routes: curl URL/openapi.json",
}
"""What to try, by the first part of a check's name (guide: Troubleshooting)."""


def guide(name: str, what: str) -> Callable[[Body], Body]:
    """Add a check of something the guide promises."""
    return _add(name, what, in_guide=True)


def addition(name: str, what: str) -> Callable[[Body], Body]:
    """Add a check of something that goes beyond the guide."""
    return _add(name, what, in_guide=False)


def demand(condition: object, reason: str) -> None:
    """Fail the check unless something is so.

    Raises:
        CheckFailed: it is not.
    """
    if not condition:
        raise CheckFailed(reason)


def _add(name: str, what: str, *, in_guide: bool) -> Callable[[Body], Body]:
    def add(body: Body) -> Body:
        assert name not in CHECKS, name
        assert name.partition(".")[0] in ADVICE, name
        CHECKS[name] = Check(name, what, in_guide, body)
        return body

    return add
