"""Runner of the checks, one after another: several of them verify that an event does not arrive."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

import aiohttp
import msgspec

from chatws.client.mapping import NotMapped
from chatws_loadtest.check import agents, catchup, identity, presence_checks, rooms, transports, webhook_checks
from chatws_loadtest.check.check_context import CheckContext, CheckTarget
from chatws_loadtest.check.errors import CheckFailed, NotJudged, NotOffered
from chatws_loadtest.check.registry import ADVICE, CHECKS, Check, CheckOutcome, CheckResult
from chatws_loadtest.raw_client import ConnectErrorReceived, PacketMissing

MODULES = (transports, identity, rooms, presence_checks, catchup, agents, webhook_checks)
"""Their import registers the checks."""

FAILURES = (
    CheckFailed,
    PacketMissing,
    ConnectErrorReceived,
    aiohttp.ClientError,
    OSError,
    TimeoutError,
    msgspec.DecodeError,
    LookupError,
    TypeError,
)
"""Exceptions that a misbehaving server causes in a check."""


async def run_checks(
    target: CheckTarget, checks: Iterable[Check], on_result: Callable[[CheckResult], None]
) -> list[CheckResult]:
    """Run the checks, and pass each result to ``on_result`` at once."""
    results = []
    for check in checks:
        result = await _run(check, target)
        on_result(result)
        results.append(result)
    return results


def all_checks() -> list[Check]:
    """Return every check, sorted by group."""
    order = list(ADVICE)
    return sorted(CHECKS.values(), key=lambda check: order.index(check.name.partition(".")[0]))


async def _run(check: Check, target: CheckTarget) -> CheckResult:
    begin_s = time.monotonic()
    if target.server.recorder is not None:
        target.server.recorder.mark(check.name)
    outcome, reason = CheckOutcome.PASS, ""
    try:
        async with CheckContext.open(target) as context:
            await check.run(context)
    except (NotOffered, NotMapped) as problem:
        outcome, reason = CheckOutcome.NOT_OFFERED, str(problem)
    except NotJudged as problem:
        outcome, reason = CheckOutcome.NOT_JUDGED, str(problem)
    except FAILURES as problem:
        outcome, reason = CheckOutcome.FAIL, str(problem) or type(problem).__name__
    return CheckResult(
        name=check.name,
        what=check.what,
        in_guide=check.in_guide,
        result=outcome,
        reason=reason,
        advice=ADVICE[check.name.partition(".")[0]] if outcome is CheckOutcome.FAIL else "",
        duration_s=round(time.monotonic() - begin_s, 3),
    )
