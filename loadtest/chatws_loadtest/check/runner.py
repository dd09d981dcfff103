"""Runs the checks one after another: several of them listen for what must not come."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

import aiohttp
import msgspec

from chatws_loadtest.check import catchup, identity, presence_checks, rooms, transports
from chatws_loadtest.check.check_context import CheckContext, CheckTarget
from chatws_loadtest.check.errors import CheckFailed, NotOffered
from chatws_loadtest.check.raw_client import ConnectErrorReceived, Missing
from chatws_loadtest.check.registry import ADVICE, CHECKS, Check, CheckOutcome, CheckResult

MODULES = (transports, identity, rooms, presence_checks, catchup)
"""Importing them fills the table."""

BROKEN = (
    CheckFailed,
    Missing,
    ConnectErrorReceived,
    aiohttp.ClientError,
    OSError,
    TimeoutError,
    msgspec.DecodeError,
    LookupError,
    TypeError,
)
"""Everything a server can do wrong with the checks' own code as it is."""


async def run_checks(
    site: CheckTarget, wanted: Iterable[Check], on_finding: Callable[[CheckResult], None]
) -> list[CheckResult]:
    """Run checks, and tell each result at once."""
    findings = []
    for check in wanted:
        finding = await _run(check, site)
        on_finding(finding)
        findings.append(finding)
    return findings


def all_checks() -> list[Check]:
    """Give every check, those of one concern together."""
    order = list(ADVICE)
    return sorted(CHECKS.values(), key=lambda check: order.index(check.name.partition(".")[0]))


async def _run(check: Check, site: CheckTarget) -> CheckResult:
    begin_s = time.monotonic()
    result, reason = CheckOutcome.PASS, ""
    try:
        async with CheckContext(site) as world:
            await check.body(world)
    except NotOffered as absence:
        result, reason = CheckOutcome.NOT_OFFERED, str(absence)
    except BROKEN as problem:
        result, reason = CheckOutcome.FAIL, str(problem) or type(problem).__name__
    return CheckResult(
        name=check.name,
        what=check.what,
        in_guide=check.in_guide,
        result=result,
        reason=reason,
        advice=ADVICE[check.name.partition(".")[0]] if result is CheckOutcome.FAIL else "",
        duration_s=round(time.monotonic() - begin_s, 3),
    )
