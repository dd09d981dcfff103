"""Checks common to all REST operations: credentials, bodies, methods, and confidentiality of errors and logs."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
from typing import Any

import pytest
from aiohttp import hdrs

from chatws.protocol.rest_spec import OPERATIONS
from tests.server.conftest import StartChat
from tests.server.rest.support import bearer, code_of, fetch, new_session, session_header
from tests.support.chat import RunningChat, until

JSON = {"Content-Type": "application/json"}


async def test_operations_with_roles_reject_anonymous_requests(chat: RunningChat) -> None:
    for operation in OPERATIONS:
        if not operation.command.roles:
            continue
        path = (
            operation.path.replace("{conversationId}", "c").replace("{userId}", "u").replace("search", "search?text=x")
        )
        body = (
            {"content": "x", "message": "x", "event": "x", "customerId": "x", "email": "a@x"}
            if operation.method == "POST"
            else None
        )
        options: dict[str, Any] = {} if body is None else {"json": body}
        response, text = await fetch(chat, operation.method, path, **options)
        assert (response.status, code_of(json.loads(text))) == (401, "unauthorized"), operation
        assert response.headers["WWW-Authenticate"] == "Bearer"


async def test_credentials_in_the_url_are_ignored(chat: RunningChat) -> None:
    session, _ = await new_session(chat)
    for query in (f"token={chat.token()}", f"sessionId={session['sessionId']}", f"X-Session-Id={session['sessionId']}"):
        assert (await chat.get(f"/api/messages?{query}"))[0] == 401


async def test_repeated_or_malformed_credentials_are_a_bad_request(chat: RunningChat) -> None:
    session, header = await new_session(chat)
    token = chat.token()
    for headers in (
        bearer(token) | header,
        [("Authorization", f"Bearer {token}")] * 2,
        [("X-Session-Id", session["sessionId"])] * 2,
        {"Authorization": token},
        {"Authorization": "Bearer"},
        {"Authorization": "Basic YTpi"},
    ):
        status, body = await chat.get("/api/messages", headers=headers)
        assert (status, code_of(body)) == (400, "bad_request"), headers


async def test_expired_session_and_token_have_their_own_error_codes(chat: RunningChat) -> None:
    _, header = await new_session(chat)
    token = chat.token(ttl_s=60)
    chat.clock.advance(chat.settings.session_ttl_s)
    status, body = await chat.get("/api/messages", headers=header)
    assert (status, code_of(body)) == (401, "session_expired")
    status, body = await chat.get("/api/messages", headers=bearer(token))
    assert (status, code_of(body)) == (401, "token_expired")


async def test_invalid_body_is_a_bad_request(chat: RunningChat) -> None:
    session, header = await new_session(chat)
    path = f"/api/conversations/{session['conversationId']}/messages"
    invalid = [
        b"{",
        b"[]",
        b"null",
        b'"x"',
        b"{}",
        b'{"content": null}',
        b'{"content": "\xff"}',
        b'{"content": "\\ud800"}',
        b"[" * 60_000,
        b'{"content":' * 5_000,
        b'{"content": "x", "clientMessageId": ""}',
    ]
    for body in invalid:
        for target in (path, "/api/coze/chat"):
            response, text = await fetch(chat, "POST", target, data=body, headers=header | JSON)
            assert (response.status, code_of(json.loads(text))) == (400, "bad_request"), body[:40]
    assert (await chat.get("/api/messages", headers=header))[1]["headSeq"] == 0


async def test_text_with_nul_which_postgresql_does_not_take_is_a_bad_request(chat: RunningChat) -> None:
    answers = [
        await chat.post("/api/auth/login", {"email": "a\x00@b.c", "password": "x"}),
        await chat.get("/api/search?text=a%00", headers=bearer(chat.token())),
        await chat.get("/api/conversations?cursor=MS4A", headers=bearer(chat.token())),
    ]
    assert [(status, code_of(body)) for status, body in answers] == [(400, "bad_request")] * 3


async def test_body_over_64_kib_is_too_large_also_in_chunks(chat: RunningChat) -> None:
    _, header = await new_session(chat)
    body = json.dumps({"message": "x", "padding": "x" * 65_536}).encode()

    async def in_chunks() -> Any:
        for start in range(0, len(body), 8_192):
            yield body[start : start + 8_192]

    for payload in (body, in_chunks()):
        response, text = await fetch(chat, "POST", "/api/coze/chat", data=payload, headers=header | JSON)
        assert (response.status, code_of(json.loads(text))) == (413, "too_large")


async def test_compressed_or_mistyped_body_is_an_unsupported_media_type(chat: RunningChat) -> None:
    _, header = await new_session(chat)
    body = json.dumps({"message": "x"}).encode()
    for data, headers in (
        (gzip.compress(body), JSON | {"Content-Encoding": "gzip"}),
        (body, {"Content-Type": "text/plain"}),
        (b"message=x", {"Content-Type": "application/x-www-form-urlencoded"}),
    ):
        response, text = await fetch(chat, "POST", "/api/coze/chat", data=data, headers=header | headers)
        assert (response.status, code_of(json.loads(text))) == (415, "bad_request")


async def test_unknown_path_and_wrong_method_have_the_common_error_form(chat: RunningChat) -> None:
    status, body = await chat.get("/api/no-such-thing")
    assert (status, code_of(body)) == (404, "not_found")
    response, text = await fetch(chat, "PUT", "/api/sessions")
    assert (response.status, code_of(json.loads(text))) == (405, "bad_request")
    assert response.headers["Allow"] == "POST"


async def test_ids_in_the_path_are_validated(chat: RunningChat) -> None:
    header = bearer(chat.token())
    for path in ("/api/conversations/a%2Fb", "/api/conversations/%ED%A0%80", "/api/conversations/" + "x" * 65):
        response, text = await fetch(chat, "GET", path, headers=header)
        assert (response.status, code_of(json.loads(text))) == (400, "bad_request"), path
        response, text = await fetch(chat, "POST", path + "/messages", json={"content": "x"}, headers=header)
        assert (response.status, code_of(json.loads(text))) == (400, "bad_request"), path


async def test_draining_server_rejects_writes_and_serves_reads(chat: RunningChat) -> None:
    session, header = await new_session(chat)
    await chat.drain()
    path = f"/api/conversations/{session['conversationId']}/messages"
    response, text = await fetch(chat, "POST", path, json={"content": "late"}, headers=header)
    assert (response.status, code_of(json.loads(text))) == (503, "draining")
    assert int(response.headers["Retry-After"]) >= 1
    assert (await chat.get(path, headers=header))[0] == 200


async def send_raw(chat: RunningChat, request: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Send bytes that no HTTP client would send."""
    host, port = chat.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(request)
    return reader, writer


