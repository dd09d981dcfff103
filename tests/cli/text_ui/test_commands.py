from __future__ import annotations

import pytest

from chatws.protocol.entities import Conversation, ConversationStatus, Message, Role, User
from chatws_cli.text_ui import commands
from chatws_cli.text_ui.completion import completions, extend
from chatws_cli.text_ui.inbox import InboxList

GRACE = User(user_id="c1", user_name="Grace", role="customer")


def conversation(
    number: int, status: ConversationStatus = "queued", content: str | None = None, role: Role = "customer"
) -> Conversation:
    """Return a conversation with a message, whose content is only present if it is given."""
    moment = f"2026-01-01T00:00:{number:02}.000Z"
    conversation_id = f"conv-{number}"
    newest = content and Message(
        conversation_id=conversation_id,
        content=content,
        sender=User(user_id="x", user_name="Gra\x1bce", role=role),
        timestamp=moment,
        message_id=f"m{number}",
        seq=number,
    )
    return Conversation(
        conversation_id=conversation_id,
        status=status,
        version=1,
        customer=GRACE,
        assignee=None,
        created_at=moment,
        updated_at=moment,
        head_seq=number if newest else 1,
        last_message=newest or None,
    )


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("hello", None),
        ("//etc", None),
        ("/claim", commands.Typed("claim", "")),
        ("/join  2 ", commands.Typed("join", "2")),
    ],
)
def test_a_slash_makes_a_command_and_two_make_a_message(line: str, expected: object) -> None:
    assert commands.parse(line, is_agent=True) == expected


@pytest.mark.parametrize("line", ["/nonsense", "/", "/claim now"])
def test_unknown_command_is_explained(line: str) -> None:
    answer = commands.parse(line, is_agent=False)
    assert isinstance(answer, str)
    assert "/help" in answer


def test_a_message_may_begin_with_a_slash() -> None:
    assert commands.message_of("//etc/passwd") == "/etc/passwd"
    assert commands.message_of("a//b") == "a//b"


def test_help_of_customers_omits_commands_of_agents() -> None:
    assert "/claim" in "\n".join(commands.help_lines(is_agent=True))
    assert "/claim" not in "\n".join(commands.help_lines(is_agent=False))


def test_the_newest_open_conversation_comes_first() -> None:
    inbox = InboxList()
    assert inbox.newest_open() is None
    inbox.load([conversation(1), conversation(2), conversation(3, "resolved")])
    newest = inbox.newest_open()
    assert newest is not None
    assert newest.conversation_id == "conv-2"


def test_numbers_refer_to_the_last_listing() -> None:
    inbox = InboxList()
    inbox.load([conversation(1), conversation(2, content="where is\nit\x1b[2J?")])
    listing = inbox.listing()
    assert "conv-2" in listing[0]
    assert "where is it[2J?" in listing[0]
    inbox.update(conversation(3))
    assert [inbox.find(reference) for reference in ("1", "2", "3", "conv-9", "")] == [
        "conv-2",
        "conv-1",
        "3",
        "conv-9",
        None,
    ]


def test_message_in_another_conversation_is_announced_once() -> None:
    inbox = InboxList()
    notice = inbox.note_message(conversation(1, content="help"))
    assert notice is not None
    assert "Grace wrote" in notice
    assert inbox.note_message(conversation(1, "assigned", content="help")) is None
    assert inbox.note_message(conversation(2, content="answer", role="admin")) is None


def test_tab_extends_a_command_as_far_as_it_is_certain() -> None:
    def after_tab(line: str, *, is_agent: bool = True) -> str:
        return extend(line, completions(line, is_agent=is_agent))

    assert [after_tab(line) for line in ("/cl", "/re", "/status b", "/x", "//cl", "hi", "/claim ")] == [
        "/claim",
        "/re",
        "/status busy",
        "/x",
        "//cl",
        "hi",
        "/claim ",
    ]
    assert after_tab("/cl", is_agent=False) == "/cl"
    assert [each.label for each in completions("/res", is_agent=True)] == ["/resolve "]
