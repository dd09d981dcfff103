"""Every key of the full screen: one table for bindings, help, palette and the user's own choice."""

from __future__ import annotations

from typing import Final, NamedTuple


class KeyBinding(NamedTuple):
    """``keys`` are alternatives; ``action`` is what the screen does, empty where the text box itself acts."""

    id: str
    keys: str
    action: str
    summary: str
    for_agents: bool = False
    in_palette: bool = True


KEYS: Final[tuple[KeyBinding, ...]] = (
    KeyBinding("send", "enter", "", "send the message", in_palette=False),
    KeyBinding("newline", "alt+enter,ctrl+j", "", "begin a new line", in_palette=False),
    KeyBinding("recall", "up", "", "in an empty box: bring back the last text", in_palette=False),
    KeyBinding("next", "alt+down", "switch(1)", "next conversation", for_agents=True),
    KeyBinding("previous", "alt+up", "switch(-1)", "previous conversation", for_agents=True),
    *(
        KeyBinding(
            f"go-{n}", f"alt+{n}", f"go_to({n})", f"conversation {n} of the list", for_agents=True, in_palette=False
        )
        for n in range(1, 10)
    ),
    KeyBinding("unread", "alt+a", "next_unread", "next conversation with unread messages", for_agents=True),
    KeyBinding("claim", "f2", "command('claim')", "take this conversation", for_agents=True),
    KeyBinding("release", "f3", "command('release')", "put it back in the queue", for_agents=True),
    KeyBinding("resolve", "f4", "command('resolve')", "close it", for_agents=True),
    KeyBinding("reopen", "f6", "command('reopen')", "open it again", for_agents=True),
    KeyBinding("filter", "f7", "next_filter", "list: open, mine, waiting, all", for_agents=True),
    KeyBinding("list", "f9", "toggle_list", "show or hide the list", for_agents=True),
    KeyBinding("presence", "f10", "next_presence", "others see you online, away, busy"),
    KeyBinding("page-up", "pageup", "page(-1)", "scroll up", in_palette=False),
    KeyBinding("page-down", "pagedown", "page(1)", "scroll down", in_palette=False),
    KeyBinding("top", "ctrl+home", "top", "to the first message that is loaded"),
    KeyBinding("bottom", "ctrl+end", "bottom", "to the newest message"),
    KeyBinding("mark-up", "ctrl+up", "mark(-1)", "mark the message above", in_palette=False),
    KeyBinding("mark-down", "ctrl+down", "mark(1)", "mark the message below", in_palette=False),
    KeyBinding("copy", "ctrl+y", "copy", "copy what is selected, or the marked message"),
    KeyBinding("retry", "f5", "command('retry')", "send again what failed"),
    KeyBinding("transcript", "f8", "transcript", "read the conversation in $PAGER"),
    KeyBinding("editor", "ctrl+e", "editor", "write the message in $EDITOR"),
    KeyBinding("reconnect", "ctrl+r", "command('reconnect')", "connect now, do not wait"),
    KeyBinding("palette", "ctrl+p", "app.command_palette", "everything by name", in_palette=False),
    KeyBinding("help", "f1", "help", "keys and commands"),
    KeyBinding("quit", "ctrl+q", "quit_chat", "leave"),
    KeyBinding("interrupt", "ctrl+c", "interrupt", "copy what is selected, else leave", in_palette=False),
)


def keys_of(*, is_agent: bool) -> list[KeyBinding]:
    """Return the keys that a role has."""
    return [key for key in KEYS if is_agent or not key.for_agents]


def help_lines(chosen: dict[str, str], *, is_agent: bool) -> list[str]:
    """Describe the keys; ``chosen`` are the user's own, by id. The nine numbers share a line."""
    lines = []
    for key in keys_of(is_agent=is_agent):
        if key.id.startswith("go-") and key.id != "go-1":
            continue
        names = " or ".join(_readable(name) for name in chosen.get(key.id, key.keys).split(","))
        shown = "Alt+1 … Alt+9" if key.id == "go-1" else names
        summary = "conversation by its place in the list" if key.id == "go-1" else key.summary
        lines.append(f"{shown:<24}{summary}")
    return lines


def _readable(name: str) -> str:
    return "+".join(part.upper() if len(part) == 1 else part.capitalize() for part in name.split("+"))
