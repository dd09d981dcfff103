"""Grammar of the rules, and the repeatable choice of packets."""

from __future__ import annotations

import pytest

from chatws_loadtest.tap.fault_injector import RuleInjector
from chatws_loadtest.tap.fault_rules import FaultRule, RuleError, parse_rule


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("drop ack of send_message 5%", FaultRule("", "drop", "send_message", is_ack=True, share=0.05)),
        ("delay 200ms message_received", FaultRule("", "delay", "message_received", delay_s=0.2)),
        ("delay 2s ack of * 0.5%", FaultRule("", "delay", "*", is_ack=True, delay_s=2.0, share=0.005)),
        ("cut 'chat message' from client", FaultRule("", "cut", "chat message", side="client")),
        ('duplicate "ack" from server 100%', FaultRule("", "duplicate", "ack", side="server")),
    ],
)
def test_rule_is_read(text: str, expected: FaultRule) -> None:
    rule = parse_rule(text)
    fields = ("action", "event", "is_ack", "side", "delay_s", "share")
    assert [getattr(rule, name) for name in fields] == [getattr(expected, name) for name in fields]
    assert rule.text == text


@pytest.mark.parametrize(
    ("text", "word", "problem"),
    [
        ("", "", "an action is missing"),
        ("lose send_message", "lose", "'lose' is no action"),
        ("drop ack off send_message", "off", '"of" follows "ack"'),
        ("drop ack", "", '"of" is missing'),
        ("drop", "", "the name of an event is missing"),
        ("drop 5%", "5%", "a name like it needs quotes"),
        ("delay send_message", "send_message", "'send_message' is no duration"),
        ("delay 90s send_message", "90s", "the longest delay is 60s"),
        ("drop send_message from me", "me", '"client" or "server" follows "from"'),
        ("drop chat message", "message", "quote a name with spaces"),
        ("drop send_message 0%", "0%", "a share is above 0%"),
        ("drop send_message 5% always", "always", "the rule ends before this word"),
    ],
)
def test_error_points_at_the_word(text: str, word: str, problem: str) -> None:
    with pytest.raises(RuleError) as raised:
        parse_rule(text)
    first, shown, marks, syntax = str(raised.value).split("\n")
    assert problem in first
    assert shown.strip() == text
    assert [shown[at] for at, mark in enumerate(marks) if mark == "^" and at < len(shown)] == list(word)
    assert "A rule is: ACTION" in syntax


def choices(seed: int, *, interleaved: bool) -> list[list[bool]]:
    """Return which of 100 packets of each of two connections get a fault."""
    injector = RuleInjector([parse_rule("drop send_message 30%")], seed)
    states = [injector.state("a"), injector.state("b")]
    text = '42["send_message",{}]'
    order = [0, 1] * 100 if interleaved else [0] * 100 + [1] * 100
    chosen: list[list[bool]] = [[], []]
    for number in order:
        chosen[number].append(states[number].decide(text, from_client=True).fault is not None)
    return chosen


def test_seed_repeats_the_choices_in_any_order_of_the_connections() -> None:
    first = choices(7, interleaved=True)
    assert first == choices(7, interleaved=False)
    assert first != choices(8, interleaved=True)
    assert first[0] != first[1]
    assert all(15 <= sum(row) <= 45 for row in first)
