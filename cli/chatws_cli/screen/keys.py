"""Table of the keys of the full screen, for bindings, help, command palette and preferences."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from chatws_cli.text_ui.commands import Task


class KeyBinding(NamedTuple):
    """Binding of alternative ``keys`` to an ``action`` of the view; empty if the composer handles the keys."""

    id: str
    keys: str
    action: str
    summary: str
    task: Task
    for_agents: bool = False
    in_palette: bool = True


KEYS: Final[tuple[KeyBinding, ...]] = (
    KeyBinding("send", "enter", "", "send the message", "write", in_palette=False),
    KeyBinding("newline", "alt+enter,ctrl+j", "", "insert a new line", "write", in_palette=False),
    KeyBinding("recall", "up", "", "in an empty box: recall the last text", "write", in_palette=False),
    KeyBinding("next", "alt+down", "switch(1)", "next conversation", "conversations", for_agents=True),
    KeyBinding("previous", "alt+up", "switch(-1)", "previous conversation", "conversations", for_agents=True),
    *(
        KeyBinding(f"go-{n}", f"alt+{n}", f"go_to({n})", f"conversation {n} of the list", "conversations", True, False)
        for n in range(1, 10)
    ),
    KeyBinding("unread", "alt+a", "next_unread", "next one with unread messages", "conversations", for_agents=True),
    KeyBinding("claim", "f2", "command('claim')", "claim this conversation", "conversations", for_agents=True),
    KeyBinding("release", "f3", "command('release')", "release it to the queue", "conversations", for_agents=True),
    KeyBinding("resolve", "f4", "command('resolve')", "resolve it", "conversations", for_agents=True),
    KeyBinding("reopen", "f6", "command('reopen')", "reopen it into the queue", "conversations", for_agents=True),
    KeyBinding("filter", "f7", "next_filter", "list: open, mine, queue, all", "conversations", for_agents=True),
    KeyBinding("list", "f9", "toggle_list", "show or hide the list", "conversations", for_agents=True),
    KeyBinding("presence", "f10", "next_presence", "switch your status: online, away, busy", "you and the connection"),
    KeyBinding("page-up", "pageup", "page(-1)", "scroll up", "read and search", in_palette=False),
    KeyBinding("page-down", "pagedown", "page(1)", "scroll down", "read and search", in_palette=False),
    KeyBinding("top", "ctrl+home", "top", "to the oldest loaded message", "read and search"),
    KeyBinding("bottom", "ctrl+end", "bottom", "to the newest message", "read and search"),
    KeyBinding("mark-up", "ctrl+up", "mark(-1)", "mark the message above", "read and search", in_palette=False),
    KeyBinding("mark-down", "ctrl+down", "mark(1)", "mark the message below", "read and search", in_palette=False),
    KeyBinding("copy", "ctrl+y", "copy", "copy the selection, or the marked message", "read and search"),
    KeyBinding("retry", "f5", "command('retry')", "send failed messages again", "write"),
    KeyBinding("transcript", "f8", "transcript", "read the conversation in $PAGER", "read and search"),
    KeyBinding("editor", "ctrl+e", "editor", "write the message in $EDITOR", "write"),
    KeyBinding("reconnect", "ctrl+r", "command('reconnect')", "connect now, do not wait", "you and the connection"),
    KeyBinding("palette", "ctrl+p", "app.command_palette", "all actions by name", "program", in_palette=False),
    KeyBinding("help", "f1", "help", "keys and commands", "program"),
    KeyBinding("quit", "ctrl+q", "quit_chat", "quit", "program"),
    KeyBinding("interrupt", "ctrl+c", "interrupt", "copy the selection, else quit", "program", in_palette=False),
)


def keys_of(*, is_agent: bool) -> list[KeyBinding]:
    """Return the bindings available to a role."""
    return [key for key in KEYS if is_agent or not key.for_agents]


def help_of(task: Task, chosen: dict[str, str], *, is_agent: bool) -> list[str]:
    """Return the help of the keys of one section; ``chosen`` are the user's keys by id. Alt+1 to Alt+9 share a line."""
    lines = []
    for key in keys_of(is_agent=is_agent):
        if key.task != task or (key.id.startswith("go-") and key.id != "go-1"):
            continue
        names = " or ".join(readable(name) for name in chosen.get(key.id, key.keys).split(","))
        shown = "Alt+1 … Alt+9" if key.id == "go-1" else names
        summary = "conversation by its position in the list" if key.id == "go-1" else key.summary
        lines.append(f"  {shown}".ljust(28) + summary)
    return lines


def readable(name: str) -> str:
    """Return the name of a key as users write it."""
    return "+".join(part.upper() if len(part) == 1 else part.capitalize() for part in name.split("+"))
