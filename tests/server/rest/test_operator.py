"""GET /api/admin/connections and POST /api/admin/kick."""

from __future__ import annotations

from typing import Any

import jwt
import pytest

from tests.server.conftest import StartCluster
from tests.server.rest.support import bearer, code_of, new_session
from tests.support.chat import RunningChat


def operator(chat: RunningChat, **claims: Any) -> dict[str, str]:
    return bearer(chat.token("ops", is_operator=True, **claims))


def sign(chat: RunningChat, scope: Any) -> str:
    """Sign a token of an agent with any value as its scope."""
    now = chat.clock.now_ms() // 1000
    secret = (chat.settings.data_dir / "secret").read_bytes().strip()
    claims = {"sub": "alice", "role": "admin", "iat": now, "exp": now + 600, "scope": scope}
    return jwt.encode(claims, secret, algorithm="HS256")


async def test_operator_lists_the_connections_by_user_and_conversation(chat: RunningChat) -> None:
    session, _ = await new_session(chat)
    customer = await chat.customer(session["sessionId"])
    await customer.call("join_conversation", session["conversationId"])
    await chat.agent()
    status, body = await chat.get("/api/admin/connections", headers=operator(chat))
    assert (status, body["total"], len(body["connections"])) == (200, 2, 2)
    for query in (f"userId={session['userId']}", f"conversationId={session['conversationId']}"):
        _, body = await chat.get(f"/api/admin/connections?{query}", headers=operator(chat))
        (found,) = body["connections"]
        assert (found["userId"], found["role"], found["address"]) == (session["userId"], "customer", "127.0.0.1")
        assert (found["conversations"], found["hasInbox"]) == ([session["conversationId"]], False)
        assert session["sessionId"] not in str(body)
    _, limited = await chat.get("/api/admin/connections?limit=1", headers=operator(chat))
    assert (limited["total"], len(limited["connections"])) == (2, 1)


async def test_agents_and_customers_are_refused(chat: RunningChat) -> None:
    _, customer = await new_session(chat)
    victim = await chat.agent("victim")
    scopes: list[Any] = [None, "", "operators", "read write", 7, ["operator"]]
    for headers in (customer, bearer(chat.token("alice")), *(bearer(sign(chat, scope)) for scope in scopes)):
        assert code_of((await chat.get("/api/admin/connections", headers=headers))[1]) == "forbidden"
        status, body = await chat.post("/api/admin/kick", {"userId": "victim"}, headers=headers)
        assert (status, code_of(body)) == (403, "forbidden")
    await victim.settle()


async def test_renewed_token_of_an_operator_is_an_agents_token(chat: RunningChat) -> None:
    status, body = await chat.post("/api/auth/refresh", headers=operator(chat))
    assert status == 200
    assert code_of((await chat.get("/api/admin/connections", headers=bearer(body["token"])))[1]) == "forbidden"


async def test_kick_closes_every_connection_of_the_user_and_is_logged(
    chat: RunningChat, caplog: pytest.LogCaptureFixture
) -> None:
    first, second, other = await chat.agent("alice"), await chat.agent("alice"), await chat.agent("bob")
    status, body = await chat.post("/api/admin/kick", {"userId": "alice"}, headers=operator(chat))
    assert (status, body["connections"]) == (200, 2)
    for peer in (first, second):
        assert (await peer.expect("error"))["code"] == "forbidden"
        await peer.wait_closed()
    await other.settle()
    (record,) = [record for record in caplog.records if record.getMessage() == "operator_kicked"]
    assert record.__dict__["keys"] == {
        "operator": "ops", "address": "127.0.0.1", "userId": "alice", "connections": 2,
    }  # fmt: skip
    await chat.agent("alice")  # a kick does not lock a user out


async def test_kick_closes_one_connection(chat: RunningChat) -> None:
    first, second = await chat.agent("alice"), await chat.agent("alice")
    _, body = await chat.get("/api/admin/connections", headers=operator(chat))
    oldest = body["connections"][0]["socketId"]
    status, body = await chat.post("/api/admin/kick", {"socketId": oldest}, headers=operator(chat))
    assert (status, body["connections"]) == (200, 1)
    await first.wait_closed()
    await second.settle()
    status, body = await chat.post("/api/admin/kick", {"socketId": oldest}, headers=operator(chat))
    assert (status, code_of(body)) == (404, "not_found")


async def test_kick_needs_exactly_one_target(chat: RunningChat) -> None:
    targets: list[dict[str, str]] = [{}, {"userId": "alice", "socketId": "x"}, {"userId": "a b"}]
    for target in targets:
        status, body = await chat.post("/api/admin/kick", target, headers=operator(chat))
        assert (status, code_of(body)) == (400, "bad_request"), target


async def test_kick_reaches_the_other_servers(start_cluster: StartCluster) -> None:
    cluster = await start_cluster()
    first, second = cluster.servers
    peer = await second.agent("alice")
    _, body = await first.post("/api/admin/kick", {"userId": "alice"}, headers=operator(first))
    assert body["connections"] == 0
    assert (await peer.expect("error"))["code"] == "forbidden"
    await peer.wait_closed()
