from __future__ import annotations

import logging

import pytest
from aiohttp import WSServerHandshakeError
from aiohttp.test_utils import make_mocked_request

from chatws.engine import EngineOptions
from chatws.engine.origin import TrustedProxies, block_of, peer_address
from chatws.logging import RateLimitedLogger
from tests.engine.support import serve

LISTED = EngineOptions(allowed_origins=frozenset({"https://shop.example"}))


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        (None, True),
        ("http://127.0.0.1:{port}", True),
        ("HTTP://127.0.0.1:{port}", True),
        ("https://shop.example", True),
        ("https://127.0.0.1:{port}", False),
        ("http://127.0.0.1", False),
        ("http://127.0.0.1:1", False),
        ("http://localhost:{port}", False),
        ("https://shop.example.evil", False),
        ("https://evil-shop.example", False),
        ("https://shop.example:444", False),
        ("http://shop.example", False),
        ("https://shop.example/", False),
        ("null", False),
        ("", False),
    ],
)
async def test_only_the_own_and_listed_origins_may_open_a_session(origin: str | None, allowed: bool) -> None:
    async with serve(LISTED) as server:
        headers = {} if origin is None else {"Origin": origin.format(port=server.port)}
        async with await server.get(headers=headers) as response:
            assert response.status == (200 if allowed else 403)
        async with await server.post("unknown", "3", headers=headers) as response:
            assert response.status == (400 if allowed else 403)
        url = f"{server.path}&transport=websocket"
        if allowed:
            await (await server.http.ws_connect(url, headers=headers)).close()
        else:
            with pytest.raises(WSServerHandshakeError, match="403"):
                await server.http.ws_connect(url, headers=headers)


async def test_forwarded_headers_of_untrusted_peers_are_ignored() -> None:
    async with serve() as server:
        headers = {"Origin": "https://evil.example", "X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https"}
        async with await server.get(headers=headers) as response:
            assert response.status == 403


async def test_forwarded_headers_of_a_trusted_proxy_set_the_own_origin() -> None:
    async with serve(EngineOptions(trusted_proxies=("127.0.0.0/8",))) as server:
        headers = {"Origin": "https://chat.example", "X-Forwarded-Host": "chat.example", "X-Forwarded-Proto": "https"}
        async with await server.get(headers=headers) as response:
            assert response.status == 200
        headers["Origin"] = "https://other.example"
        async with await server.get(headers=headers) as response:
            assert response.status == 403


async def test_listed_origin_may_read_without_credentials() -> None:
    async with serve(LISTED) as server:
        async with await server.get(headers={"Origin": "https://shop.example"}) as response:
            assert response.headers["Access-Control-Allow-Origin"] == "https://shop.example"
            assert response.headers["Vary"] == "Origin"
            assert "Access-Control-Allow-Credentials" not in response.headers
        async with await server.get(headers={"Origin": f"http://127.0.0.1:{server.port}"}) as response:
            assert "Access-Control-Allow-Origin" not in response.headers


async def test_preflight_returns_what_a_listed_origin_may_send() -> None:
    async with serve(LISTED) as server:
        async with server.http.options(f"{server.url}/socket.io/", headers={"Origin": "https://shop.example"}) as ok:
            assert ok.status == 204
            assert ok.headers["Access-Control-Allow-Methods"] == "GET, POST"
            assert ok.headers["Access-Control-Allow-Headers"] == "Content-Type"
            assert "Access-Control-Allow-Credentials" not in ok.headers
        async with server.http.options(f"{server.url}/socket.io/", headers={"Origin": "https://evil.example"}) as no:
            assert no.status == 403


async def test_star_allows_all_without_reflecting() -> None:
    async with (
        serve(EngineOptions(allowed_origins="*")) as server,
        await server.get(headers={"Origin": "https://any.example"}) as response,
    ):
        assert response.headers["Access-Control-Allow-Origin"] == "*"


async def test_refused_origin_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "chatws.engine")
    async with serve() as server:
        for _ in range(5):
            async with await server.get(headers={"Origin": "https://evil.example"}) as response:
                assert response.status == 403
        assert server.io.stats.refused_total["origin"] == 5
    assert [vars(record)["keys"]["origin"] for record in caplog.records] == ["https://evil.example"]


def test_lines_of_refused_origins_are_limited_per_second_and_in_total(
    caplog: pytest.LogCaptureFixture,
) -> None:
    now = 1000.0
    log = RateLimitedLogger(logging.getLogger("chatws.engine"), lambda: now)
    for number in range(50):
        log.write_once(logging.WARNING, "engine.origin_refused", origin=f"https://{number}.example")
    assert len(caplog.records) == 1
    for number in range(1000):
        now += 2.0
        log.write_once(logging.WARNING, "engine.origin_refused", origin=f"https://{number}.example")
    names = [vars(record)["keys"]["origin"] for record in caplog.records]
    assert len(names) == len(set(names)) == 256


@pytest.mark.parametrize(
    ("trusted", "forwarded", "address"),
    [
        ((), "1.2.3.4", "10.0.0.9"),
        (("10.0.0.1",), "1.2.3.4", "10.0.0.9"),
        (("10.0.0.0/8",), "1.2.3.4", "1.2.3.4"),
        (("10.0.0.0/8",), "6.6.6.6, 1.2.3.4", "1.2.3.4"),
        (("10.0.0.0/8",), "6.6.6.6, 1.2.3.4, 10.0.0.5", "1.2.3.4"),
        (("10.0.0.0/8",), "10.0.0.7, 10.0.0.5", "10.0.0.7"),
        (("10.0.0.0/8",), "garbage", "10.0.0.9"),
        (("10.0.0.0/8",), "1.2.3.4, garbage", "10.0.0.9"),
        (("10.0.0.0/8",), "", "10.0.0.9"),
        (("10.0.0.0/8",), "2001:db8::1", "2001:db8::1"),
    ],
)
def test_address_is_the_peers_unless_a_trusted_proxy_forwards_another(
    trusted: tuple[str, ...], forwarded: str, address: str
) -> None:
    class TransportStub:
        def get_extra_info(self, name: str, default: object = None) -> object:
            return ("10.0.0.9", 1234) if name == "peername" else default

    request = make_mocked_request("GET", "/", headers={"X-Forwarded-For": forwarded}, transport=TransportStub())
    assert peer_address(request, TrustedProxies.parse(trusted)) == address


def test_proxy_setting_that_is_no_network_is_refused() -> None:
    with pytest.raises(ValueError, match="proxy"):
        TrustedProxies.parse(["proxy.example"])


@pytest.mark.parametrize(
    ("address", "block"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff:ffff:ffff:ffff", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("a:b", "a:b"),
    ],
)
def test_addresses_of_one_ipv6_network_have_the_same_block(address: str, block: str) -> None:
    assert block_of(address) == block
