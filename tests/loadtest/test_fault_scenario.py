from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from chatws_loadtest import testing
from tests.support.certificate import make_certificate
from tests.support.ports import free_port

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import StartServer
    from tests.loadtest.command import LoadtestCommand

PASS, CANNOT_CONNECT = 0, 3
TARGETS = '[targets]\nlost = "== 0"\nduplicated = "== 0"\nreordered = "== 0"\ngaps = "== 0"\nunstored = "== 0"\n'


@pytest.mark.timeout(300)  # up to three runs
async def test_no_message_is_lost_duplicated_or_reordered_under_faults(loadtest: LoadtestCommand) -> None:
    loadtest.targets.write_text(TARGETS)
    load = ("--users=10", "--rate=2", "--duration=4", "--warmup=0", "--quiet")
    run = await loadtest.run_until_valid("--scenario=faults", *load)
    result = run.scenario
    assert run.missed == [], result.balance
    assert run.code == PASS, run.stdout + run.stderr
    assert len(result.marks) == 7
    assert result.failures["token_expired"] > 0
    assert result.failures["connection ended"] > 10
    assert result.balance.acked == result.balance.delivered == result.balance.sent


async def test_faults_are_injected_into_verified_tls_connections(
    loadtest: LoadtestCommand, start_server: StartServer, tmp_path: Path
) -> None:
    certificate = make_certificate(tmp_path, "DNS:localhost")
    server = start_server("--tls-cert", str(certificate.cert), "--tls-key", str(certificate.key))
    tokens = tmp_path / "tokens"
    tokens.write_text("".join(f"{server.sign_token(name)}\n" for name in ("agent-1", "agent-2")))
    loadtest.targets.write_text(TARGETS)
    server_options = ("--url", f"https://localhost:{server.port}", "--tokens", str(tokens), "--scenario=faults")
    load = ("--users=6", "--rate=3", "--duration=1.2", "--warmup=0", "--connects=100", "--quiet")
    result, untrusting = await asyncio.gather(
        loadtest.run(*server_options, *load, "--ca-file", str(certificate.cert)),
        loadtest.run(*server_options, *load),
    )
    assert result.missed == [], result.stdout + result.stderr
    balance = result.scenario.balance
    assert balance.acked == balance.delivered == balance.sent > 0
    assert result.scenario.failures["connection ended"] >= 6
    assert untrusting.code == CANNOT_CONNECT
    assert "name it with --ca-file" in untrusting.stderr


def test_load_test_without_a_report_raises() -> None:
    with pytest.raises(testing.LoadtestFailed, match="Connection refused"):
        testing.loadtest("--url", f"http://127.0.0.1:{free_port()}", timeout_s=60)
