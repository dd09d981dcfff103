from __future__ import annotations

import pytest

from chatws_loadtest.verdict import Outcome
from tests.loadtest.command import FEW, TIMELESS_TARGETS, LoadtestCommand
from tests.support.guide_server import GuideOnlyServer

PASS, INVALID = 0, 98

OPTIONS = {
    "churn": ("--users=20", "--rate=2", "--duration=9"),
    "spike": ("--users=20", "--rate=1"),
    "fanout": ("--users=50", "--rate=2"),
    "soak": ("--users=20", "--rate=2"),
    "ramp": ("--users=2", "--rate=26"),
}


@pytest.mark.parametrize("scenario", OPTIONS)
async def test_scenario_ends_with_every_message_acked(loadtest: LoadtestCommand, scenario: str) -> None:
    loadtest.targets.write_text(f'{TIMELESS_TARGETS}message = "p95 < 2s"\n')
    server = GuideOnlyServer()
    await server.start()
    try:
        options = (*FEW, "--drain=100", *OPTIONS[scenario], f"--scenario={scenario}")
        result = await loadtest.run("--url", server.url, *loadtest.make_credentials(50), *options)
    finally:
        await server.stop()
    scenario_result = result.scenario
    # A busy machine makes the run invalid, but does not change the ledger.
    assert result.code in (PASS, INVALID), result.stdout + result.stderr
    assert scenario_result.balance.acked == scenario_result.balance.sent > 0
    assert scenario_result.failures == {}
    match scenario:
        case "churn":
            assert scenario_result.latencies["connect"].count > 20
        case "spike":
            assert [mark.what for mark in scenario_result.marks] == ["5 times the rate", "the usual rate"]
        case "fanout":
            assert scenario_result.balance.delivered == 49 * scenario_result.balance.sent
        case "soak":
            assert scenario_result.users == 20
        case "ramp":
            # The first step has 104 samples of the 200 that its threshold needs: it is invalid, and the next is tried.
            assert [(step.rate, step.outcome) for step in scenario_result.steps[:1]] == [(52, Outcome.INVALID)]
            assert scenario_result.steps[1].rate == 104
            assert any("messages/s" in finding or "no rate" in finding for finding in scenario_result.findings)
