"""Tests of the bot in the asynchronous style: clients are those of the SDK, with `expect`."""

from __future__ import annotations

import pytest

from parcel_bot import ParcelBot


@pytest.fixture
async def alice(customer, chatws_server, network):
    """Customer who talks to the bot."""
    client = await customer("Alice")
    bot = ParcelBot(network.url, chatws_server.token("parcel-bot"))
    await bot.start(client.conversation_id)
    yield client
    await bot.stop()


async def test_bot_answers_a_question_about_a_parcel(alice):
    await alice.send("Where is parcel 4711?")
    await alice.expect("typing_indicator", is_typing=True)
    await alice.expect("message_received", content="Parcel 4711 arrives tomorrow.")


async def test_bot_ignores_other_messages(alice):
    await alice.send("Hello!")
    await alice.expect_nothing("message_received", during=0.3)


async def test_bot_answers_after_its_connection_was_cut(alice, network):
    network.cut()
    await alice.send("Where is parcel 12?")
    await alice.expect("message_received", content="Parcel 12 is unknown.", within=15)


@pytest.mark.parametrize("delay_s", [0.05, 0.1])
async def test_bot_answers_on_a_slow_network(alice, network, delay_s):
    network.delay(delay_s)
    await alice.send("parcel 4711")
    await alice.expect("message_received", where=lambda message: "tomorrow" in message.content)
