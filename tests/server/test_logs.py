"""Log lines: one event each for any client input, without secrets or message contents."""

from __future__ import annotations

import json
import logging
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from io import StringIO

import pytest
from aiohttp import web
from aiohttp.http_exceptions import BadHttpMessage

from chatws.logging import SampledLogger
from chatws.server.logs import BadRequestFilter, JsonFormatter, TextFormatter, log_event, make_handler
from tests.server.conftest import StartChat
from tests.support.peer import PeerRefused

INJECTION = 'x\n2026-01-01T00:00:00.000Z error forged userId=root\x1b[31m\u2028"\x00'


def line_of(formatter: logging.Formatter, **keys: object) -> str:
    record = logging.LogRecord("chatws.test", logging.INFO, "", 0, "client_connected", None, None)
    record.keys = keys
    return formatter.format(record)


def test_text_line_has_time_level_event_and_keys() -> None:
    line = line_of(TextFormatter(), userId="agent-1", connections=3)
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z info client_connected userId=agent-1 connections=3", line
    )


@pytest.mark.parametrize("value", [INJECTION, "two words", "\ud800", "a\tb", "\u202egnp.exe"])
def test_text_value_cannot_start_a_line_or_a_key(value: str) -> None:
    line = line_of(TextFormatter(), reason=value, after="end")
    assert line.splitlines() == [line]
    assert line.isprintable()
    assert line.endswith(" after=end")
    line.encode()


@pytest.mark.parametrize("value", [INJECTION, "\ud800", b"\xff", {"a": {1}}, 2**70, None, True, 1.5, ValueError("x")])
def test_json_line_is_one_object_for_any_value(value: object) -> None:
    line = line_of(JsonFormatter(), reason=value)
    assert line.splitlines() == [line]
    row = json.loads(line)
    assert (row["event"], row["level"], row["logger"]) == ("client_connected", "info", "chatws.test")
    if isinstance(value, bool | float) or value is None or value == INJECTION:
        assert row["reason"] == value


def test_key_cannot_override_the_event() -> None:
    row = json.loads(line_of(JsonFormatter(), event="forged", level="debug", time="never"))
    assert (row["event"], row["level"]) == ("client_connected", "info")
    assert row["time"] != "never"


def test_keys_of_other_loggers_are_included() -> None:
    extra = {"kind": "malformed", "suppressed": 3}
    record = logging.getLogger("chatws.engine").makeRecord("chatws.engine", 30, "", 0, "fault", (), None, extra=extra)
    assert TextFormatter().format(record).endswith(" warning fault kind=malformed suppressed=3")
    assert json.loads(JsonFormatter().format(record))["kind"] == "malformed"


def test_long_value_is_cut() -> None:
    for formatter in (TextFormatter(), JsonFormatter()):
        assert len(line_of(formatter, reason="x" * 10_000)) < 500


@pytest.fixture
def log() -> Iterator[StringIO]:
    """Log of the server at level debug, in both formats."""
    stream = StringIO()
    logger = logging.getLogger("chatws")
    level = logger.level
    handlers = []
    for formatter in (TextFormatter(), JsonFormatter()):
        handler = logging.StreamHandler(stream)
        handler.setFormatter(formatter)
        handlers.append(handler)
        logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    yield stream
    logger.setLevel(level)
    for handler in handlers:
        logger.removeHandler(handler)


async def test_log_of_a_conversation_has_no_secret_and_no_content(start_chat: StartChat, log: StringIO) -> None:
    chat = await start_chat(bot="echo")
    session, token, secret_text = "session-to-keep-secret", chat.token(), "my password is swordfish"
    customer = await chat.customer(session)
    await customer.call("join_conversation", "conv-1")
    agent = await chat.connect({"token": token})
    await agent.call("join_conversation", "conv-1")
    await customer.call("send_message", {"conversationId": "conv-1", "content": secret_text, "clientMessageId": "m-1"})
    await customer.expect("message_received", seq=2)
    await customer.call("send_message", {"conversationId": "conv-1", "content": secret_text, "surplus": session})
    await customer.call("send_message", {"conversationId": "conv-1", "content": [secret_text, session]})
    await customer.call("handoff", {"conversationId": "conv-1", "reason": secret_text})
    await customer.call(secret_text, session)
    with pytest.raises(PeerRefused):
        await chat.connect({"token": token + "x"})
    with pytest.raises(PeerRefused):
        await chat.connect({"token": token, "sessionId": session})
    with pytest.raises(PeerRefused):
        await chat.connect({"sessionId": session * 8})
    await agent.call("refresh_token", {"token": token})
    await agent.send_raw(f'42["{session}"')
    await agent.wait_closed()

    async def crash(*_: object) -> None:
        raise RuntimeError

    chat.parts.store.append = crash  # type: ignore[assignment, method-assign]  # the log includes its traceback
    await customer.call("send_message", {"conversationId": "conv-1", "content": secret_text})
    await chat.drain()
    written = log.getvalue()
    signature = token.rpartition(".")[2]
    for name in (
        "client_connected",
        "message_sent",
        "client_refused",
        "conversation_changed",
        "request_failed",
        "drained",
    ):
        assert name in written
    for secret in (session, token, signature, secret_text, "swordfish"):
        assert secret not in written


