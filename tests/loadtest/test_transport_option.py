"""Option ``--transport`` of the load test, against python-socketio; about 25 s."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from chatws.client.gevent.transport_choice import SINGLE, TransportChoice
from chatws_loadtest.ledger import Ledger
from chatws_loadtest.report.html import write_html
from chatws_loadtest.text_summary import describe
from tests.client.gevent.http_relay import HttpRelay
from tests.loadtest.command import FEW, TIMELESS_TARGETS
from tests.support.guide_server import GuideOnlyServer

if TYPE_CHECKING:
    from tests.loadtest.command import LoadtestCommand

PASS, USAGE, INVALID = 0, 2, 98
LATENCIES = {"connect", "message", "ack"}


@pytest.mark.parametrize(
    "transport",
    [
        pytest.param(TransportChoice.POLLING, marks=pytest.mark.extended),
        pytest.param(TransportChoice.UPGRADE, marks=pytest.mark.extended),
        TransportChoice.MIX,
    ],
)
async def test_latencies_are_reported_by_transport(loadtest: LoadtestCommand, transport: TransportChoice) -> None:
    loadtest.targets.write_text(TIMELESS_TARGETS)
    server = GuideOnlyServer()
    await server.start()
    options = (*FEW, "--scenario=steady", f"--transport={transport}")
    try:
        result = await loadtest.run("--url", server.url, *loadtest.make_credentials(20), *options)
    finally:
        await server.stop()
    assert result.code in {PASS, INVALID}, result.stdout + result.stderr
    scenario = result.scenario
    assert scenario.balance.acked == scenario.balance.sent > 0
    assert scenario.failures == {}
    assert list(scenario.by_transport) == (list(SINGLE) if transport is TransportChoice.MIX else [transport])
    for name, latencies in scenario.by_transport.items():
        assert set(latencies) == LATENCIES | ({"upgrade"} if name == TransportChoice.UPGRADE else set())
    for metric in LATENCIES | {"upgrade"}:
        counts = [latencies[metric].count for latencies in scenario.by_transport.values() if metric in latencies]
        assert sum(counts) == scenario.latencies[metric].count
    assert result.report is not None
    for page in (describe(result.report), write_html(result.report)):
        assert ("upgrade connect" in page) is (transport is TransportChoice.MIX)


@pytest.mark.extended
async def test_failed_upgrades_are_failures_and_their_reason_is_noted(loadtest: LoadtestCommand) -> None:
    loadtest.targets.write_text(TIMELESS_TARGETS + 'errors = "< 0.1%"\n')
    server = GuideOnlyServer()
    await server.start()
    relay = HttpRelay(server.url)
    relay.refuses_websockets = True
    await relay.start()
    options = (*FEW, "--scenario=steady", "--transport=upgrade")
    try:
        result = await loadtest.run("--url", relay.url, *loadtest.make_credentials(20), *options)
    finally:
        await relay.stop()
        await server.stop()
    assert result.scenario.failures == {"upgrade": 20}
    assert "errors" in result.missed
    assert any("HTTP/1.1 400 Bad Request" in finding for finding in result.scenario.findings)
    assert result.scenario.balance.acked == result.scenario.balance.sent > 0


@pytest.mark.parametrize("transport", [TransportChoice.WEBSOCKET, TransportChoice.POLLING])
async def test_threshold_for_upgrades_needs_users_that_upgrade(
    loadtest: LoadtestCommand, transport: TransportChoice
) -> None:
    result = await loadtest.run(f"--transport={transport}", "--target=upgrade.p95<1s")
    assert result.code == USAGE
    assert "none of steady, reconnect measures that" in result.stderr


def test_ledger_of_a_mix_attributes_acks_to_senders_and_messages_to_receivers() -> None:
    ledger = Ledger()
    ledger.open_room(0, 2)
    ledger.transports = {(0, 0): "websocket", (0, 1): "polling"}
    number = ledger.send(0, 0, 0.0, 0.0)
    ledger.receive(0, 0, sender=0, number=number, seq=1, now_s=0.1)
    ledger.ack(number, 1, 0.2)
    ledger.receive(0, 1, sender=0, number=number, seq=1, now_s=0.3)
    samples = ledger.samples.take()
    assert samples["ack@websocket"] == samples["ack"] == [200_000]
    assert samples["message@polling"] == samples["message"] == [300_000]
    assert "message@websocket" not in samples
