"""Check of the webhook, with a receiver of its own."""

from __future__ import annotations

from typing import Final

from chatws_loadtest.check.check_context import CheckContext, unique_text
from chatws_loadtest.check.errors import NotJudged
from chatws_loadtest.check.registry import addition_check, require
from chatws_loadtest.check.webhook_receiver import ACCEPTED, REFUSED, CheckReceiver

MESSAGES: Final = 3
TIMEOUT_S: Final = 30.0
"""Time for all messages and a repetition: chatws repeats within 1 s, other servers after some seconds."""


@addition_check("webhook.delivery", "messages are posted signed, in order, and again after a 500")
async def _delivery(context: CheckContext) -> None:
    receiver = context.webhook
    if receiver is None:
        raise NotJudged("give --webhook-url, to which the server posts, and --webhook-secret-file")
    customer = await context.customer()
    await context.join(customer)
    texts = [unique_text() for _ in range(MESSAGES)]
    receiver.watch(texts, refused_once=texts[0])
    for text in texts:
        await context.send_message(customer, text)
    await receiver.wait_accepted(texts, TIMEOUT_S)
    _require_repetition(receiver, texts[0])
    arrived = list(dict.fromkeys(request.text for request in receiver.requests if request.status == ACCEPTED))
    order = [texts.index(text) + 1 for text in arrived]
    require(arrived == texts, f"the messages were accepted in the order {order}")
    ids = {request.event_id: request.text for request in receiver.requests}
    require(len(ids) == len(texts), "different messages have the same webhook-id")


def _require_repetition(receiver: CheckReceiver, text: str) -> None:
    """Check the requests of the message whose first one was answered with 500."""
    first, *others = [request for request in receiver.requests if request.text == text]
    require(first.status == REFUSED and others, "the message was not repeated after a 500")
    require({first.event_id} == {other.event_id for other in others}, "the repetition has another webhook-id")
    require(int(others[0].timestamp) >= int(first.timestamp), "the repetition has an earlier webhook-timestamp")
