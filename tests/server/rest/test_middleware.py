"""Access control of the routes: local clients in development mode, allowed origins, and security headers."""

from __future__ import annotations

import json

from tests.server.conftest import StartChat
from tests.server.rest.support import code_of, fetch
from tests.support.chat import RunningChat

PATHS = ("/health", "/api/messages", "/no-such-path", "/socket.io/?EIO=4&transport=polling")
SHOP = "https://shop.example"


async def test_development_server_rejects_proxied_requests(chat: RunningChat) -> None:
    for header in ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "x-forwarded-anything", "X-Real-IP", "Via"):
        for path in PATHS:
            response, text = await fetch(chat, "GET", path, headers={header: "1.2.3.4"})
            assert (response.status, code_of(json.loads(text))) == (403, "forbidden"), (header, path)
            assert "--prod" in text


async def test_development_server_serves_only_local_host_names(chat: RunningChat) -> None:
    for host in ("chat.example", "localhost.evil.example", "127.0.0.1.evil.example", "[::2]:3000", "evil@localhost"):
        for path in PATHS:
            response, _ = await fetch(chat, "GET", path, headers={"Host": host})
            assert response.status == 403, (host, path)
    for host in ("localhost", "LOCALHOST:3000", "127.0.0.1:1", "[::1]:3000"):
        assert (await fetch(chat, "GET", "/health", headers={"Host": host}))[0].status == 200


async def test_production_server_serves_proxied_requests(start_chat: StartChat) -> None:
    chat = await start_chat(mode="prod")
    headers = {"Host": "chat.example", "X-Forwarded-For": "1.2.3.4"}
    assert (await fetch(chat, "GET", "/health", headers=headers))[0].status == 200


async def test_foreign_origins_are_rejected_on_every_route(start_chat: StartChat) -> None:
    chat = await start_chat(cors_origin=(SHOP,))
    foreign = (
        "https://evil.example",
        "null",
        "https://shop.example.evil.example",
        "http://shop.example",
        f"{SHOP}:8443",
    )
    for origin in foreign:
        for method, path in (("GET", "/health"), ("POST", "/api/sessions"), ("OPTIONS", "/api/messages")):
            response, _ = await fetch(chat, method, path, headers={"Origin": origin})
            assert response.status == 403, (origin, path)
            assert "Access-Control-Allow-Origin" not in response.headers


async def test_forwarded_host_does_not_allow_an_origin(start_chat: StartChat) -> None:
    chat = await start_chat(mode="prod")
    headers = {"Origin": "https://evil.example", "X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https"}
    assert (await fetch(chat, "GET", "/health", headers=headers))[0].status == 403


async def test_own_origin_is_allowed_without_a_setting(chat: RunningChat) -> None:
    response, _ = await fetch(chat, "GET", "/health", headers={"Origin": chat.url})
    assert response.status == 200
    assert "Access-Control-Allow-Origin" not in response.headers


async def test_listed_origin_is_echoed_without_credentials(start_chat: StartChat) -> None:
    chat = await start_chat(cors_origin=(SHOP,))
    for path in ("/health", "/api/messages", "/no-such-path"):
        response, _ = await fetch(chat, "GET", path, headers={"Origin": SHOP})
        assert response.headers["Access-Control-Allow-Origin"] == SHOP
        assert response.headers["Vary"] == "Origin"
        assert "Access-Control-Allow-Credentials" not in response.headers


async def test_preflight_of_a_listed_origin_returns_methods_and_headers(start_chat: StartChat) -> None:
    chat = await start_chat(cors_origin=(SHOP,))
    response, text = await fetch(chat, "OPTIONS", "/api/coze/chat", headers={"Origin": SHOP})
    cors = {name: value for name, value in response.headers.items() if name.startswith("Access-Control")}
    assert (response.status, text) == (204, "")
    assert cors == {
        "Access-Control-Allow-Origin": SHOP,
        "Access-Control-Allow-Methods": "GET, POST",
        "Access-Control-Allow-Headers": "Authorization, Content-Type, X-Session-Id",
        "Access-Control-Expose-Headers": "Retry-After",
        "Access-Control-Max-Age": "600",
    }


async def test_any_origin_in_development_is_a_wildcard_without_reflection(start_chat: StartChat) -> None:
    chat = await start_chat(cors_origin=("*",))
    response, _ = await fetch(chat, "GET", "/health", headers={"Origin": "https://evil.example"})
    assert (response.status, response.headers["Access-Control-Allow-Origin"]) == (200, "*")


async def test_every_response_has_the_security_headers(chat: RunningChat) -> None:
    for method, path in (("GET", "/health"), ("GET", "/api/messages"), ("PUT", "/health"), ("GET", "/admin/nothing")):
        response, _ = await fetch(chat, method, path)
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Cache-Control"] == "no-store"
        assert response.headers["Referrer-Policy"] == "no-referrer"
        assert response.headers["Server"] == "chatws", "the versions of the libraries stay private"
