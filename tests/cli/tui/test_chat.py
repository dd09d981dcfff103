from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

from chatws.client import AgentClient
from chatws.exit_codes import ExitCode
from chatws_cli.errors import CommandError
from chatws_cli.outbox_file import SavedMessage
from chatws_cli.tui.controller import ChatController
from tests.cli.tui.tui_driver import agent_controller, customer_controller
from tests.support.chat import until

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from tests.cli.tui.conftest import OpenTui
    from tests.cli.tui.tui_driver import TuiDriver
    from tests.support.chat import RunningChat


async def test_message_is_shown_as_stored_then_read(chat: RunningChat, open_tui: OpenTui, tmp_path: Path) -> None:
    grace = await open_tui(customer_controller(chat, tmp_path / "grace", "conv-1"))
    await grace.wait_for("│ waiting for an agent")
    await grace.write("Where is my parcel?")
    await grace.wait_for("✓ .*you: Where is my parcel")
    ada = await open_tui(agent_controller(chat, tmp_path / "ada"))
    await ada.wait_for("Customer [0-9a-f]{4}: Where is my parcel")
    await grace.wait_for("✓✓ you: Where is my parcel")


async def test_notice_of_waiting_ends_with_the_first_conversation(
    chat: RunningChat, open_tui: OpenTui, tmp_path: Path
) -> None:
    ada = await open_tui(agent_controller(chat, tmp_path))
    await ada.wait_for("no open conversation yet")
    grace = await chat.customer("ses-grace")
    await grace.call("join_conversation", "conv-1")
    await ada.wait_for("no open conversation yet")
    await grace.call("send_message", {"conversationId": "conv-1", "content": "hello"})
    await ada.wait_for(": hello")
    assert "no open conversation yet" not in ada.text


async def test_typing_is_shown_until_the_message_arrives(grace: TuiDriver, ada: TuiDriver) -> None:
    await ada.press("L", "e", "t")
    await grace.wait_for("Ada is typing…")
    await ada.press("space", "m", "e", "enter")
    await grace.wait_for(r"Ada \(agent\): Let me")
    await grace.wait_until_absent("is typing")


async def test_claim_is_shown_on_both_sides(grace: TuiDriver, ada: TuiDriver) -> None:
    await ada.press("f2")
    await grace.wait_for("Ada has joined the conversation")
    await ada.wait_for("you have claimed the conversation")


async def test_message_reopens_a_resolved_conversation(grace: TuiDriver, ada: TuiDriver) -> None:
    await ada.press("f2")
    await ada.wait_for("you have claimed the conversation")
    await ada.press("f4")
    await grace.wait_for("the conversation was resolved; write to reopen it")
    await grace.write("One more thing")
    await ada.wait_for("One more thing")
    await ada.wait_for("queued")


async def test_a_message_typed_offline_waits_and_is_delivered_once(ada: TuiDriver, chat: RunningChat) -> None:
    await ada.write("/drop 600")
    await ada.wait_for("reconnecting")
    await ada.write("typed offline")
    await ada.wait_for("… .*you: typed offline")
    await ada.wait_for("1 queued")
    await ada.press("ctrl+r")
    await ada.wait_for("✓ .*you: typed offline")
    await ada.wait_for("mine +typed offline")
    assert ada.text.count("typed offline") == 2, "in the messages and in the list"
    _, page = await chat.get("/api/conversations/conv-1/messages", headers={"X-Session-Id": "ses-grace"})
    assert [message["content"] for message in page["messages"]] == ["Where is my parcel?", "typed offline"]


async def test_a_message_typed_offline_survives_a_restart_of_the_terminal(
    chat: RunningChat, open_tui: OpenTui, tmp_path: Path
) -> None:
    first = await open_tui(customer_controller(chat, tmp_path, "conv-1"))
    await first.wait_for("│ waiting for an agent")
    await first.write("/drop 600")
    await first.wait_for("reconnecting")
    await first.write("one")
    await first.write("two")
    await first.wait_for("2 queued")
    await first.press("ctrl+q")
    await first.controller.close()
    second = await open_tui(customer_controller(chat, tmp_path, "conv-1"))
    await second.wait_for("✓ .*you: one(.|\n)*✓ .*you: two")
    (file,) = (tmp_path / "outbox").glob("*.db")
    assert file.stat().st_mode & 0o777 == 0o600


async def test_unsent_message_survives_refused_credentials_until_the_next_log_in(
    chat: RunningChat, open_tui: OpenTui, tmp_path: Path
) -> None:
    customer = await chat.customer("ses-grace")
    await customer.call("join_conversation", "conv-1")
    tokens = iter([chat.token("ada")])
    client = AgentClient(chat.url, lambda: next(tokens, "refused"))
    first = await open_tui(ChatController(client, "conv-1", tmp_path, "server"))
    await until(lambda: first.controller.screen.current_id is not None)
    await first.write("/drop 600")
    await first.wait_for("reconnecting")
    await first.write("one")
    await first.wait_for("1 queued")
    await first.press("ctrl+r")
    await until(lambda: first.app.problem is not None)
    assert "unsent messages kept for the next log-in as the same user: 1" in str(first.app.problem)
    await first.controller.close()
    second = await open_tui(agent_controller(chat, tmp_path, conversation_id="conv-1"))
    await second.wait_for("✓ .*you: one")
    await until(lambda: second.controller._outbox is not None and not second.controller._outbox.waiting())


