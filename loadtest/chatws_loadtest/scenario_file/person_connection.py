"""One connection of a person: hands over every event as it arrives, and can be frozen and aborted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from chatws_loadtest.raw_client import Fields, PacketMissing, RawClient


class PersonConnection(RawClient):
    """Raw connection whose events go to a receiver instead of `events`."""

    # Not set in `__init__`: the base class begins to read in its own.
    _receiver: Callable[[str, object], None] | None = None
    # Set at the end of a freeze; None while none was begun.
    _thawed: asyncio.Event | None = None

    @property
    def has_additions(self) -> bool:
        """Whether the server offers the additions to the guide: seq, catch-up, read marks, assignment."""
        return "epoch" in self.identity

    def deliver_to(self, receiver: Callable[[str, object], None]) -> None:
        """Hand over the events received so far, and all later ones."""
        self._receiver = receiver
        self._hand_over()

    def require_event(self, name: str) -> None:
        """Check that the mapping offers an event.

        Raises:
            NotMapped: it does not.
        """
        if self._translator is not None:
            self._translator.require_event(name)

    def freeze(self) -> None:
        """Read nothing until `thaw`, so that neither events nor pings are processed."""
        self._thawed = asyncio.Event()

    def thaw(self) -> None:
        if self._thawed is not None:
            self._thawed.set()

    async def abort(self) -> None:
        """Close the transport without a WebSocket close frame, as a lost network does."""
        self.thaw()
        if self._recording is not None:
            self._recording.closed("client", reason="cut")
        await self._http.close()

    async def request_until_end(self, name: str, *args: object) -> Fields | None:
        """Send an event and return its ack; None if the connection ends before.

        Raises:
            PacketMissing: the connection is open, and no ack arrived in time.
        """
        request = asyncio.create_task(self.request(name, *args))
        end = asyncio.create_task(self.ended.wait())
        try:
            await asyncio.wait({request, end}, return_when=asyncio.FIRST_COMPLETED)
            return await request if request.done() else None
        except PacketMissing:
            if self.ended.is_set():
                return None
            raise
        finally:
            for task in (request, end):
                task.cancel()
            await asyncio.gather(request, end, return_exceptions=True)

    async def _take(self, text: str) -> None:
        if self._thawed is not None:
            await self._thawed.wait()
        await super()._take(text)

    async def _append(self, name: str, payload: object) -> None:
        # Not in `_take`: a mapping may say that the client reports an event itself as soon as it has sent a command.
        await super()._append(name, payload)
        if self._receiver is not None:
            self._hand_over()

    def _hand_over(self) -> None:
        assert self._receiver is not None
        while self.events:
            self._receiver(*self.events.pop(0))
