"""GET /asyncapi.json: the events, described so that real payloads match."""

from __future__ import annotations

from typing import Any

import jsonschema  # type: ignore[import-untyped]  # it has no types
import pytest

from chatws.protocol.spec import COMMANDS, EVENTS
from tests.support.chat import RunningChat

SECTIONS = {"asyncapi", "info", "defaultContentType", "channels", "operations", "components"}


def resolve(document: Any, reference: str) -> Any:
    """Return the object that a reference names."""
    found = document
    for part in reference.removeprefix("#/").split("/"):
        found = found[part]
    return found


def references(value: Any) -> list[str]:
    """Return every reference inside a value."""
    if isinstance(value, list):
        return [found for one in value for found in references(one)]
    if not isinstance(value, dict):
        return []
    own = [value["$ref"]] if "$ref" in value else []
    return own + [found for one in value.values() for found in references(one)]


def patterns(value: Any) -> set[str]:
    """Return every pattern inside a value."""
    if isinstance(value, list):
        return set().union(*map(patterns, value))
    if not isinstance(value, dict):
        return set()
    own = {value["pattern"]} if isinstance(value.get("pattern"), str) else set()
    return own.union(*map(patterns, value.values()))


async def test_patterns_are_regular_expressions_of_javascript(chat: RunningChat) -> None:
    for path in ("/asyncapi.json", "/openapi.json"):
        found = patterns((await chat.get(path))[1])
        assert "^[A-Za-z0-9_-]{1,64}$" in found
        assert not [pattern for pattern in found if "\\A" in pattern or "\\Z" in pattern]


async def test_asyncapi_describes_every_event_and_ack_without_dangling_reference(chat: RunningChat) -> None:
    _, document = await chat.get("/asyncapi.json")
    assert (document["asyncapi"], document.keys()) == ("3.0.0", SECTIONS)
    for reference in references(document):
        assert resolve(document, reference)
    actions = {name: operation["action"] for name, operation in document["operations"].items()}
    assert actions == dict.fromkeys(COMMANDS, "receive") | dict.fromkeys(EVENTS, "send")
    for name, operation in document["operations"].items():
        [message] = operation["messages"]
        # AsyncAPI 3.0: the messages of an operation are those of its channel.
        assert message["$ref"] == f"{operation['channel']['$ref']}/messages/{name}"
        assert ("reply" in operation) == (name in COMMANDS)
    for schema in document["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)


async def test_payloads_match_their_descriptions(chat: RunningChat) -> None:
    _, document = await chat.get("/asyncapi.json")

    def check(message: str, payload: Any) -> None:
        schema = {**document["components"]["messages"][message]["payload"], "components": document["components"]}
        jsonschema.validate(payload, schema, cls=jsonschema.Draft202012Validator)

    agent, customer = await chat.pair()
    sent = {"conversationId": "conv-1", "content": "Hello!"}
    check("send_message", sent)
    check("send_message_ack", await customer.call("send_message", sent))
    check("message_received", await agent.expect("message_received"))
    check("join_conversation", "conv-1")
    check("join_conversation_ack", await agent.call("join_conversation", "conv-1"))
    await customer.call("typing_start", "conv-1")
    check("typing_indicator", await agent.expect("typing_indicator"))
    await customer.emit("send_message", {"conversationId": "conv-1", "content": ""})
    check("error", await customer.expect("error"))
    check("send_message_ack", await customer.call("send_message", {"conversationId": "conv-1", "content": ""}))
    for wrong in ({}, {"conversationId": "conv-1"}, {"conversationId": 7, "content": "x"}):
        with pytest.raises(jsonschema.ValidationError):
            check("send_message", wrong)
