"""POST /api/auth/login, /api/auth/refresh, /api/auth/logout."""

from __future__ import annotations

import asyncio
import time
from datetime import datetime
from typing import Any

import pytest

from tests.server.conftest import StartChat
from tests.server.rest.support import EMAIL, PASSWORD, add_agent, bearer, code_of, new_session
from tests.support.chat import RunningChat
from tests.support.peer import Closed, Peer, PeerRefused

pytestmark = pytest.mark.usefixtures("cheap_hashes")


async def log_in(
    chat: RunningChat, email: str = EMAIL, password: str = PASSWORD, headers: dict[str, str] | None = None
) -> tuple[int, Any]:
    return await chat.post("/api/auth/login", {"email": email, "password": password}, headers=headers)


def seconds_left(body: Any) -> float:
    return datetime.fromisoformat(body["expiresAt"]).timestamp() - time.time()


async def test_login_returns_a_token_that_connects(chat: RunningChat) -> None:
    await add_agent(chat)
    status, body = await log_in(chat, email=" Agnes@EXAMPLE.org")
    assert status == 200
    assert body["user"] == {"userId": "agnes", "userName": "Agnes", "role": "admin"}
    assert 3590 < seconds_left(body) <= 3600
    peer = await chat.connect({"token": body["token"]})
    authenticated = await peer.expect("authenticated", userId="agnes")
    assert authenticated["expiresAt"] == body["expiresAt"]


async def test_all_failed_logins_get_the_same_error(chat: RunningChat) -> None:
    await add_agent(chat)
    await add_agent(chat, "ben", "ben@example.org")
    async with chat.other_store() as store:
        await store.set_disabled("ben", True)
    answers = [
        await log_in(chat, password="guess"),
        await log_in(chat, email="unknown@example.org"),
        await log_in(chat, email="ben@example.org"),
    ]
    assert answers[0] == answers[1] == answers[2]
    status, body = answers[0]
    assert (status, code_of(body)) == (401, "unauthorized")


async def test_parallel_guesses_are_limited_per_address_with_retry_after(start_chat: StartChat) -> None:
    chat = await start_chat(login_failures_per_minute=3)
    await add_agent(chat)
    body = {"email": EMAIL, "password": "guess"}

    async def guess() -> tuple[int, str | None]:
        async with chat.http.post(chat.url + "/api/auth/login", json=body) as response:
            return response.status, response.headers.get("Retry-After")

    answers = await asyncio.gather(*(guess() for _ in range(5)))
    assert sorted(status for status, _ in answers) == [401] * 3 + [429] * 2
    assert all(wait is not None and 1 <= int(wait) <= 20 for status, wait in answers if status == 429)
    status, right = await log_in(chat)
    assert (status, code_of(right)) == (429, "rate_limited")
    chat.clock.advance(20)
    assert (await log_in(chat))[0] == 200


async def test_guesses_of_one_account_are_delayed_whatever_the_address(start_chat: StartChat) -> None:
    """The owner logs in from a known address meanwhile."""
    chat = await start_chat(trusted_proxies=("127.0.0.1",), mode="prod")
    await add_agent(chat)
    owner, other = {"X-Forwarded-For": "192.0.2.1"}, {"X-Forwarded-For": "192.0.2.2"}
    assert (await log_in(chat, headers=owner))[0] == 200
    guesses = [await log_in(chat, password="guess", headers={"X-Forwarded-For": f"198.51.100.{n}"}) for n in range(7)]
    assert [status for status, _ in guesses] == [401] * 5 + [429] * 2
    assert (await log_in(chat, headers=other))[0] == 429
    assert (await log_in(chat, headers=owner))[0] == 200
    assert (await log_in(chat, headers=other))[0] == 200


async def test_successful_logins_do_not_count_as_failures(start_chat: StartChat) -> None:
    chat = await start_chat(login_failures_per_minute=2)
    await add_agent(chat)
    assert [(await log_in(chat))[0] for _ in range(3)] == [200] * 3


async def test_guessed_sessions_and_tokens_count_as_failures_of_the_address(start_chat: StartChat) -> None:
    chat = await start_chat(mode="prod", credential_failures_per_minute=3)
    answers = [await chat.get("/api/messages", headers={"X-Session-Id": f"guess-{n}"}) for n in range(2)]
    answers += [await chat.get("/api/messages", headers=bearer("guess")) for _ in range(2)]
    assert [status for status, _ in answers] == [401, 401, 401, 429]


async def test_refresh_renews_a_valid_token_and_keeps_the_login_time(chat: RunningChat) -> None:
    login_at_s = time.time() - 604_800 + 60
    token = chat.token("agnes", login_at_s=login_at_s)
    status, body = await chat.post("/api/auth/refresh", headers=bearer(token))
    assert status == 200
    assert body["user"]["userId"] == "agnes"
    assert 50 < seconds_left(body) <= 60, "a renewed token expires with the login, after seven days"
    assert (await chat.get("/api/conversations", headers=bearer(body["token"])))[0] == 200


async def test_refresh_ends_seven_days_after_the_login(chat: RunningChat) -> None:
    token = chat.token("agnes")
    for _ in range(604_800 // 3_500):
        chat.clock.advance(3_500)
        status, body = await chat.post("/api/auth/refresh", headers=bearer(token))
        assert status == 200
        token = body["token"]
    chat.clock.advance(3_500)
    status, body = await chat.post("/api/auth/refresh", headers=bearer(token))
    assert (status, code_of(body)) == (401, "token_expired"), "the token expired with the login"
    token = chat.token("agnes", login_at_s=chat.clock.now_ms() / 1000 - 604_800)
    status, body = await chat.post("/api/auth/refresh", headers=bearer(token))
    assert (status, code_of(body)) == (401, "unauthorized")


async def test_refresh_of_an_expired_token_is_rejected(chat: RunningChat) -> None:
    token = chat.token("agnes", now_s=time.time() - 120, ttl_s=60)
    status, body = await chat.post("/api/auth/refresh", headers=bearer(token))
    assert (status, code_of(body)) == (401, "token_expired")


async def test_customers_cannot_refresh_or_log_out(chat: RunningChat) -> None:
    _, header = await new_session(chat)
    for path in ("/api/auth/refresh", "/api/auth/logout"):
        status, body = await chat.post(path, headers=header)
        assert (status, code_of(body)) == (403, "forbidden")


async def test_logout_closes_all_connections_and_revokes_all_tokens(chat: RunningChat) -> None:
    first, second = chat.token("agnes"), chat.token("agnes")
    sockets = [await chat.connect({"token": token}) for token in (first, second)]
    other = await chat.agent("ben")
    status, _ = await chat.post("/api/auth/logout", headers=bearer(first))
    assert status == 200
    for socket in sockets:
        await socket.wait_closed()
        assert ("error", "unauthorized") in [(name, payload.get("code")) for name, payload in socket.events]
        assert socket.disconnected
    for token in (first, second):
        assert (await chat.get("/api/conversations", headers=bearer(token)))[0] == 401
        with pytest.raises((PeerRefused, Closed)):
            await Peer.connect(chat.url, {"token": token})
    await other.settle()


async def test_login_right_after_a_logout_succeeds(chat: RunningChat) -> None:
    await add_agent(chat)
    _, body = await log_in(chat)
    await chat.post("/api/auth/logout", headers=bearer(body["token"]))
    status, again = await log_in(chat)
    assert status == 200
    assert (await chat.get("/api/conversations", headers=bearer(again["token"])))[0] == 200
