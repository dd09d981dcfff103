"""Internal addresses that a bot's URL must not name in production."""

from __future__ import annotations

from http import HTTPStatus

import pytest

from chatws.bots.factory import BotConfigError, make_bot
from chatws.bots.http_bot import HttpBotClient
from chatws.bots.interface import BotError
from chatws.bots.internal_addresses import InternalAddresses
from chatws.settings import Settings
from tests.bots.service import FakeBotService, answer


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:9/",
        "http://127.1/",
        "http://2130706433/",
        "http://0x7f.1/",
        "http://localhost:9/",
        "http://LOCALHOST.:9/",
        "http://bot.localhost/",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://0.0.0.0:9/",
        "http://169.254.169.254/latest/meta-data/",
        "http://[fe80::1]/",
    ],
)
def test_url_of_an_internal_address_is_refused_in_production(url: str) -> None:
    with pytest.raises(BotConfigError, match="bot_url names the internal address"):
        make_bot(Settings(mode="prod", bot="webhook", bot_url=url), None)
    make_bot(Settings(bot="webhook", bot_url=url), None)


@pytest.mark.parametrize("url", ["http://10.0.0.1/", "https://bot.example/", "http://[2001:db8::1]/"])
def test_other_addresses_are_allowed(url: str) -> None:
    make_bot(Settings(mode="prod", bot="webhook", bot_url=url), None)


def test_listed_internal_address_is_allowed() -> None:
    listed = Settings(mode="prod", bot="webhook", bot_url="http://127.0.0.1:9/", internal_addresses=("127.0.0.1",))
    make_bot(listed, None)


async def test_name_of_an_internal_address_is_refused_at_each_connection(service: FakeBotService) -> None:
    service.script = answer(200, {})
    url = f"http://localhost:{service.url.rpartition(':')[2]}"
    refused = HttpBotClient(url, None, InternalAddresses(()))
    with pytest.raises(BotError, match="internal addresses only"):
        async with refused.post("/answers", {}):
            pytest.fail("the request was sent")
    allowed = HttpBotClient(url, None, InternalAddresses(("127.0.0.0/8", "::1")))
    async with allowed.post("/answers", {}) as response:
        assert response.status == HTTPStatus.OK
    assert service.paths == ["/answers"]
    for client in (refused, allowed):
        await client.close()
