"""Slash commands that inject connection faults, for every terminal mode."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Final, Protocol

from chatws.client import faults

if TYPE_CHECKING:
    from chatws.client import AgentClient, CustomerClient

CommandHandler = Callable[[str], Coroutine[object, object, None]]
"""Runs a command with its argument."""

_DEFAULT_S: Final = 5.0
_MAX_S: Final = 600.0


class ShowNotice(Protocol):
    """Shows a notice to the user."""

    def __call__(self, text: str, *, is_problem: bool = False) -> None:
        """Show a notice."""


class FaultCommands:
    """Commands that cut, freeze, expire or reopen the connection."""

    def __init__(self, client: AgentClient | CustomerClient, show: ShowNotice) -> None:
        self._client = client
        self._show = show
        self.handlers: Mapping[str, CommandHandler] = {
            "reconnect": self._reconnect,
            "drop": self._drop,
            "freeze": self._freeze,
            "expire": self._expire,
        }

    async def _reconnect(self, argument: str) -> None:
        del argument
        if self._client.state == "connected":
            self._show("already connected")
        self._client.reconnect_now()

    async def _drop(self, argument: str) -> None:
        seconds = self._seconds(argument)
        if seconds is not None:
            faults.cut_connection(self._client, seconds)

    async def _freeze(self, argument: str) -> None:
        seconds = self._seconds(argument)
        if seconds is None:
            return
        is_frozen = faults.freeze_connection(self._client, seconds)
        text = f"frozen for {seconds:g} s" if is_frozen else "there is no WebSocket to freeze"
        self._show(text, is_problem=not is_frozen)

    async def _expire(self, argument: str) -> None:
        del argument
        faults.expire_credentials(self._client)

    def _seconds(self, argument: str) -> float | None:
        try:
            seconds = float(argument or _DEFAULT_S)
        except ValueError:
            seconds = -1.0
        if 0 < seconds <= _MAX_S:
            return seconds
        self._show(f"give a number of seconds, at most {_MAX_S:g}", is_problem=True)
        return None
