"""A bot that answers from a file: questions by their words, a fallback, and words that hand off to a human."""

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

ASKED = "the customer asked for a human"


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An answer, and the words of the questions it is for; ``handoff`` passes the customer on after it."""

    when: Words
    say: Text
    handoff: bool = False


class RuleBook(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file. The first rule that fits answers; ``handoff`` lists words that go to a human before any rule."""

    answers: Annotated[list[Rule], Meta(min_length=1)]
    fallback: Text
    handoff: list[str] = []


class RulesBot:
    """Answers from a rule book."""

    name = "rules"
    reads_history = False

    def __init__(self, book: RuleBook) -> None:
        self._rules = [(KeywordMatcher(rule.when), rule) for rule in book.answers]
        self._fallback = book.fallback
        self._handoff = KeywordMatcher(book.handoff)

    async def answer(self, turn: BotRequest) -> AsyncIterator[str | HandOff]:
        """Yield the answer of the first rule that fits, else the fallback."""
        asked = turn.message.content
        if self._handoff.found_in(asked):
            yield HandOff(ASKED)
            return
        rule = next((rule for words, rule in self._rules if words.found_in(asked)), None)
        yield self._fallback if rule is None else rule.say
        if rule is not None and rule.handoff:
            yield HandOff(f"rule: {rule.when[0]}")

    async def close(self) -> None:
        """Nothing is open."""


def read_rules(path: Path) -> RuleBook:
    """Read a rule book in YAML.

    Raises:
        OSError: it cannot be read.
        ValueError: it is not YAML, or not a rule book; says where.
    """
    return msgspec.yaml.decode(path.read_bytes(), type=RuleBook)