INCOMPLETE = (
    b"POST /api/sessions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{"
)


async def test_incomplete_body_times_out(start_chat: StartChat) -> None:
    chat = await start_chat(ack_deadline_ms=600)
    reader, writer = await send_raw(chat, INCOMPLETE)
    status = await asyncio.wait_for(reader.readline(), 30)
    assert b"504" in status
    writer.close()


async def test_client_that_disconnects_within_a_body_leaves_no_error_in_the_log(
    chat: RunningChat, caplog: pytest.LogCaptureFixture
) -> None:
    _, writer = await send_raw(chat, INCOMPLETE)
    writer.write_eof()
    counts = chat.parts.metrics.requests._counts
    await until(lambda: sum(counts.values()))
    assert list(counts) == [("start_session", "bad_request")]
    assert not caplog.records
    writer.close()


async def test_credentials_that_are_not_utf8_are_a_bad_request(
    chat: RunningChat, caplog: pytest.LogCaptureFixture
) -> None:
    for header in (b"X-Session-Id: \xff", b"Authorization: Bearer \xff"):
        head = b"GET /api/messages HTTP/1.1\r\nHost: localhost\r\n" + header + b"\r\n\r\n"
        reader, writer = await send_raw(chat, head)
        assert b" 400 " in await asyncio.wait_for(reader.readline(), 30)
        writer.close()
    assert not caplog.records


async def test_internal_error_does_not_expose_the_exception(
    chat: RunningChat, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(*_: object) -> None:
        raise RuntimeError("SELECT secret FROM /var/lib")

    monkeypatch.setattr(chat.parts.store, "conversations", fail)
    response, text = await fetch(chat, "GET", "/api/conversations", headers=bearer(chat.token()))
    assert (response.status, code_of(json.loads(text))) == (500, "internal")
    assert "SELECT" not in text
    monkeypatch.setattr("chatws.server.rest.status.generate_latest", lambda _: 1 // 0)
    response, text = await fetch(chat, "GET", "/metrics")
    assert (response.status, code_of(json.loads(text))) == (500, "internal")
    assert [record.levelno for record in caplog.records if record.levelno >= logging.ERROR]


async def test_log_contains_no_secrets_and_no_contents(chat: RunningChat, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    session, header = await new_session(chat)
    token = chat.token("agnes")
    await chat.post("/api/coze/chat", {"message": "my secret question"}, headers=header)
    await chat.get("/api/messages", headers=session_header("guessed-session-id"))
    await chat.get("/api/messages", headers=bearer(token[:-4]))
    await chat.get(f"/api/messages?token={token}")
    await chat.post("/api/auth/login", {"email": "a@b.c", "password": "hunter-hunter"})
    await chat.post("/api/auth/logout", headers=bearer(token))
    log_text = "\n".join(
        f"{record.getMessage()} {record.__dict__}" for record in caplog.records if _is_server_record(record)
    )
    assert "conversation_changed" in log_text
    secrets = (session["sessionId"], token, token[:-4], "guessed-session-id", "hunter-hunter", "secret question")
    for secret in secrets:
        assert secret not in log_text


def _is_server_record(record: logging.LogRecord) -> bool:
    return record.name.startswith(("chatws", "aiohttp"))


async def test_rest_requests_count_by_operation_and_outcome(chat: RunningChat) -> None:
    await new_session(chat)
    await chat.get("/api/messages")
    _, text = await fetch(chat, hdrs.METH_GET, "/metrics")
    assert 'chatws_events_total{event="start_session",outcome="ok"} 1.0' in text
    assert 'chatws_events_total{event="load_messages",outcome="unauthorized"} 1.0' in text
