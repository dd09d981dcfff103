"""Widget and dashboard in Chromium under the faults of ``chatws check-client``; 15 s, 10 s of CPU time."""

from __future__ import annotations

import asyncio
import secrets
import sys
from collections.abc import Sequence

import pytest
from playwright.async_api import Browser

from chatws_loadtest.check.registry import CheckOutcome, CheckResult
from chatws_loadtest.client_check.process_family import find_family
from chatws_loadtest.client_check.registry import SITUATIONS
from chatws_loadtest.client_check.runner import ClientRunOptions, all_situations, run_situations
from tests.support.preloaded import run_preloaded
from tests.support.server import environment_of_children
from tests.web.checked_pages import PAGES, CheckedPage

pytestmark = pytest.mark.asyncio(loop_scope="session")

SLACK = 3
"""Factor of the time limits: the machine may be busy."""

DEFAULT = {
    "widget": ("connection.half_open", "delivery.burst", "delivery.reordered", "typing.throttled", "login.ended"),
    "dashboard": ("ack.outage", "delivery.malformed", "delivery.other_epoch", "login.expired", "login.ended"),
}
"""Situations that run with every change, one after the other in one page; `make test-extended` runs all in both.

Both pages share the code for the connection, acks and the order of messages, so each of its faults is injected in one.
"""

WITHOUT_TOKEN = {"widget": {"login.expiring", "login.expired"}, "dashboard": set[str]()}
"""Situations that a page does not get into."""


async def check(browser: Browser, name: str, names: Sequence[str], jobs: int) -> list[CheckResult]:
    """Run situations, and check that no script of the page has failed."""
    opened: list[CheckedPage] = []

    def make() -> CheckedPage:
        opened.append(PAGES[name](browser))
        return opened[-1]

    chosen = [SITUATIONS[one] for one in names]
    results = await run_situations(chosen, make, lambda _: None, ClientRunOptions(jobs=jobs, slack=SLACK))
    assert [error for page in opened for error in page.errors] == []
    return results


def others(results: list[CheckResult], outcome: CheckOutcome) -> dict[str, str]:
    return {result.name: result.reason for result in results if result.result is not outcome}


async def test_pages_pass(browser: Browser) -> None:
    """Check both pages at once: they wait most of the time."""
    results = await asyncio.gather(*(check(browser, name, DEFAULT[name], jobs=1) for name in PAGES))
    for name, of_page in zip(PAGES, results, strict=True):
        assert others(of_page, CheckOutcome.PASS) == {}, name


@pytest.mark.extended
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", PAGES)
async def test_page_passes_everywhere(browser: Browser, name: str) -> None:
    results = await check(browser, name, [row.name for row in all_situations()], jobs=4)
    assert others(results, CheckOutcome.PASS).keys() == WITHOUT_TOKEN[name]


@pytest.mark.extended
@pytest.mark.usefixtures("browser")
@pytest.mark.parametrize("name", PAGES)
async def test_page_is_checked_as_a_command_and_leaves_no_process(name: str) -> None:
    run_id = secrets.token_hex(8)
    program = (sys.executable, "-m", "tests.web.checked_pages", name)
    words = ("check-client", "--jobs", "1", "--only", "delivery.reordered", "--", *program)
    environment = {**environment_of_children(), "CHECK_RUN": run_id}
    done = await asyncio.to_thread(run_preloaded, *words, env=environment, timeout_s=90.0)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert find_family(-1, "CHECK_RUN", run_id) == set()
