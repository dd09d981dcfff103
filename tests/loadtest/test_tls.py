from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tests.loadtest.command import check_correct, run_command
from tests.loadtest.test_locustfile import locust
from tests.support.certificate import make_certificate

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import StartServer

PASS, CANNOT_CONNECT = 0, 3
CONNECTING_CHECKS = ("health.answers", "transport.websocket", "transport.polling", "transport.upgrade")


async def test_checks_and_locust_trust_the_given_certificate(tmp_path: Path, start_server: StartServer) -> None:
    certificate = make_certificate(tmp_path, "DNS:localhost")
    server = start_server("--tls-cert", str(certificate.cert), "--tls-key", str(certificate.key))
    url = f"https://localhost:{server.port}"
    options = ("--jwt-secret-file", str(server.data_dir / "secret"), "--ca-file", str(certificate.cert))
    only = [f"--only={name}" for name in CONNECTING_CHECKS]
    (code, results), ledger, untrusting = await asyncio.gather(
        check_correct(url, *options, *only),
        locust(0, "--headless", "--host", url, *options, "-u", "2", "-r", "2", "--message-rate", "4"),
        run_command("check", url, *options[:2]),
    )
    assert (code, results) == (PASS, dict.fromkeys(CONNECTING_CHECKS, "pass"))
    assert ledger["sent"] == ledger["acked"] == ledger["delivered"] > 0
    assert untrusting.returncode == CANNOT_CONNECT
    assert "name it with --ca-file" in untrusting.stderr
