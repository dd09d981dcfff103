"""Screen of ``chatws timeline --screen`` on recorded files, by keys and in tmux (about 15 s)."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from chatws_loadtest.chatlog.analysis import analyse
from chatws_loadtest.chatlog.reader import read_chatlog
from chatws_loadtest.chatlog.records import AckRecord, IdentityRecord, InRecord, OpenRecord, OutRecord
from chatws_loadtest.chatlog.writer import ChatlogWriter
from chatws_loadtest.chatlog_timeline.diagram_rows import RowKind
from chatws_loadtest.chatlog_timeline.diagram_view import DiagramView
from chatws_loadtest.chatlog_timeline.screen import TimelineScreen
from chatws_loadtest.chatlog_timeline.screen_state import TimelineScreenState
from chatws_loadtest.chatlog_timeline.timeline_content import make_content
from tests.loadtest.chatlog.test_timeline_command import record_meeting, timeline
from tests.loadtest.command import run_command
from tests.support.tmux import Tmux

if TYPE_CHECKING:
    from pathlib import Path

    from textual.strip import Strip

TALK = """
people: {anna: agent, ben: customer}
steps:
  - ben: {send: Hello}
  - anna: {expect: {message_received: {content: Hello}}}
  - ben: {drop: 300ms}
  - anna: {send: "Are you there?"}
  - ben: {expect: {message_received: {content: "Are you there?"}}}
