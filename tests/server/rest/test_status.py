"""GET /health, /ready, /metrics, /openapi.json."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from chatws import __version__
from chatws.protocol.rest_spec import OPERATIONS, REST_COMMANDS
from chatws.server.rest import ROUTES
from chatws.settings import Settings
from chatws.store import Unavailable
from tests.server.conftest import StartChat
from tests.server.rest.support import code_of, fetch, new_session
from tests.support.chat import RunningChat


async def samples(chat: RunningChat) -> dict[str, float]:
    """Scrape the metrics and return the samples by name with labels."""
    _, text = await fetch(chat, "GET", "/metrics")
    return {
        sample.name + "".join(f",{key}={value}" for key, value in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def test_health_reports_a_running_server(chat: RunningChat) -> None:
    await chat.agent()
    status, body = await chat.get("/health")
    assert status == 200
    assert body["uptimeS"] >= 0
    assert body | {"uptimeS": 0} == {
        "status": "ok",
        "version": __version__,
        "uptimeS": 0,
        "websocket": {"connections": 1, "status": "healthy"},
    }


async def test_ready_names_the_unavailable_part(chat: RunningChat, monkeypatch: pytest.MonkeyPatch) -> None:
    assert await chat.get("/ready") == (200, {"status": "ready", "checks": {"database": "ok", "server": "ok"}})
    chat.clock.advance(1)

    async def fail() -> None:
        raise Unavailable("disk full")

    monkeypatch.setattr(chat.parts.store, "ping", fail)
    status, body = await chat.get("/ready")
    assert (status, body["status"], body["checks"]["database"]) == (503, "not_ready", "unavailable")
    assert (await chat.get("/health"))[0] == 200


async def test_ready_does_not_wait_for_a_store_that_hangs(chat: RunningChat, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chatws.server.rest.status.PING_TIMEOUT_S", 0.05)
    monkeypatch.setattr(chat.parts.store, "ping", asyncio.Event().wait)
    status, body = await chat.get("/ready")
    assert (status, body["checks"]["database"]) == (503, "timeout")


async def test_simultaneous_readiness_checks_share_one_commit(
    chat: RunningChat, monkeypatch: pytest.MonkeyPatch
) -> None:
    pings = 0

    async def ping() -> None:
        nonlocal pings
        pings += 1

    monkeypatch.setattr(chat.parts.store, "ping", ping)
    responses = await asyncio.gather(*(chat.get("/ready") for _ in range(20)))
    assert {status for status, _ in responses} == {200}
    assert pings == 1


async def test_draining_server_is_alive_and_not_ready(chat: RunningChat) -> None:
    await chat.drain()
    status, body = await chat.get("/ready")
    assert (status, body["checks"]["server"]) == (503, "draining")
    assert (await chat.get("/health"))[0] == 200


async def test_metrics_cover_the_monitoring_section_of_the_guide(chat: RunningChat) -> None:
    _, customer = await chat.pair()
    await chat.connect()
    for content in ("one", "two"):
        await customer.call("send_message", {"conversationId": "conv-1", "content": content})
    await customer.call("send_message", {"conversationId": "conv-1", "content": ""})
    await customer.call("no_such_event")
    values = await samples(chat)
    assert values["chatws_connections,state=authenticated"] == 2
    assert values["chatws_connections,state=unauthenticated"] == 1
    assert values["chatws_transports,transport=websocket"] == 3
    assert values["chatws_conversations"] == 1
    assert values["chatws_rooms"] >= 1
    assert values["chatws_messages_total,role=customer"] == 2
    assert values["chatws_commit_seconds_count"] == 2
    assert values["chatws_events_total,event=send_message,outcome=ok"] == 2
    assert values["chatws_events_total,event=send_message,outcome=bad_request"] == 1
    assert values["chatws_events_total,event=unknown,outcome=unknown_event"] == 1
    assert values["chatws_event_seconds_count,event=send_message"] == 3
    assert values["process_resident_memory_bytes"] > 1_000_000
    assert values["chatws_outbox_bytes"] >= values["chatws_outbox_max_bytes"] >= 0
    assert values["chatws_packets_total,direction=in"] > 0
    assert values["chatws_draining"] == 0
    assert {"chatws_loop_lag_seconds_count", "chatws_slow_closed_total", "chatws_delivery_gaps_total"} <= values.keys()


async def test_reconnects_and_closed_connections_are_counted(chat: RunningChat) -> None:
    session, _ = await new_session(chat)
    first = await chat.customer(session["sessionId"])
    await first.close()
    await chat.customer(session["sessionId"])
    values = await samples(chat)
    assert values["chatws_reconnects_total"] == 1
    assert sum(value for name, value in values.items() if name.startswith("chatws_closed_total,")) == 1


async def test_replies_of_the_bot_are_counted(chat: RunningChat) -> None:
    _, header = await new_session(chat)
    await chat.post("/api/coze/chat", {"message": "hi"}, headers=header)
    values = await samples(chat)
    assert (values["chatws_bot_answers_total,outcome=stored"], values["chatws_messages_total,role=bot"]) == (1, 1)


async def test_clients_cannot_create_labels(chat: RunningChat) -> None:
    peer = await chat.agent()
    for number in range(20):
        await peer.call(f"invented_{number}")
    before = await samples(chat)
    assert not [name for name in before if "invented" in name]
    assert before["chatws_events_total,event=unknown,outcome=unknown_event"] == 20


async def test_metrics_can_be_turned_off(start_chat: StartChat) -> None:
    hidden = await start_chat(metrics="off")
    status, body = await hidden.get("/metrics")
    assert (status, code_of(body)) == (404, "not_found")


async def test_local_metrics_reject_remote_clients(start_chat: StartChat) -> None:
    chat = await start_chat(mode="prod", metrics="local", trusted_proxies=("127.0.0.1",))
    assert (await fetch(chat, "GET", "/metrics"))[0].status == 200
    response, _ = await fetch(chat, "GET", "/metrics", headers={"X-Forwarded-For": "203.0.113.7"})
    assert response.status == 403


async def test_openapi_describes_every_operation_and_has_no_dangling_reference(chat: RunningChat) -> None:
    response, text = await fetch(chat, "GET", "/openapi.json")
    document = await response.json()
    assert document["openapi"] == "3.1.0"
    described = {(method.upper(), path) for path, item in document["paths"].items() for method in item}
    assert described >= {(operation.method, operation.path) for operation in OPERATIONS}
    assert described >= {("GET", "/health"), ("GET", "/ready"), ("GET", "/metrics"), ("GET", "/openapi.json")}
    schemas = document["components"]["schemas"]
    assert set(re.findall(r"#/components/schemas/(\w+)", text)) <= set(schemas)
    for path, item in document["paths"].items():
        for operation in item.values():
            declared = {one["name"] for one in operation.get("parameters", []) if one["in"] == "path"}
            assert declared == set(re.findall(r"{(\w+)}", path))


async def test_openapi_body_excludes_fields_of_the_path(chat: RunningChat) -> None:
    _, document = await chat.get("/openapi.json")
    send = document["paths"]["/api/conversations/{conversationId}/messages"]["post"]
    schema = send["requestBody"]["content"]["application/json"]["schema"]
    assert set(schema["properties"]) == {"content", "clientMessageId"}
    assert schema["required"] == ["content"]
    history = document["paths"]["/api/conversations/{conversationId}/messages"]["get"]
    assert {one["name"] for one in history["parameters"] if one["in"] == "query"} == {"beforeSeq", "afterSeq", "limit"}


async def test_openapi_describes_the_requests_to_the_webhook(chat: RunningChat) -> None:
    _, document = await chat.get("/openapi.json")
    webhooks = {kind: item["post"] for kind, item in document["webhooks"].items()}
    assert set(webhooks) == set(Settings().webhook_events)
    for kind, request in webhooks.items():
        schema = request["requestBody"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
        assert kind in str(document["components"]["schemas"][schema]["properties"]["type"])
        headers = {one["name"] for one in request["parameters"]}
        assert headers == {"webhook-id", "webhook-timestamp", "webhook-signature"}


def test_every_rest_command_has_a_route() -> None:
    assert set(ROUTES) == set(REST_COMMANDS)
    names = {operation.command.name for operation in OPERATIONS}
    assert names == set(REST_COMMANDS) | {"send_message", "history", "add_note", "list_notes", "list_replies", "search"}


async def test_settings_page_lists_exactly_the_metrics_of_chatws(chat: RunningChat) -> None:
    _, text = await fetch(chat, "GET", "/metrics")
    families = text_string_to_metric_families(text)
    names = {f"{family.name}_total" if family.type == "counter" else family.name for family in families}
    page = (Path(__file__).parents[3] / "docs" / "settings.md").read_text(encoding="utf-8")
    ours = {name for name in names if name.startswith("chatws_") and not name.endswith("_created")}
    assert ours == set(re.findall(r"`(chatws_\w+)`", page))
