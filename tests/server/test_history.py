"""Pages of history in both directions, and their limits."""

from __future__ import annotations

from typing import Any

from tests.server.conftest import StartChat
from tests.support.chat import RunningChat
from tests.support.messages import fill, seqs
from tests.support.peer import Peer


async def page(agent: Peer, **query: Any) -> tuple[list[int], bool, bool]:
    """Request a page of a conversation of ten messages; return its ``seq`` and whether others lie before and after."""
    ack = await agent.call("history", {"conversationId": "conv-1", **query})
    assert ack["success"], ack
    assert ack["headSeq"] == 10
    return seqs(ack["messages"]), ack["hasMoreBefore"], ack["hasMoreAfter"]


PAGES: list[tuple[dict[str, int], tuple[list[int], bool, bool]]] = [
    ({}, (list(range(1, 11)), False, False)),
    ({"limit": 3}, ([8, 9, 10], True, False)),
    ({"beforeSeq": 8, "limit": 3}, ([5, 6, 7], True, True)),
    ({"beforeSeq": 3, "limit": 3}, ([1, 2], False, True)),
    ({"beforeSeq": 1}, ([], False, True)),
    ({"beforeSeq": 0}, ([], False, True)),
    ({"beforeSeq": 11, "limit": 1}, ([10], True, False)),
    ({"beforeSeq": 2**53 - 1, "limit": 2}, ([9, 10], True, False)),
    ({"afterSeq": 0, "limit": 3}, ([1, 2, 3], False, True)),
    ({"afterSeq": 3, "limit": 3}, ([4, 5, 6], True, True)),
    ({"afterSeq": 7, "limit": 3}, ([8, 9, 10], True, False)),
    ({"afterSeq": 10}, ([], True, False)),
    ({"afterSeq": 2**53 - 1}, ([], True, False)),
]


async def test_page_is_ascending_and_reports_further_messages_on_both_sides(chat: RunningChat) -> None:
    await fill(chat, 10)
    agent = await chat.agent()
    for query, expected in PAGES:
        assert await page(agent, **query) == expected, query


INVALID_PAGES: list[dict[str, Any]] = [
    {"beforeSeq": 5, "afterSeq": 1},
    {"limit": 0},
    {"limit": 101},
    {"limit": -1},
    {"beforeSeq": -1},
    {"afterSeq": 1.5},
    {"afterSeq": "1"},
    {"afterSeq": 2**53},
    {"beforeSeq": None},
]


async def test_invalid_page_is_a_bad_request(chat: RunningChat) -> None:
    await fill(chat, 1)
    agent = await chat.agent()
    for query in INVALID_PAGES:
        ack = await agent.call("history", {"conversationId": "conv-1", **query})
        assert ack["error"]["code"] == "bad_request", query


async def test_empty_conversation_has_no_history(chat: RunningChat) -> None:
    await fill(chat, 0)
    ack = await (await chat.agent()).call("history", {"conversationId": "conv-1"})
    assert (ack["messages"], ack["hasMoreBefore"], ack["hasMoreAfter"], ack["headSeq"]) == ([], False, False, 0)


async def test_history_needs_no_join_only_membership(chat: RunningChat) -> None:
    await fill(chat, 2)
    assert (await (await chat.agent()).call("history", {"conversationId": "conv-1"}))["success"]
    other_customer = await chat.customer()
    assert (await other_customer.call("history", {"conversationId": "conv-1"}))["error"]["code"] == "forbidden"


async def test_history_survives_a_restart(start_chat: StartChat) -> None:
    first = await start_chat()
    await fill(first, 5)
    await first.stop()
    second = await start_chat()
    ack = await (await second.agent()).call("history", {"conversationId": "conv-1"})
    assert seqs(ack["messages"]) == [1, 2, 3, 4, 5]
    assert second.parts.store.epoch == first.parts.store.epoch
