"""Selection of the bot by the settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from chatws.bots import BotConfigError, make_bot
from chatws.settings import Settings


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"bot": "none"}, None),
        ({"bot": "echo"}, None),
        ({"bot": "webhook", "bot_url": "http://127.0.0.1:9/"}, None),
        ({"bot": "openai", "bot_model": "small"}, "key"),
        ({"bot": "openai", "bot_model": "small", "bot_url": "http://127.0.0.1:11434/v1"}, None),
        ({"bot": "coze", "bot_id": "7497"}, "key"),
    ],
)
async def test_settings_select_the_bot(settings: dict[str, Any], key: str | None) -> None:
    bot = make_bot(Settings(**settings), key)
    assert bot.name == settings["bot"].replace("none", "echo")
    await bot.close()


@pytest.mark.parametrize(
    ("settings", "key", "why"),
    [
        ({"bot": "rules"}, None, "bot_rules"),
        ({"bot": "rules", "bot_rules": Path("/nowhere.yaml")}, None, "No such file"),
        ({"bot": "rules", "bot_rules": Path(__file__)}, None, "test_factory.py"),
        ({"bot": "webhook"}, "key", "bot_url"),
        ({"bot": "openai"}, "key", "bot_model"),
        ({"bot": "openai", "bot_model": "small"}, None, "key"),
        ({"bot": "coze"}, "key", "bot_id"),
        ({"bot": "coze", "bot_id": "7497"}, None, "key"),
    ],
)
def test_missing_setting_is_reported_before_the_server_starts(
    settings: dict[str, Any], key: str | None, why: str
) -> None:
    with pytest.raises(BotConfigError) as caught:
        make_bot(Settings(**settings), key)
    assert why in caught.value.why
