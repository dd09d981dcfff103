"""Client of a customer, identified by a session id."""

from __future__ import annotations

from chatws.client.base import ChatClient
from chatws.client.options import ClientOptions


class CustomerClient(ChatClient):
    """Connection of a customer; an expired session is final."""

    def __init__(self, url: str, session_id: str, *, options: ClientOptions | None = None) -> None:
        self._session_id = session_id
        super().__init__(url, self._credentials, options or ClientOptions(), renewable=False)

    async def _credentials(self) -> dict[str, str]:
        return {"sessionId": self._session_id}
