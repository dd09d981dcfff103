"""Canned replies of an agent's terminal: those of the user's own file, and those of the server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chatws.client import ClientError
from chatws.settings.replies import FILE_NAME, BadReplies, read_replies
from chatws_cli.config_files import config_file

if TYPE_CHECKING:
    from chatws.client import AgentClient

PLACEHOLDER = "{customer}"


class CannedReplies:
    """Texts by name; an own one replaces one of the server with the same name."""

    def __init__(self, client: AgentClient) -> None:
        self._client = client
        self._by_name: dict[str, str] = {}

    def names(self) -> list[str]:
        """Return the names in alphabetical order."""
        return sorted(self._by_name)

    async def load(self) -> str | None:
        """Read both lists; return the problem of one that cannot be used."""
        problem = None
        try:
            self._by_name = {reply.name: reply.content for reply in await self._client.replies()}
        except ClientError as error:
            problem = f"the server's canned replies: {error}"
        try:
            self._by_name |= read_replies(config_file(FILE_NAME))
        except BadReplies as error:
            problem = str(error)
        return problem

    def text(self, name: str, customer: str) -> str | None:
        """Return a reply to a customer; None for an unknown name."""
        text = self._by_name.get(name)
        return None if text is None else text.replace(PLACEHOLDER, customer)
