"""Grammar of the rules that inject faults: ``drop ack of send_message 5%``."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

import msgspec

ACTIONS: Final = ("drop", "delay", "duplicate", "reorder", "corrupt", "cut")
SYNTAX: Final = "ACTION [DURATION] [ack of] EVENT [from client|server] [N%]"
EXAMPLES: Final = "'drop ack of send_message 5%', 'delay 200ms message_received', 'cut \"chat message\" from client 1%'"
ANY_EVENT: Final = "*"
MAX_DELAY_S: Final = 60.0
_WORD: Final = re.compile(r"\"([^\"]*)\"|'([^']*)'|(\S+)")
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|s)")
_PERCENT: Final = re.compile(r"(\d+(?:\.\d+)?)%")


class RuleError(ValueError):
    """Text that is no rule; the message points at the word."""

    def __init__(self, text: str, at: int, size: int, problem: str) -> None:
        super().__init__(problem)
        self.text = text
        self.at = at
        self.size = size
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.problem}\n  {self.text}\n  {' ' * self.at}{'^' * max(1, self.size)}\n  A rule is: {SYNTAX}"


class FaultRule(msgspec.Struct, frozen=True):
    """Fault of an event or of its ack."""

    text: str
    action: str
    event: str
    is_ack: bool = False
    side: str = ""
    """Sender of the packet, ``client`` or ``server``; empty: both."""
    delay_s: float = 0.0
    share: float = 1.0

    def matches(self, event: str, *, is_ack: bool, from_client: bool) -> bool:
        """Return whether the rule is about a packet."""
        side = "client" if from_client else "server"
        return is_ack is self.is_ack and self.event in {event, ANY_EVENT} and self.side in {"", side}


class _Word(NamedTuple):
    text: str
    at: int
    size: int
    is_quoted: bool


def parse_rule(text: str) -> FaultRule:
    """Read a rule.

    Raises:
        RuleError: the text is no rule.
    """
    words = [
        _Word(next(group for group in found.groups() if group is not None), found.start(), len(found[0]), not found[3])
        for found in _WORD.finditer(text)
    ]
    return _Reader(text, words).read()


class _Reader:
    """Reader of the words of one rule, from left to right."""

    def __init__(self, text: str, words: list[_Word]) -> None:
        self._text = text
        self._words = words
        self._next = 0

    def read(self) -> FaultRule:
        action = self._take(f"an action is missing: {', '.join(ACTIONS)}")
        if action.text not in ACTIONS:
            raise self._error(action, f"{action.text!r} is no action; use {', '.join(ACTIONS)}")
        delay_s = self._read_delay() if action.text == "delay" else 0.0
        is_ack = self._accept("ack")
        if is_ack:
            self._expect("of", 'after "ack"')
        event = self._take("the name of an event is missing")
        if not event.is_quoted and (_PERCENT.fullmatch(event.text) or _DURATION.fullmatch(event.text)):
            raise self._error(event, "the name of an event is missing before this word; a name like it needs quotes")
        side = self._read_side() if self._accept("from") else ""
        share = self._read_share() if self._next < len(self._words) else 1.0
        if self._next < len(self._words):
            raise self._error(self._words[self._next], "the rule ends before this word; quote a name with spaces")
        return FaultRule(self._text, action.text, event.text, is_ack, side, delay_s, share)

    def _read_delay(self) -> float:
        word = self._take("a duration is missing, for example 200ms")
        found = _DURATION.fullmatch(word.text)
        if found is None:
            raise self._error(word, f"{word.text!r} is no duration; write for example 200ms or 2s")
        delay_s = float(found[1]) / (1000 if found[2] == "ms" else 1)
        if delay_s > MAX_DELAY_S:
            raise self._error(word, f"the longest delay is {MAX_DELAY_S:g}s")
        return delay_s

    def _read_side(self) -> str:
        word = self._take('"client" or "server" is missing after "from"')
        if word.text not in {"client", "server"}:
            raise self._error(word, f'"client" or "server" follows "from", not {word.text!r}')
        return word.text

    def _read_share(self) -> float:
        word = self._take("")
        found = _PERCENT.fullmatch(word.text)
        if found is None:
            raise self._error(word, f"{word.text!r} is no share; write for example 5%, and quote a name with spaces")
        if not 0 < float(found[1]) <= 100:  # noqa: PLR2004 - percent
            raise self._error(word, "a share is above 0% and at most 100%")
        return float(found[1]) / 100

    def _accept(self, text: str) -> bool:
        """Take the next word if it is this one, unquoted."""
        if self._next < len(self._words):
            word = self._words[self._next]
            if word.text == text and not word.is_quoted:
                self._next += 1
                return True
        return False

    def _expect(self, text: str, place: str) -> None:
        word = self._take(f'"{text}" is missing {place}')
        if word.text != text:
            raise self._error(word, f'"{text}" follows {place.removeprefix("after ")}, not {word.text!r}')

    def _take(self, problem: str) -> _Word:
        if self._next >= len(self._words):
            raise RuleError(self._text, len(self._text), 1, problem)
        word = self._words[self._next]
        self._next += 1
        return word

    def _error(self, word: _Word, problem: str) -> RuleError:
        return RuleError(self._text, word.at, word.size, problem)
