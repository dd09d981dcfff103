from __future__ import annotations

import pytest

from tests.loadtest.command import SMALL, Loadtest
from tests.support.guide_server import GuideOnlyServer

PASS = 0
LENIENT = """
[targets]
message = "p95 < 2s"
lost = "== 0"
duplicated = "== 0"
reordered = "== 0"
deaf = "== 0"
unanswered = "== 0"
"""


@pytest.mark.parametrize("scenario", ["churn", "spike", "fanout", "soak", "ramp"])
async def test_scenario_runs_to_a_clean_account(loadtest: Loadtest, scenario: str) -> None:
    loadtest.targets.write_text(LENIENT)
    users = "--users=100" if scenario == "fanout" else "--users=20"
    server = GuideOnlyServer()
    await server.start()
    try:
        options = (*SMALL, users, "--duration=3", f"--scenario={scenario}")
        outcome = await loadtest.run("--url", server.url, *loadtest.people(50), *options)
    finally:
        await server.stop()
    result = outcome.scenario
    assert outcome.code == PASS, outcome.stdout + outcome.stderr
    assert result.balance.acked == result.balance.sent > 0
    assert result.failures == {}
    match scenario:
        case "churn":
            assert result.latencies["connect"].count > 20
        case "spike":
            assert [mark.what for mark in result.marks] == ["5 times the rate", "the usual rate"]
        case "fanout":
            assert result.balance.delivered == 49 * result.balance.sent
        case "ramp":
            assert [step.rate for step in result.steps[:2]] == [100, 200]
            assert any("messages/s" in finding for finding in result.findings)