async def test_broken_schema_is_logged_without_row_contents(start_chat: StartChat, log: StringIO) -> None:
    chat = await start_chat()
    _, customer = await chat.pair()
    with closing(sqlite3.connect(chat.settings.data_dir / "chatws.db", isolation_level=None)) as database:
        database.execute("alter table messages rename to renamed_messages")
        database.execute("alter table read_marks rename to renamed_marks")
    message = {"conversationId": "conv-1", "content": "swordfish", "clientMessageId": "m-swordfish"}
    assert not (await customer.call("send_message", message))["success"]
    assert not (await customer.call("mark_read", {"conversationId": "conv-1", "seq": 1}))["success"]
    assert "swordfish" not in log.getvalue()


@pytest.mark.parametrize(("level", "lines", "suppressed"), [(logging.INFO, 21, 4), (logging.DEBUG, 25, None)])
def test_sampled_event_has_a_bounded_number_of_lines_unless_debugged(
    log: StringIO, level: int, lines: int, suppressed: int | None
) -> None:
    logging.getLogger("chatws").setLevel(level)
    sampled = SampledLogger(logging.getLogger("chatws.messages"), "message_sent")
    for now in (*[7.0] * 24, 8.0):
        if sampled.is_due(now):
            sampled.write(seq=1)
    rows = [json.loads(line) for line in log.getvalue().splitlines() if line.startswith("{")]
    assert len(rows) == lines
    assert rows[-1].get("suppressed") == suppressed


def test_sampled_event_is_not_logged_at_a_higher_level(log: StringIO) -> None:
    logging.getLogger("chatws").setLevel(logging.WARNING)
    sampled = SampledLogger(logging.getLogger("chatws.messages"), "message_sent")
    assert not any(sampled.is_due(7.0) for _ in range(25))
    assert not log.getvalue()


async def test_message_line_has_the_keys_of_the_guide(start_chat: StartChat, log: StringIO) -> None:
    chat = await start_chat()
    agent, _ = await chat.pair()
    await agent.call("send_message", {"conversationId": "conv-1", "content": "hello"})
    rows = [json.loads(line) for line in log.getvalue().splitlines() if line.startswith("{")]
    [sent] = [row for row in rows if row["event"] == "message_sent"]
    assert (sent["conversationId"], sent["senderId"], sent["contentLength"]) == ("conv-1", "agent-1", 5)
    connected = [row for row in rows if row["event"] == "client_connected"]
    assert [row["role"] for row in connected] == ["customer", "admin"]
    assert all(row["socketId"] and row["userId"] for row in connected)


def test_event_below_the_level_is_not_logged(log: StringIO) -> None:
    logging.getLogger("chatws").setLevel(logging.WARNING)
    log_event(logging.getLogger("chatws.test"), logging.INFO, "unlogged")
    assert not log.getvalue()


def test_malformed_http_is_logged_once_per_second_without_traceback() -> None:
    now, written = 1000.0, StringIO()
    handler = make_handler(written, "text")
    handler.filters[:] = [BadRequestFilter(lambda: now)]

    def log(problem: Exception) -> None:
        exc_info = (type(problem), problem, None)
        handler.handle(logging.LogRecord("aiohttp.server", logging.ERROR, "", 0, "Error %s", ("6.6.6.6",), exc_info))

    malformed = (BadHttpMessage("secret-header: x"), web.RequestPayloadError("secret"))
    for number in range(1_000):
        now += 0.0025
        log(malformed[number % len(malformed)])
    lines = written.getvalue().splitlines()
    assert len(lines) == 3
    assert all(" warning bad_http suppressed=" in line and "secret" not in line for line in lines)
    for failure in (ValueError("internal failure"), UnicodeEncodeError("utf-8", "x", 0, 1, "surrogates not allowed")):
        log(failure)
        assert f"{type(failure).__name__}: {failure}" in written.getvalue()
