"""Makes the bot that the settings name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chatws.bots.coze import CozeBot
from chatws.bots.echo import EchoBot
from chatws.bots.http_bot import HttpBotClient
from chatws.bots.openai import OpenAIBot
from chatws.bots.rules import RulesBot, read_rules
from chatws.bots.webhook import WebhookBot

if TYPE_CHECKING:
    from chatws.bots.interface import Bot
    from chatws.settings import Settings

KEY_VARIABLE = "CHATWS_BOT_KEY"
"""The only place a remote's key comes from: the environment."""

OPENAI_URL = "https://api.openai.com/v1"
COZE_URL = "https://api.coze.com"


class BotConfigError(Exception):
    """The bot lacks something it needs; says what is wrong and what to do."""

    def __init__(self, why: str, advice: str) -> None:
        super().__init__(why, advice)
        self.why = why
        self.advice = advice


def make_bot(settings: Settings, key: str | None) -> Bot:
    """Make the bot; without one, the chat API still has the echo.

    Raises:
        BotConfigError: a setting it needs is missing or of no use.
    """
    match settings.bot:
        case "rules":
            return _rules(settings)
        case "webhook":
            return WebhookBot(HttpBotClient(_needed(settings.bot_url, "bot_url", "the address that answers"), key))
        case "openai":
            return _openai(settings, key)
        case "coze":
            bot_id = _needed(settings.bot_id, "bot_id", "the id of the published bot")
            return CozeBot(HttpBotClient(settings.bot_url or COZE_URL, _needed_key(key)), bot_id)
        case _:
            return EchoBot()


def _rules(settings: Settings) -> RulesBot:
    if settings.bot_rules is None:
        raise BotConfigError("bot_rules is not set", "name the YAML file: --set bot_rules=FILE")
    try:
        return RulesBot(read_rules(settings.bot_rules))
    except OSError as problem:
        raise BotConfigError(f"{settings.bot_rules}: {problem.strerror}", "check bot_rules") from None
    except ValueError as problem:
        where = " ".join(str(problem).split())  # YAML's own errors take several lines
        raise BotConfigError(
            f"{settings.bot_rules}: {where}", "correct the file; docs/bots.md has an example"
        ) from None


def _openai(settings: Settings, key: str | None) -> OpenAIBot:
    model = _needed(settings.bot_model, "bot_model", "the model's name")
    if settings.bot_url is None:
        key = _needed_key(key)
    return OpenAIBot(HttpBotClient(settings.bot_url or OPENAI_URL, key), model, settings.bot_prompt)


def _needed(value: str | None, name: str, what: str) -> str:
    if not value:
        raise BotConfigError(f"{name} is not set", f"give {what}: --set {name}=...")
    return value


def _needed_key(key: str | None) -> str:
    if not key:
        raise BotConfigError("there is no key for the service", f"put it into the environment as {KEY_VARIABLE}")
    return key
