from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, get_args

import pytest

from chatws.store.interface import Draft
from chatws_cli.options import NotifyChoice, ThemeChoice
from chatws_cli.screen.keys import KEYS
from chatws_cli.screen.notification import NotificationKind, notification
from chatws_cli.screen.themes import ThemeName
from chatws_cli.tui import external_programs
from chatws_cli.tui.help import HelpScreen
from chatws_cli.tui.preferences import Preferences
from chatws_cli.tui.styles import FOUND, PALETTES
from tests.cli.tui.tui_driver import TuiDriver, agent_controller
from tests.support.chat import until
from tests.support.messages import ANN, fill

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cli.tui.conftest import OpenTui
    from tests.support.chat import RunningChat

Test = TypeVar("Test")
TESTED: set[str] = set()


def presses(*ids: str) -> Callable[[Test], Test]:
    """Register the keys of the table that a test presses."""
    TESTED.update(ids)
    return lambda test: test


@pytest.fixture
async def agent_of_three(chat: RunningChat, open_tui: OpenTui, tmp_path: Path) -> TuiDriver:
    """Full screen of an agent with three conversations; the newest one, of Cem, is open."""
    for number, name in enumerate(("ann", "bea", "cem"), 1):
        peer = await chat.customer(f"ses-{name}")
        await peer.call("join_conversation", f"conv-{name}")
        await peer.call("send_message", {"conversationId": f"conv-{name}", "content": f"I am {name} {number}"})
    driver = await open_tui(agent_controller(chat, tmp_path))
    await driver.wait_for(": I am cem")
    await until(lambda: len(driver.controller.screen.threads) == 3)
    return driver


def test_every_key_of_the_table_is_pressed_by_a_test() -> None:
    assert {key.id for key in KEYS} == TESTED


def test_no_key_is_a_prefix_of_a_terminal_multiplexer() -> None:
    assert not {"ctrl+a", "ctrl+b", "ctrl+s", "ctrl+space"} & {name for key in KEYS for name in key.keys.split(",")}


@presses("next", "previous", "unread", *(f"go-{n}" for n in range(1, 10)))
async def test_keys_switch_between_conversations(agent_of_three: TuiDriver) -> None:
    driver, screen = agent_of_three, agent_of_three.controller.screen
    await driver.press("alt+a")
    await until(lambda: screen.current_id != "conv-cem")
    await driver.press("alt+a")
    await until(lambda: screen.unread == 0)
    assert screen.current_id != "conv-cem"
    await driver.press("alt+a")
    await driver.wait_for("no other conversation is unread")
    order = [one.conversation_id for one in screen.listed.visible(screen.own_id, screen.threads, None)]
    for number in range(1, 10):
        await driver.press(f"alt+{number}")
        expected = order[min(number, 3) - 1]
        await until(lambda expected=expected: screen.current_id == expected)
    await driver.press("alt+down")
    await until(lambda: screen.current_id == order[0])
    await driver.press("alt+up")
    await until(lambda: screen.current_id == order[2])


@presses("claim", "release", "resolve", "reopen", "filter", "presence")
async def test_keys_claim_release_resolve_reopen_filter_and_set_presence(ada: TuiDriver) -> None:
    await ada.press("f2")
    await ada.wait_for("you have claimed the conversation")
    await ada.press("f3")
    await ada.wait_for("waiting for an agent")
    await ada.press("f4")
    await ada.wait_for("the conversation is resolved")
    await ada.press("f6")
    await ada.wait_for("waiting for an agent(.|\n)*waiting for an agent")
    for name in ("mine", "queue", "all", "open"):
        await ada.press("f7")
        await ada.wait_for(f"{name}: 1")
    for status in ("away", "busy", "online"):
        await ada.press("f10")
        await ada.wait_for(f"others see you as {status}")


@presses("list")
async def test_the_list_is_hidden_by_key_and_on_a_narrow_screen(ada: TuiDriver) -> None:
    assert "open: 1" in ada.text
    await ada.press("f9")
    await ada.wait_until_absent("open: 1")
    await ada.press("f9")
    await ada.wait_for("open: 1")
    await ada.pilot.resize_terminal(40, 12)
    await ada.wait_until_absent("open: 1")
    await ada.wait_for("Where is my")
    await ada.press("f9")
    await ada.wait_for("open: 1")
    await ada.press("alt+1")
    await ada.wait_until_absent("open: 1")
    await ada.pilot.resize_terminal(200, 50)
    await ada.wait_for("open: 1")


