"""Bot with rules from a file, and its keyword matching."""

from __future__ import annotations

from pathlib import Path

import pytest

from chatws.bots import HandOff, KeywordMatcher
from chatws.bots.rules import RulesBot, read_rules
from tests.bots.service import make_request, pieces_of

BOOK = """
answers:
  - when: [opening hours, when do you open, 营业时间]
    say: We are open from 9 to 5.
  - when: [refund]
    say: I cannot decide that.
    handoff: true
fallback: I do not know that. Write "human" to reach one.
handoff: [human, real person]
"""


@pytest.fixture
def bot(tmp_path: Path) -> RulesBot:
    return RulesBot(read_rules(write(tmp_path, BOOK)))


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "rules.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("question", ["When do you open?", "your OPENING  \n hours", "请问营业时间是几点"])
async def test_first_matching_rule_applies(bot: RulesBot, question: str) -> None:
    assert await pieces_of(bot, make_request(question)) == ["We are open from 9 to 5."]


async def test_unmatched_message_gets_the_fallback(bot: RulesBot) -> None:
    assert await pieces_of(bot, make_request("refunds")) == ['I do not know that. Write "human" to reach one.']


async def test_rule_may_hand_off(bot: RulesBot) -> None:
    assert await pieces_of(bot, make_request("I want a refund!")) == ["I cannot decide that.", HandOff("rule: refund")]


async def test_handoff_phrases_take_precedence_over_rules(bot: RulesBot) -> None:
    (piece,) = await pieces_of(bot, make_request("A human about opening hours, please"))
    assert isinstance(piece, HandOff)


@pytest.mark.parametrize(
    "text",
    [
        "fallback: [",
        "answers: []\nfallback: x",
        "answers:\n  - when: []\n    say: x\nfallback: x",
        "answers:\n  - when: [yes]\n    say: x\nfallback: x",
        "answers:\n  - when: [a]\n    say: x",
        "answers:\n  - when: [a]\n    sya: x\nfallback: x",
        "answers:\n  - when: [a]\n    say: !!python/object/apply:os.getcwd []\nfallback: x",
        "\x00",
        "",
    ],
)
def test_invalid_rule_book_is_rejected(tmp_path: Path, text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_rules(write(tmp_path, text))


@pytest.mark.parametrize(
    ("phrase", "text", "found"),
    [
        ("agent", "an Agent, please", True),
        ("agent", "agents", False),
        ("agent", "reagent", False),
        ("straße", "STRASSE", True),
        ("café", "cafe\u0301", True),
        ("c++", "do you know C++?", True),
        ("人工", "我要人工客服", True),
        (" ", "anything", False),
    ],
)
def test_phrases_match_whole_words_in_any_form(phrase: str, text: str, found: bool) -> None:
    assert KeywordMatcher([phrase]).found_in(text) is found
