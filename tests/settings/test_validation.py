from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from chatws.settings import Settings
from chatws.settings.validation import LIMITS_DISABLED_BY_ZERO, errors, is_loopback, warnings

SAFE = Settings(
    mode="prod",
    host="0.0.0.0",  # noqa: S104  the value under test
    tls_cert=Path("c"),
    tls_key=Path("k"),
    metrics="local",
)

CLUSTER = Settings(workers=3, database_url="postgresql://chat@127.0.0.1/chat", redis_url="redis://127.0.0.1")


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.1.2.3", True),
        ("localhost", True),
        ("::1", True),
        ("[::1]", True),
        ("0.0.0.0", False),  # noqa: S104  the value under test
        ("::", False),
        ("example.org", False),
        ("localhost.example.org", False),
    ],
)
def test_only_loopback_hosts_are_loopback(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


def test_defaults_and_a_complete_production_setup_have_no_issues() -> None:
    assert not errors(Settings())
    assert not warnings(Settings())
    assert not errors(SAFE)
    assert not warnings(SAFE)
    assert not errors(CLUSTER)


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        (Settings(host="0.0.0.0"), "development mode"),  # noqa: S104  the value under test
        (msgspec.structs.replace(SAFE, cors_origin=("*",)), "cors_origin"),
        (msgspec.structs.replace(SAFE, tls_key=None), "TLS"),
        (Settings(tls_key=Path("k")), "TLS"),
        (Settings(jwt_algorithms=("HS256", "none")), "jwt_algorithms"),
        (msgspec.structs.replace(SAFE, trusted_proxies=("10.0.0.1", "0.0.0.0/0")), "every address"),
        (msgspec.structs.replace(SAFE, trusted_proxies=("::/0",)), "every address"),
        (Settings(trusted_proxies=("nginx",)), "trusted_proxies contains 'nginx'"),
        (Settings(internal_addresses=("10.0.0.1/8",)), "internal_addresses contains '10.0.0.1/8'"),
        (Settings(workers=2), "2 workers on SQLite"),
        (Settings(workers=2, redis_url="redis://127.0.0.1"), "2 workers on SQLite"),
        (Settings(workers=2, database_url="postgresql://chat@127.0.0.1/chat"), "2 workers without Redis"),
        (msgspec.structs.replace(CLUSTER, port=65_534), "3 workers from port 65534 on"),
    ],
)
def test_unsafe_combination_is_an_error(settings: Settings, word: str) -> None:
    assert [word in issue.what for issue in errors(settings)] == [True]


def test_any_origin_is_allowed_in_development() -> None:
    assert not errors(Settings(cors_origin=("*",)))


def test_production_without_tls_or_trusted_proxy_is_a_warning() -> None:
    plain = msgspec.structs.replace(SAFE, tls_cert=None, tls_key=None)
    assert ["without TLS" in issue.what for issue in warnings(plain)] == [True]
    assert not warnings(msgspec.structs.replace(plain, trusted_proxies=("10.0.0.1",)))
    assert not warnings(msgspec.structs.replace(plain, host="127.0.0.1"))


def test_webhook_without_tls_is_reported_unless_it_is_on_this_machine() -> None:
    remote = msgspec.structs.replace(SAFE, webhook_url="http://hooks.example.com/")
    assert ["contacted without TLS" in issue.what for issue in warnings(remote)] == [True]
    for url in ("https://hooks.example.com/", "http://127.0.0.1:8080/"):
        assert not warnings(msgspec.structs.replace(SAFE, webhook_url=url))


def test_production_without_limits_is_a_warning() -> None:
    assert ["limits" in issue.what for issue in warnings(msgspec.structs.replace(SAFE, limits="off"))] == [True]


def test_limit_of_zero_is_a_warning_in_production_only() -> None:
    found = warnings(msgspec.structs.replace(SAFE, connections_per_address=0, http_request_ms=0))
    assert [issue.what for issue in found] == ["connections_per_address is 0", "http_request_ms is 0"]
    assert not warnings(Settings(connections_per_address=0, http_request_ms=0))


@pytest.mark.parametrize("name", LIMITS_DISABLED_BY_ZERO)
def test_zero_is_an_allowed_value_of_each_limit_that_it_disables(name: str) -> None:
    assert getattr(msgspec.convert({name: 0}, Settings), name) == 0


def test_metrics_that_all_clients_can_read_are_a_warning() -> None:
    assert ["/metrics" in issue.what for issue in warnings(msgspec.structs.replace(SAFE, metrics="on"))] == [True]
    assert not warnings(Settings(mode="prod", metrics="on"))


def test_remote_bot_without_tls_is_a_warning() -> None:
    remote = msgspec.structs.replace(SAFE, bot="webhook", bot_url="http://bot.example/answers")
    assert ["without TLS" in issue.what for issue in warnings(remote)] == [True]
    assert not warnings(msgspec.structs.replace(remote, bot_url="https://bot.example/answers"))
    assert not warnings(msgspec.structs.replace(remote, bot_url="http://127.0.0.1:9000/"))


def test_shared_database_without_redis_is_a_warning_about_presence() -> None:
    alone = Settings(database_url="postgresql://chat@127.0.0.1/chat")
    assert ["show its users as offline" in issue.why for issue in warnings(alone)] == [True]
    assert not warnings(msgspec.structs.replace(alone, redis_url="redis://127.0.0.1"))