async def test_resize_keeps_the_scroll_position(ada: TuiDriver) -> None:
    ada.view.composer.insert("\n".join(f"row {number}" for number in range(60)))
    await ada.press("enter")
    await ada.wait_for("row 59")
    for size in ((40, 12), (200, 50), (100, 14)):
        await ada.pilot.resize_terminal(*size)
        await ada.wait_for("row 59")
    assert ada.controller.screen.is_newest_visible
    await ada.press("pageup", "pageup")
    await until(lambda: not ada.view.message_list.is_at_end)
    await ada.pilot.resize_terminal(100, 12)
    await ada.wait_until_absent("row 59")


@presses("send", "newline", "recall")
async def test_enter_sends_and_new_line_keys_break_the_line_and_up_recalls_the_text(ada: TuiDriver) -> None:
    await ada.press("a", "alt+enter", "b", "ctrl+j", "c")
    assert ada.view.composer.text == "a\nb\nc"
    await ada.press("enter")
    await ada.wait_for(r"you: a *\n.*b *\n.*c")
    assert ada.view.composer.text == ""
    await ada.press("up")
    assert ada.view.composer.text == "a\nb\nc"


async def test_enter_and_new_line_keys_can_be_swapped(chat: RunningChat, open_tui: OpenTui, tmp_path: Path) -> None:
    driver = await open_tui(agent_controller(chat, tmp_path), preferences=Preferences(enter="newline"))
    await driver.press("a", "enter", "b")
    assert driver.view.composer.text == "a\nb"


async def test_paste_of_many_lines_stays_whole_and_the_composer_grows_to_six_rows(ada: TuiDriver) -> None:
    pasted = "\n".join(f"line {number}" for number in range(30))
    ada.view.composer.insert(pasted)
    await until(lambda: ada.view.composer.size.height == 6)
    await ada.press("enter")
    await ada.wait_for("line 29")
    assert ada.controller.screen.threads["conv-1"].messages()[-1].text == pasted
    await until(lambda: ada.view.composer.size.height == 1)


@presses("page-up", "page-down", "top", "bottom", "mark-up", "mark-down", "copy")
async def test_keys_scroll_mark_and_copy(ada: TuiDriver) -> None:
    message_list = ada.view.message_list
    ada.view.composer.insert("\n".join(f"row {number}" for number in range(60)))
    await ada.press("enter")
    await ada.write("the last one")
    await ada.wait_for("the last one")
    await ada.press("pageup")
    await until(lambda: not message_list.is_at_end)
    await ada.press("pagedown")
    await until(lambda: message_list.is_at_end)
    await ada.press("ctrl+home")
    assert message_list.scroll_offset.y == 0
    await ada.press("ctrl+end")
    await until(lambda: message_list.is_at_end)
    await ada.press("ctrl+y")
    assert ada.app.clipboard == "the last one"
    await ada.press("ctrl+up", "ctrl+up", "ctrl+up")
    await ada.press("ctrl+y")
    assert ada.app.clipboard == "Where is my parcel?"
    assert message_list.scroll_offset.y < 3
    await ada.press("ctrl+down", "ctrl+down", "ctrl+y")
    assert ada.app.clipboard == "the last one"


@presses("retry", "reconnect")
async def test_retry_and_reconnect_without_effect_are_reported(ada: TuiDriver) -> None:
    await ada.press("f5")
    await ada.wait_for("no message has failed here")
    await ada.press("ctrl+r")
    await ada.wait_for("already connected")


