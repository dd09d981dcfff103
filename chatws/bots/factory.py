"""Factory of the bot that the settings select."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from chatws.bots.coze import CozeBot
from chatws.bots.echo import EchoBot
from chatws.bots.http_bot import HttpBotClient
from chatws.bots.internal_addresses import InternalAddresses
from chatws.bots.openai import OpenAIBot
from chatws.bots.rules import RulesBot, read_rules
from chatws.bots.webhook import WebhookBot

if TYPE_CHECKING:
    from chatws.bots.interface import Bot
    from chatws.settings import Settings

KEY_VARIABLE = "CHATWS_BOT_KEY"
"""Environment variable with the key of the bot service; there is no setting for it."""

OPENAI_URL = "https://api.openai.com/v1"
COZE_URL = "https://api.coze.com"


class BotConfigError(Exception):
    """Invalid bot configuration; contains the cause and the advice for the operator."""

    def __init__(self, why: str, advice: str) -> None:
        super().__init__(why, advice)
        self.why = why
        self.advice = advice


def make_bot(settings: Settings, key: str | None) -> Bot:
    """Create the bot; without a configured one, the chat API uses the echo bot.

    Raises:
        BotConfigError: a required setting is missing or invalid.
    """
    match settings.bot:
        case "rules":
            return _rules(settings)
        case "webhook":
            url = _require(settings.bot_url, "bot_url", "the address of the webhook")
            return WebhookBot(_make_client(settings, url, key))
        case "openai":
            return _openai(settings, key)
        case "coze":
            bot_id = _require(settings.bot_id, "bot_id", "the id of the published bot")
            return CozeBot(_make_client(settings, settings.bot_url or COZE_URL, _require_key(key)), bot_id)
        case _:
            return EchoBot()


def _rules(settings: Settings) -> RulesBot:
    if settings.bot_rules is None:
        raise BotConfigError("bot_rules is not set", "set the YAML file: --set bot_rules=FILE")
    try:
        return RulesBot(read_rules(settings.bot_rules))
    except OSError as error:
        raise BotConfigError(f"{settings.bot_rules}: {error.strerror}", "check bot_rules") from None
    except ValueError as error:
        detail = " ".join(str(error).split())  # YAML errors have several lines
        raise BotConfigError(
            f"{settings.bot_rules}: {detail}", "correct the file; docs/bots.md has an example"
        ) from None


def _openai(settings: Settings, key: str | None) -> OpenAIBot:
    model = _require(settings.bot_model, "bot_model", "the model's name")
    if settings.bot_url is None:
        key = _require_key(key)
    return OpenAIBot(_make_client(settings, settings.bot_url or OPENAI_URL, key), model, settings.bot_prompt)


def _make_client(settings: Settings, url: str, key: str | None) -> HttpBotClient:
    """Create the client of a service; in production, it connects to internal addresses only if they are listed."""
    if settings.is_dev:
        return HttpBotClient(url, key)
    internal = InternalAddresses(settings.internal_addresses)
    if internal.is_refused_url(url):
        host = urlsplit(url).hostname
        raise BotConfigError(
            f"bot_url names the internal address {host}", f"if it is yours, list it: --set internal_addresses={host}"
        )
    return HttpBotClient(url, key, internal)


def _require(value: str | None, name: str, what: str) -> str:
    if not value:
        raise BotConfigError(f"{name} is not set", f"give {what}: --set {name}=...")
    return value


def _require_key(key: str | None) -> str:
    if not key:
        raise BotConfigError("the key of the bot service is missing", f"set the environment variable {KEY_VARIABLE}")
    return key
