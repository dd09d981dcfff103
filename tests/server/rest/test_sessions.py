"""POST /api/sessions, GET /api/sessions/current."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jwt

from tests.server.conftest import StartChat
from tests.server.rest.support import bearer, code_of, new_session, session_header
from tests.support.chat import RunningChat

SITE_SECRET = "a secret that the site and the server share"


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


async def test_session_shows_whether_an_agent_is_online(chat: RunningChat) -> None:
    session, header = await new_session(chat)
    assert session["agentsOnline"] is False
    agent = await chat.agent()
    assert (await chat.get("/api/sessions/current", headers=header))[1]["agentsOnline"] is True
    await agent.call("set_presence", {"status": "away"})
    assert (await new_session(chat))[0]["agentsOnline"] is False


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


async def test_signed_identity_is_one_customer_in_every_session(start_chat: StartChat, tmp_path: Path) -> None:
    key_file = tmp_path / "identity.key"
    key_file.touch(0o600)
    key_file.write_text(SITE_SECRET)
    chat = await start_chat(mode="prod", identity_key_file=key_file)
    claims = {"sub": "user@example.org", "name": "Ada", "exp": time.time() + 600}
    sessions = [(await new_session(chat, identity=jwt.encode(claims, SITE_SECRET)))[0] for _ in range(2)]
    first, second = sessions
    assert first["userName"] == "Ada"
    assert first["sessionId"] != second["sessionId"]
    same = ("userId", "userName", "conversationId")
    assert [first[name] for name in same] == [second[name] for name in same]
    refused = {
        "forged": (jwt.encode(claims, "x" * 40), "unauthorized"),
        "unsigned": (jwt.encode(claims, None, algorithm="none"), "unauthorized"),
        "expired": (jwt.encode(claims | {"exp": time.time() - 1}, SITE_SECRET), "token_expired"),
        "endless": (jwt.encode({"sub": "1"}, SITE_SECRET), "unauthorized"),
        "misleading": (jwt.encode(claims | {"name": "a\nb"}, SITE_SECRET), "bad_request"),
    }
    for case, (token, code) in refused.items():
        _, body = await chat.post("/api/sessions", {"identity": token})
        assert code_of(body) == code, case

    with_mail = jwt.encode(claims | {"email": "ada@example.org"}, SITE_SECRET)
    session, header = await new_session(chat, identity=with_mail)
    assert session["email"] == "ada@example.org"
    status, body = await chat.post("/api/sessions/current/email", {"email": "mallory@example.org"}, headers=header)
    assert (status, code_of(body)) == (403, "forbidden"), "a customer must not replace the address that the site signed"
    same_user, _ = await new_session(chat, identity=jwt.encode(claims, SITE_SECRET))
    assert same_user["email"] == "ada@example.org"


async def test_mail_address_is_shown_to_agents_and_never_to_other_customers(chat: RunningChat) -> None:
    agent = await chat.agent()
    await agent.call("subscribe_inbox")
    other_session, other_header = await new_session(chat)
    other = await chat.customer(other_session["sessionId"])
    await other.call("join_conversation", other_session["conversationId"])
    session, header = await new_session(chat, userName="Ann", email=" ann@example.org ")
    assert session["email"] == "ann@example.org"
    path = f"/api/conversations/{session['conversationId']}"
    await chat.post(f"{path}/messages", {"content": "hello"}, headers=header)
    conversation = (await agent.expect("conversation_updated"))["conversation"]
    assert (conversation["customerEmail"], conversation["version"]) == ("ann@example.org", 1)
    joined = await agent.call("join_conversation", session["conversationId"])
    assert joined["conversation"]["customerEmail"] == "ann@example.org"
    status, changed = await chat.post("/api/sessions/current/email", {"email": "ann@example.com"}, headers=header)
    assert (status, changed["email"]) == (200, "ann@example.com")
    conversation = (await agent.expect("conversation_updated"))["conversation"]
    assert (conversation["customerEmail"], conversation["version"]) == ("ann@example.com", 1)
    _, shown = await chat.get(path, headers=bearer(chat.token()))
    assert shown["conversation"]["customerEmail"] == "ann@example.com"
    for refused in (path, f"{path}/messages"):
        assert (await chat.get(refused, headers=other_header))[0] == 403
    await other.settle()
    assert not other.seen("conversation_updated")


async def test_text_that_is_no_mail_address_is_refused(chat: RunningChat) -> None:
    _, header = await new_session(chat)
    for text in (
        "ann",
        "@example.org",
        "ann@",
        "a b@example.org",
        "a@b@c",
        "<a@example.org>",
        "a@x.org\x00",
        "a@" + "x" * 260,
    ):
        for url in ("/api/sessions", "/api/sessions/current/email"):
            status, body = await chat.post(url, {"email": text}, headers=header)
            assert (status, code_of(body)) == (400, "bad_request"), (url, text)
    status, body = await chat.post("/api/sessions/current/email", {"email": "a@example.org"})
    assert (status, code_of(body)) == (401, "unauthorized")


async def test_identity_is_refused_without_a_shared_secret(chat: RunningChat) -> None:
    token = jwt.encode({"sub": "1", "exp": time.time() + 600}, SITE_SECRET)
    status, body = await chat.post("/api/sessions", {"identity": token})
    assert (status, code_of(body)) == (401, "unauthorized")
