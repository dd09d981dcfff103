"""Registry of the situations, and the decorator that adds one to it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from chatws_loadtest.client_check.situation_context import SituationContext

SituationFunction = Callable[["SituationContext"], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Situation:
    """Situation that a server or a network puts a client in.

    ``what`` is the sentence of what a client has to do, ``advice`` the line for a client that does not, and ``run``
    injects the fault and judges the traffic. ``in_guide``: the guide requires the behaviour.
    """

    name: str
    what: str
    advice: str
    in_guide: bool
    run: SituationFunction


SITUATIONS: Final[dict[str, Situation]] = {}
"""Every situation by name, in the order of the source files."""


def situation(
    name: str, what: str, advice: str, *, in_guide: bool = False
) -> Callable[[SituationFunction], SituationFunction]:
    """Register a situation."""

    def register(function: SituationFunction) -> SituationFunction:
        assert name not in SITUATIONS, name
        SITUATIONS[name] = Situation(name, what, advice, in_guide, function)
        return function

    return register