"""
SMALL = (60, 15)


@pytest.fixture
def tmux(tmp_path: Path) -> Iterator[Tmux]:
    running = Tmux(tmp_path)
    yield running
    running.close()


def open_state(file: Path) -> TimelineScreenState:
    found = analyse(read_chatlog(file))
    return TimelineScreenState(found, make_content(found))


def text_of(app: TimelineScreen) -> str:
    strips = app.screen._compositor.render_strips()
    return "\n".join(strip.text.rstrip() for strip in strips)


def kinds(state: TimelineScreenState, name: str) -> list[RowKind]:
    return [row.kind for row in state.rows if row.message is not None and row.message.name == name]


async def test_recorded_talk_fits_a_small_screen_and_is_explained(tmp_path: Path) -> None:
    script, file = tmp_path / "talk.yaml", tmp_path / "talk.chatlog"
    script.write_text(TALK)
    done = await run_command("run", str(script), "--chatlog", str(file))
    assert done.returncode == 0, done.stdout + done.stderr
    state = open_state(file)
    assert sorted(kinds(state, "m2")) == sorted([RowKind.SENT, RowKind.STORED, RowKind.LIVE, RowKind.CAUGHT_UP])
    app = TimelineScreen(state)
    async with app.run_test(size=SMALL) as pilot:
        # The screen begins at the first fault, as the page does.
        assert "caught up" in (text := text_of(app))
        assert all(len(line) <= SMALL[0] for line in text.splitlines())
        assert "u2 was disconnected from" in text or "u2 was disconnected from" in " ".join(state.describe())
        await pilot.press("home")
        assert (state.row, state.title().split("  ")[0]) == (0, "r1")
        await pilot.press("down", "down", "up")
        assert state.row == 1
        await pilot.press("end")
        assert state.row == len(state.rows) - 1
        await pilot.press("left_square_bracket")
        assert state.row < len(state.rows) - 1
        state.row = next(number for number, row in enumerate(state.rows) if row.kind is RowKind.SENT)
        await pilot.press("down", "up")
        assert "m1" in text_of(app)
        assert "●" in text_of(app)
        assert "◀" in text_of(app)
        await pilot.press("q")
    assert app.return_code == 0


@pytest.mark.parametrize("width", [10, 30, 38])
async def test_screen_without_room_for_a_person_shows_every_row(tmp_path: Path, width: int) -> None:
    file = tmp_path / "a.chatlog"
    record_meeting(file)
    state = open_state(file)
    app = TimelineScreen(state)
    async with app.run_test(size=(width, 8)) as pilot:
        await pilot.press("home", *["down"] * len(state.rows))
        assert state.row == len(state.rows) - 1
        await pilot.press("q")
    assert app.return_code == 0


async def test_people_beside_the_screen_are_scrolled_to(tmp_path: Path) -> None:
    file = tmp_path / "a.chatlog"
    record_meeting(file)
    state = open_state(file)
    app = TimelineScreen(state)
    async with app.run_test(size=SMALL) as pilot:
        assert state.selected is not None
        assert (state.selected.kind, state.selected.people) == (RowKind.LOST, ("u2",))
        assert "u2 never received it: it was connected and received m2" in " ".join(state.describe())
        # A line to people beside the screen ends at its edge.
        assert "»" in text_of(app)
        assert "u60" not in text_of(app)
        await pilot.press("n")
        assert (state.selected.kind, state.selected.people) == (RowKind.CAUGHT_UP, ("u3",))
        column = state.column
        await pilot.press("right")
        assert state.column == column + 1
        app.action_scroll(60)
        await pilot.pause()
        assert "u60 customer"[: state.visible] in text_of(app)
        assert state.title().endswith(f"people {61 - state.visible}-60/60")
        await pilot.press("left")
        assert "u60" not in text_of(app).splitlines()[1]
        await pilot.press("p")
        assert "u2" in text_of(app).splitlines()[1]


async def test_filter_and_list_choose_rooms_and_people(tmp_path: Path) -> None:
    file = tmp_path / "load.chatlog"
    record_pairs(file, rooms=12, messages=3)
    state = open_state(file)
    app = TimelineScreen(state)
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press("escape")
        assert (state.room, len(state.people)) == (None, 24)
        await pilot.press("slash", *"r3", "enter")
        assert state.room is not None
        assert (state.room.name, state.people) == ("r3", ["u5", "u6"])
        await pilot.press("slash", "end", "space", *"u99", "enter")
        await pilot.pause()
        assert "there is no u99" in text_of(app)
        assert state.room.name == "r3"
        await pilot.press("escape", "slash", *"u8", "enter")
        assert state.title().startswith("all rooms  messages of u8")
        assert state.people == ["u8", "u7"]
        assert all(row.message is None or row.message.name.startswith("4-") for row in state.rows)
        await pilot.press("r")
        await pilot.pause()
        assert "faults" in text_of(app)
        await pilot.press("home", "down", "enter")
        await pilot.pause()
        assert state.room is state.content.rooms[0]


async def test_only_visible_rows_of_a_large_recording_are_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "load.chatlog"
    record_pairs(file, rooms=50, messages=40)
    state = open_state(file)
    state.choose(None)
    assert len(state.rows) == 50 * 40 * 3
    drawn: list[int] = []
    render = DiagramView.render_line

    def count(view: DiagramView, y: int) -> Strip:
        drawn.append(y)
        return render(view, y)

    monkeypatch.setattr(DiagramView, "render_line", count)
    app = TimelineScreen(state)
    async with app.run_test(size=SMALL) as pilot:
        drawn.clear()
        await pilot.press("end")
        await pilot.pause()
        assert f"row {len(state.rows)}/{len(state.rows)}" in text_of(app)
        assert 0 < len(drawn) < 10 * SMALL[1]


def test_copies_that_arrive_together_share_a_row(tmp_path: Path) -> None:
    file = tmp_path / "a.chatlog"
    with ChatlogWriter(file, "tap", "http://chat.example") as writer:
        for c in range(1, 41):
            writer.write(OpenRecord(t=0.0, c=c, user=f"u{c}"))
            writer.write(OutRecord(t=0.0, c=c, event="join_conversation", ack=0, room="r1"))
        writer.write(OutRecord(t=1.0, c=1, event="send_message", ack=1, room="r1", key="k1"))
        writer.write(AckRecord(t=1.001, c=1, ack=1, ok=True, message="m1", seq=1))
        for c in range(1, 41):
            writer.write(InRecord(t=1.001 + c / 1000, c=c, event="message_received", room="r1", message="m1"))
        writer.write(InRecord(t=1.05, c=7, event="message_received", room="r1", message="m1"))
    state = open_state(file)
    copies = [(row.kind, row.at, len(row.people)) for row in state.rows if row.kind in {RowKind.LIVE, RowKind.AGAIN}]
    live = [(RowKind.LIVE, 1002 + 11 * number, size) for number, size in enumerate((11, 11, 11, 7))]
    assert copies == [*live, (RowKind.AGAIN, 1050, 1)]


def test_people_of_a_server_without_rooms_have_columns(tmp_path: Path) -> None:
    file = tmp_path / "a.chatlog"
    with ChatlogWriter(file, "tap", "http://chat.example") as writer:
        for c in (1, 2, 3):
            writer.write(OpenRecord(t=0.0, c=c))
        writer.write(OutRecord(t=1.0, c=1, event="send_message", key="k1"))
        writer.write(InRecord(t=1.1, c=3, event="message_received", key="k1"))
    state = open_state(file)
    assert (state.title().split("  ")[0], state.people) == ("no room", ["c1", "c3"])


async def test_screen_without_a_terminal_is_a_usage_error(tmp_path: Path) -> None:
    file = tmp_path / "a.chatlog"
    record_meeting(file)
    code, text, error = await timeline(file, "--screen")
    assert (code, text) == (2, "")
    assert error == "chatws timeline: --screen needs a terminal; without it, the command writes a page\n"


def test_screen_in_a_terminal_begins_at_a_message_and_restores_the_terminal(tmp_path: Path, tmux: Tmux) -> None:
    file = tmp_path / "a.chatlog"
    record_meeting(file)
    window = tmux.open("timeline", *SMALL)
    window.start("timeline", str(file), "--screen", "--explain", "m2")
    window.wait_for("m2 in r1, seq 2: u1 sent it at 2.000 s")
    window.wait_for("2.000 m2 +sent")
    window.wait_for("Fault.*Filter.*Rooms.*Quit")
    window.press("Home", "?")
    window.wait_for("Page Up")
    # Without a pause, as a person types ahead while the machine is busy.
    window.press("/", "r", "1", "Enter", "q")
    window.wait_for("exit code 0")
    assert window.is_clean
    window.start("timeline", str(file), "--screen")
    window.wait_for("Fault.*Filter.*Rooms.*Quit")
    window.signal(signal.SIGTERM)
    window.wait_for("exit code 143")
    assert window.is_clean
    assert not (tmp_path / "a.html").exists()


def record_pairs(file: Path, rooms: int, messages: int) -> None:
    """Record pairs of people who write to each other."""
    with ChatlogWriter(file, "tap", "http://chat.example") as writer:
        for c in range(1, 2 * rooms + 1):
            writer.write(OpenRecord(t=0.0, c=c))
            writer.write(IdentityRecord(t=0.0, c=c, user=f"u{c}", role="customer" if c % 2 else "admin"))
            writer.write(OutRecord(t=0.0, c=c, event="join_conversation", ack=0, room=f"r{(c + 1) // 2}"))
        for number in range(1, messages + 1):
            for room in range(1, rooms + 1):
                t, name, pair = number + room / 100, f"{room}-{number}", (2 * room - 1, 2 * room)
                sender = pair[number % 2]
                writer.write(
                    OutRecord(t=t, c=sender, event="send_message", ack=number, room=f"r{room}", key=f"k{name}")
                )
                writer.write(AckRecord(t=t + 0.001, c=sender, ack=number, ok=True, message=name, seq=number))
                for c in pair:
                    writer.write(InRecord(t=t + 0.002, c=c, event="message_received", room=f"r{room}", message=name))