async def test_a_refused_message_is_marked_and_can_be_sent_again(ada: TuiDriver) -> None:
    echoed = asyncio.Event()
    ada.controller.client.on_message_received(lambda _: echoed.set())
    ada.controller._post(SavedMessage("same-id", "conv-1", "first"))
    await ada.wait_for("✓ .*you: first")
    # Echo and ack of the first message must not resolve the second, which has the same id.
    await echoed.wait()
    await until(lambda: not ada.controller._pending)
    ada.controller._post(SavedMessage("same-id", "conv-1", "second"))
    await ada.wait_for("! .*you: second")
    await ada.wait_for("not sent: This clientMessageId was used")
    assert ada.controller._outbox is not None
    assert ada.controller._outbox.waiting() == []
    await ada.press("f5")
    await ada.wait_for("✓ .*you: second")
    await ada.press("f5")
    await ada.wait_for("no message has failed here")


async def test_text_that_cannot_be_sent_stays_in_the_composer(ada: TuiDriver) -> None:
    await ada.write("x" * 4_001)
    await ada.wait_for("not sent: A message has at most")
    assert ada.view.composer.text == "x" * 4_001


async def test_losing_agent_of_a_claim_race_sees_the_assignee(
    ada: TuiDriver, chat: RunningChat, open_tui: OpenTui, tmp_path: Path
) -> None:
    bob = await open_tui(agent_controller(chat, tmp_path / "bob", "bob"))
    await bob.wait_for("Where is my parcel")
    bob.controller.client.on_conversation_updated(lambda _: None)
    thread = bob.controller.screen.threads["conv-1"]
    stale = thread.conversation
    await ada.press("f2")
    await bob.wait_for("Ada has claimed the conversation")
    thread.conversation = stale
    await bob.press("f2")
    await bob.wait_for("that did not work: The conversation has changed meanwhile")
    assert thread.conversation.assignee is not None
    assert thread.conversation.assignee.user_id == "ada"


async def test_note_is_shown_to_agents_and_never_to_the_customer(
    grace: TuiDriver, ada: TuiDriver, chat: RunningChat, open_tui: OpenTui, tmp_path: Path
) -> None:
    bob = await open_tui(agent_controller(chat, tmp_path / "bob", "bob"))
    await bob.wait_for("Where is my parcel")
    await ada.write("/note paid twice, see ticket 7")
    await ada.wait_for("note of you: paid twice, see ticket 7")
    await bob.wait_for("note of Ada: paid twice, see ticket 7")
    await ada.write("Let me look")
    await grace.wait_for("Let me look")
    assert "paid twice" not in grace.text
    assert not grace.controller.screen.threads["conv-1"].unread
    late = await open_tui(agent_controller(chat, tmp_path / "cem", "cem"))
    await late.wait_for("Where is my parcel(.|\n)*note of Ada: paid twice(.|\n)*Let me look")
    await grace.write("/note mine")
    await grace.wait_for("there is no /note")


async def test_note_missed_during_a_disconnect_is_shown_after_it(ada: TuiDriver, chat: RunningChat) -> None:
    await ada.write("/drop 600")
    await ada.wait_for("reconnecting")
    bob = await chat.agent("bob")
    assert (await bob.call("add_note", {"conversationId": "conv-1", "content": "meanwhile"}))["success"]
    await ada.press("ctrl+r")
    await ada.wait_for("note of Bob: meanwhile")


async def test_canned_reply_of_file_and_server_is_inserted_for_editing(
    ada: TuiDriver, chat: RunningChat, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (chat.settings.data_dir / "replies.toml").write_text('hello = "of the server"\nbye = "Goodbye {customer}"\n')
    (tmp_path / "chatws").mkdir()
    (tmp_path / "chatws" / "replies.toml").write_text('hello = "of the user"\n')
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    await ada.write("/reply unknown")
    await ada.wait_for("canned replies: bye, hello")
    await ada.press(*"/reply h", "tab")
    assert ada.view.composer.text == "/reply hello"
    await ada.press("enter")
    await until(lambda: ada.view.composer.text == "of the user")
    ada.view.composer.write("")
    await ada.write("/reply bye")
    await until(lambda: re.fullmatch("Goodbye Customer [0-9a-f]{4}", ada.view.composer.text))
    assert "Goodbye" not in ada.controller.screen.threads["conv-1"].messages()[-1].text


async def test_hostile_text_changes_neither_cursor_nor_colours_nor_direction(ada: TuiDriver, chat: RunningChat) -> None:
    grace = await chat.customer("ses-grace")
    await grace.call("join_conversation", "conv-1")
    await grace.call("send_message", {"conversationId": "conv-1", "content": "pay \u202eme\u2066 now\u200f!"})
    await ada.wait_for("pay me now!")
    await grace.call("typing_start", "conv-1")
    await ada.wait_for("typing…")
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", ada.text)


async def test_markup_of_a_message_is_text(ada: TuiDriver) -> None:
    await ada.write("[bold red]no[/] [@click=app.quit]x[/]")
    await ada.wait_for(re.escape("[bold red]no[/] [@click=app.quit]x[/]"))


async def test_an_expired_session_ends_the_screen_with_one_line_and_exit_code_4(grace: TuiDriver) -> None:
    await grace.write("/expire")
    await until(lambda: grace.app.problem is not None)
    problem = grace.app.problem
    assert isinstance(problem, CommandError)
    assert problem.code == ExitCode.REFUSED
    assert "session_expired" in str(problem)


async def test_a_bug_ends_the_screen_and_shows_no_local_variable(grace: TuiDriver) -> None:
    def broken() -> None:
        raise RuntimeError("a bug")

    grace.view.call_next(broken)
    await until(lambda: grace.app.problem is not None)
    assert str(grace.app.problem) == "a bug"
    assert grace.app._exit_renderables == []
    grace.app._exception = None
