from __future__ import annotations

import pytest

from tests.cli.conftest import RunCommand


def test_default_upstreams_are_the_servers_of_the_settings(chatws: RunCommand) -> None:
    done = chatws("proxy-config", "nginx", env={"CHATWS_WORKERS": "3", "CHATWS_PORT": "4000"})
    assert (done.returncode, done.stderr) == (0, "")
    for port in (4000, 4001, 4002):
        assert done.stdout.count(f"server 127.0.0.1:{port} ") == 2
    assert "listen 80;" in done.stdout


def test_timeouts_and_bodies_follow_the_settings(chatws: RunCommand) -> None:
    slow = {"CHATWS_PING_INTERVAL_MS": "60000", "CHATWS_PING_TIMEOUT_MS": "30000", "CHATWS_MAX_FRAME_BYTES": "100000"}
    done = chatws("proxy-config", "nginx", env=slow)
    assert "proxy_read_timeout 181s;" in done.stdout
    assert "client_max_body_size 200000;" in done.stdout


def test_certificate_sets_port_443_and_a_redirect(chatws: RunCommand) -> None:
    done = chatws(
        "proxy-config", "nginx", "--server-name", "chat.example", "--tls-cert", "/c.pem", "--tls-key", "/k.pem"
    )
    assert "listen 443 ssl;" in done.stdout
    assert 'ssl_certificate_key "/k.pem";' in done.stdout
    assert "return 308 https://$host$request_uri;" in done.stdout


def test_upstreams_with_tls_are_proxied_over_tls(chatws: RunCommand) -> None:
    done = chatws(
        "proxy-config", "nginx", "--upstream", "https://10.0.0.5:3000", "--upstream", "https://[fd00::6]:3000/"
    )
    assert "proxy_pass https://chatws_any;" in done.stdout
    assert done.stdout.count("server [fd00::6]:3000 ") == 2


@pytest.mark.parametrize(
    "options",
    [
        ["--upstream", "10.0.0.5"],
        ["--upstream", "a:1; include /etc/passwd"],
        ["--upstream", "https://a:1", "--upstream", "b:1"],
        ["--server-name", "a;b"],
        ["--listen", "all"],
        ["--tls-cert", "c.pem"],
        ["--tls-cert", 'c".pem', "--tls-key", "k.pem"],
    ],
)
def test_values_that_nginx_would_misread_are_refused(chatws: RunCommand, options: list[str]) -> None:
    done = chatws("proxy-config", "nginx", *options)
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
