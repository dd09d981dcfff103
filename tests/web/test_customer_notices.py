"""Lines in the widget that report an agent's claim and the end of the conversation to the customer."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import Locator, expect

from tests.support.chat import RunningChat
from tests.support.peer import Peer
from tests.web.browser import BrowserProfiles, ChatWindow

pytestmark = pytest.mark.asyncio(loop_scope="session")

PAGE = "/widget/chatbot-iframe.html?language=es"
RESOLVED = "La conversación se ha cerrado. Escriba un mensaje para reabrirla."


async def change(agent: Peer, name: str, conversation: dict[str, Any]) -> dict[str, Any]:
    """Send a request that changes a conversation, and return the changed one."""
    reference = {key: conversation[key] for key in ("conversationId", "version")}
    reply: dict[str, Any] = await agent.call(name, reference)
    assert reply["success"]
    changed: dict[str, Any] = reply["conversation"]
    return changed


def lines_of(window: ChatWindow) -> Locator:
    return window.root.locator(".messages > .message .message-text, .messages > .thread-notice")


async def test_customer_is_informed_of_claim_and_resolve(chat_server: RunningChat, browsers: BrowserProfiles) -> None:
    page = await browsers.open(chat_server.url + PAGE)
    window = ChatWindow(page)
    await window.expect_connected()
    await window.send("Hello?")
    await expect(page.locator(".message-state")).to_have_text("Enviado")
    anna, ben = await chat_server.agent("anna"), await chat_server.agent("ben")
    conversation = (await anna.call("subscribe_inbox"))["conversations"][0]
    sent = ["Hello?"]
    conversation = await change(anna, "claim_conversation", conversation)
    lines = lines_of(window)
    sent.append("Anna se ha unido a la conversación.")
    await expect(lines).to_have_text(sent)
    conversation = await change(anna, "resolve_conversation", conversation)
    sent.append(RESOLVED)
    await expect(lines).to_have_text(sent)
    await window.send("One more thing")
    sent.append("One more thing")
    await expect(lines).to_have_text(sent)
    # The reply claims the conversation; the line about the claim precedes it.
    await ben.call("join_conversation", conversation["conversationId"])
    await ben.call("send_message", {"conversationId": conversation["conversationId"], "content": "Yes?"})
    sent += ["Ben se ha unido a la conversación.", "Yes?"]
    await expect(lines).to_have_text(sent)
    conversation = (await anna.call("subscribe_inbox"))["conversations"][0]
    await change(ben, "resolve_conversation", conversation)
    await expect(lines).to_have_text([*sent, RESOLVED])
    await page.reload()
    await expect(lines).to_have_text(["Hello?", "One more thing", "Yes?", RESOLVED])


async def test_customer_learns_only_the_name_of_the_agent(chat_server: RunningChat) -> None:
    customer = await chat_server.customer("customer-1")
    await customer.call("join_conversation", "conv-1")
    anna = await chat_server.agent("anna")
    conversation = (await anna.call("join_conversation", "conv-1"))["conversation"]
    await change(anna, "claim_conversation", conversation)
    updated = (await customer.expect("conversation_updated"))["conversation"]
    # The id is that of the sender of Anna's messages.
    assert updated["assignee"] == {"userId": "anna", "userName": "Anna", "role": "admin"}
