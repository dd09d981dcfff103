"""POST /api/sessions, GET /api/sessions/current."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tests.server.conftest import StartChat
from tests.server.rest.support import bearer, code_of, new_session, session_header
from tests.support.chat import RunningChat


async def test_new_session_has_a_customer_and_a_conversation(start_chat: StartChat) -> None:
    chat = await start_chat(mode="prod")
    session, header = await new_session(chat, userName="  Ann ")
    assert session["userName"] == "Ann"
    assert len(session["sessionId"]) >= 22, "128 random bits or more"
    expires_in = datetime.fromisoformat(session["expiresAt"]) - datetime.now(UTC)
    assert timedelta(days=29, hours=23) < expires_in <= timedelta(days=30)
    customer = await chat.customer(session["sessionId"])
    ack = await customer.call("join_conversation", session["conversationId"])
    assert ack["conversation"]["customer"] == {"userId": session["userId"], "userName": "Ann", "role": "customer"}
    status, current = await chat.get("/api/sessions/current", headers=header)
    assert status == 200
    assert current | {"expiresAt": ""} == session | {"expiresAt": ""}


async def test_new_session_without_a_name_gets_a_distinct_name(chat: RunningChat) -> None:
    async with chat.http.post(chat.url + "/api/sessions") as response:
        first = await response.json()
    second, _ = await new_session(chat)
    assert first["userName"].startswith("Customer ")
    assert first["userName"] != second["userName"]
    assert first["sessionId"] != second["sessionId"]


async def test_misleading_or_invalid_name_is_rejected(chat: RunningChat) -> None:
    for name in ("", " ", "a\nb", "a\tb", "a\x1b[31m", "x" * 81, 7, None):
        status, body = await chat.post("/api/sessions", {"userName": name})
        assert (status, code_of(body)) == (400, "bad_request"), name


async def test_new_conversation_appears_in_the_inbox_with_its_first_message(chat: RunningChat) -> None:
    agent = await chat.agent()
    assert (await agent.call("subscribe_inbox"))["success"]
    session, header = await new_session(chat)
    await agent.settle()
    assert not agent.seen("conversation_updated")
    await chat.post(f"/api/conversations/{session['conversationId']}/messages", {"content": "hello"}, headers=header)
    update = await agent.expect("conversation_updated")
    assert update["conversation"]["conversationId"] == session["conversationId"]


async def test_new_sessions_are_limited_per_address(start_chat: StartChat) -> None:
    chat = await start_chat(connections_per_address=3, sessions_per_s=0.001)
    responses = [await chat.post("/api/sessions") for _ in range(4)]
    assert [status for status, _ in responses] == [200, 200, 200, 429]
    assert responses[3][1]["error"]["retryAfterMs"] > 0


async def test_current_session_is_for_customers(chat: RunningChat) -> None:
    assert (await chat.get("/api/sessions/current"))[0] == 401
    status, body = await chat.get("/api/sessions/current", headers=bearer(chat.token()))
    assert (status, code_of(body)) == (403, "forbidden")


async def test_production_rejects_unknown_session_ids(start_chat: StartChat) -> None:
    chat = await start_chat(mode="prod")
    status, body = await chat.get("/api/sessions/current", headers=session_header("test-session"))
    assert (status, code_of(body)) == (401, "unauthorized")


async def test_development_accepts_any_session_id(chat: RunningChat) -> None:
    status, body = await chat.get("/api/sessions/current", headers=session_header("test-session"))
    assert (status, body["conversationId"]) == (200, None)
