"""Bot with rules from a file: replies by keyword, a fallback, and keywords for the hand-off to an agent."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from chatws.bots.interface import BotRequest, HandOff
from chatws.bots.keyword_matcher import KeywordMatcher
from chatws.protocol.limits import MAX_CONTENT_CHARS

Words = Annotated[list[str], Meta(min_length=1)]
Text = Annotated[str, Meta(min_length=1, max_length=MAX_CONTENT_CHARS)]

ASKED_FOR_AGENT = "the customer asked for a human"


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Reply ``say`` to messages with a phrase of ``when``; ``handoff`` hands the customer off after it."""

    when: Words
    say: Text
    handoff: bool = False


class RuleBook(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Content of the rules file; the first matching rule applies. Phrases of ``handoff`` take precedence over rules."""

    answers: Annotated[list[Rule], Meta(min_length=1)]
    fallback: Text
    handoff: list[str] = []


class RulesBot:
    """Bot that replies from a rule book."""

    name = "rules"
    reads_history = False

    def __init__(self, book: RuleBook) -> None:
        self._rules = [(KeywordMatcher(rule.when), rule) for rule in book.answers]
        self._fallback = book.fallback
        self._handoff = KeywordMatcher(book.handoff)

    async def answer(self, request: BotRequest) -> AsyncIterator[str | HandOff]:
        """Yield the reply of the first matching rule, else the fallback."""
        text = request.message.content
        if self._handoff.found_in(text):
            yield HandOff(ASKED_FOR_AGENT)
            return
        rule = next((rule for matcher, rule in self._rules if matcher.found_in(text)), None)
        yield self._fallback if rule is None else rule.say
        if rule is not None and rule.handoff:
            yield HandOff(f"rule: {rule.when[0]}")

    async def close(self) -> None:
        """Do nothing: the bot holds no resources."""


def read_rules(path: Path) -> RuleBook:
    """Read a rule book in YAML.

    Raises:
        OSError: the file cannot be read.
        ValueError: the file is not YAML or not a rule book; the text contains the position.
    """
    return msgspec.yaml.decode(path.read_bytes(), type=RuleBook)