@presses("transcript", "editor")
async def test_pager_and_editor_get_the_text_in_a_private_file(
    ada: TuiDriver, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    mode = tmp_path / "mode"
    program = tmp_path / "program"
    program.write_text(f'#!/bin/sh\nls -ld "$(dirname "$1")" > {mode}; cat "$1" > {copy}; printf "edited\\n" > "$1"\n')
    program.chmod(0o700)
    monkeypatch.setenv("PAGER", str(program))
    monkeypatch.setenv("VISUAL", str(program))
    monkeypatch.setattr(ada.app._driver, "_can_suspend", True, raising=False)
    monkeypatch.setattr(type(ada.app._driver), "can_suspend", True)
    await ada.press("f8")
    await until(copy.exists)
    await until(lambda: "Where is my parcel?" in copy.read_text())
    copy.unlink()
    ada.view.composer.insert("draft")
    await ada.press("ctrl+e")
    await until(lambda: ada.view.composer.text == "edited")
    assert copy.read_text() == "draft"
    monkeypatch.setenv("PAGER", "/nowhere/pager")
    await ada.press("f8")
    await ada.wait_for("the pager failed; set PAGER")
    assert mode.read_text().startswith("drwx------")


def test_default_pager_and_editor_are_found_without_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("PAGER", "VISUAL", "EDITOR"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("PATH", "")
    assert external_programs.find_program("pager") is None
    monkeypatch.setenv("EDITOR", "code --wait")
    assert external_programs.find_program("editor") == ["code", "--wait"]


@presses("help", "palette")
async def test_help_lists_keys_and_commands_and_the_palette_runs_them(ada: TuiDriver) -> None:
    await ada.press("f1")
    await until(lambda: isinstance(ada.app.screen, HelpScreen))
    await ada.wait_for(r"Alt\+1 … Alt\+9 +conversation by its position")
    await ada.press("escape")
    await until(lambda: not isinstance(ada.app.screen, HelpScreen))
    await ada.press("ctrl+p")
    await ada.press(*"claim this")
    await ada.wait_for("Claim this conversation")
    await ada.press("down", "enter")
    await ada.wait_for("you have claimed the conversation")


@presses("quit", "interrupt")
@pytest.mark.parametrize(("key", "code"), [("ctrl+q", 0), ("ctrl+c", 130)])
async def test_keys_leave_with_their_exit_code(grace: TuiDriver, key: str, code: int) -> None:
    await grace.press(key)
    await until(lambda: grace.app.return_value is not None)
    assert grace.app.return_value == code


async def test_configured_keys_replace_the_defaults(chat: RunningChat, open_tui: OpenTui, tmp_path: Path) -> None:
    driver = await open_tui(agent_controller(chat, tmp_path), preferences=Preferences(keys={"quit": "f12"}))
    await driver.press("ctrl+q")
    assert driver.app.return_value is None
    await driver.press("f12")
    await until(lambda: driver.app.return_value == 0)


async def test_slash_lists_commands_and_tab_completes_them(ada: TuiDriver) -> None:
    await ada.press("/")
    await ada.wait_for(r"/history +show older messages(.|\n)*> /")
    await ada.press("r", "e")
    await ada.wait_for(r"/read +(.|\n)*/release +release it to the queue")
    assert "/history" not in ada.text
    await ada.press("down", "down", "down", "up", "tab")
    assert ada.view.composer.text == "/release"
    await ada.wait_until_absent(r"/read +mark")
    ada.view.composer.write("/stat")
    await ada.wait_for("/status online, away or busy")
    await ada.press("tab")
    await ada.wait_for(r"  online *\n.*  away *\n.*  busy")
    await ada.press("b", "tab")
    assert ada.view.composer.text == "/status busy"
    await ada.press("enter")
    await ada.wait_for("others see you as busy")
    await ada.press("/")
    await ada.wait_for("show older messages")
    await ada.press("escape")
    await ada.wait_until_absent("show older messages")


async def test_customers_are_not_offered_commands_of_agents(grace: TuiDriver) -> None:
    await grace.press("/")
    await grace.wait_for("/history +show older messages")
    assert not grace.view.complete() or "/claim" not in grace.text
    assert "/claim" not in grace.text


async def test_footer_shows_help_and_useful_keys_at_60_columns(ada: TuiDriver) -> None:
    await ada.pilot.resize_terminal(60, 20)
    await ada.wait_for("F1 help  / commands  F2 claim  F4 resolve  Ctrl\\+Q quit$")
    await ada.press("f2")
    await ada.wait_for("F1 help  / commands  F4 resolve  F3 release")
    await ada.press("f4")
    await ada.wait_for("F1 help  / commands  F6 reopen")


async def test_help_is_grouped_by_task(grace: TuiDriver) -> None:
    await grace.pilot.resize_terminal(80, 60)
    await grace.press("f1")
    await grace.wait_for(
        "WRITE(.|\n)*Enter(.|\n)*/retry(.|\n)*READ AND SEARCH(.|\n)*Pageup(.|\n)*/history(.|\n)*PROGRAM"
    )
    assert "claim" not in grace.text


async def test_search_highlights_moves_and_loads_older_history(
    chat: RunningChat, open_tui: OpenTui, tmp_path: Path
) -> None:
    await fill(chat, 250, "plain")
    await chat.parts.store.append(Draft("conv-1", ANN, "The PARCEL is late, my parcel!"))
    await fill(chat, 120, "later")
    await chat.parts.store.append(Draft("conv-1", ANN, "parcel again"))
    ada = await open_tui(agent_controller(chat, tmp_path))
    await ada.wait_for("parcel again")
    await ada.write("/search parcel")
    await ada.wait_for("parcel: match 1 of 1 +n older, N newer, Esc ends")
    await ada.press("n")
    await ada.wait_for("The PARCEL is late(.|\n)*parcel: match 2 of 2")
    assert found_in(ada) == ["PARCEL", "parcel"]
    await ada.press("N")
    await ada.wait_for("match 1 of 2")
    await ada.press("n", "n")
    await ada.wait_for("match 2 of 2")
    await until(lambda: ada.controller.screen.threads["conv-1"].first_seq == 1)
    await ada.press("escape")
    await ada.wait_until_absent("match 2 of 2")
    await ada.press("n", "o")
    assert ada.view.composer.text == "no"
    await ada.press("enter")
    await ada.write("/search nowhere")
    await ada.wait_for("not found: nowhere")


def found_in(driver: TuiDriver) -> list[str]:
    """Return the highlighted words."""
    strips = driver.app.screen._compositor.render_strips()
    return [
        segment.text
        for strip in strips
        for segment in strip
        if segment.style and segment.style.bgcolor == FOUND.bgcolor and segment.text.strip()
    ]


@pytest.mark.parametrize(
    "name", ["dark", *(pytest.param(n, marks=pytest.mark.extended) for n in ("light", "high-contrast"))]
)
async def test_theme_is_chosen_by_preference_and_command(
    chat: RunningChat, open_tui: OpenTui, tmp_path: Path, name: ThemeName
) -> None:
    await fill(chat, 1, "hello")
    ada = await open_tui(agent_controller(chat, tmp_path), preferences=Preferences(theme=name))
    await ada.wait_for("Ann.*: hello 0")
    for chosen in (name, "terminal", name):
        await ada.write(f"/theme {chosen}")
        await until(lambda chosen=chosen: colours(ada) == (PALETTES[chosen].background, customer_colour(chosen)))
    await ada.write("/theme pink")
    await ada.wait_for("choose one: /theme terminal, dark, light, high-contrast")


def customer_colour(name: ThemeName) -> str:
    colour = PALETTES[name].styles["customer"].color
    assert colour is not None
    return colour.name


def colours(driver: TuiDriver) -> tuple[str, str]:
    """Return the background of the messages, and the colour of the customer's name."""
    names = [
        segment.style.color.name
        for strip in driver.app.screen._compositor.render_strips()
        for segment in strip
        if segment.style and segment.style.color and segment.text.startswith("Ann (customer)")
    ]
    background = driver.view.message_list.styles.background
    return "ansi_default" if background.ansi is not None else background.hex.lower(), names[-1] if names else ""


def test_options_offer_every_theme_and_notification() -> None:
    for option, choices in ((ThemeChoice, ThemeName), (NotifyChoice, NotificationKind)):
        assert get_args(get_args(get_args(option)[0])[0]) == get_args(choices)


@pytest.mark.parametrize(
    ("kind", "in_tmux", "expected"),
    [
        ("off", False, ""),
        ("bell", True, "\a"),
        ("osc9", False, "\x1b]9;Ann: hi\a"),
        ("osc777", False, "\x1b]777;notify;chatws;Ann: hi\a"),
        ("osc9", True, "\x1bPtmux;\x1b\x1b]9;Ann: hi\a\x1b\\"),
    ],
)
def test_notifications_are_written_in_the_documented_form(
    kind: NotificationKind, expected: str, *, in_tmux: bool
) -> None:
    assert notification(kind, "Ann: hi", in_tmux=in_tmux) == expected
