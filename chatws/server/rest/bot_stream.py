"""Chat API as server-sent events (WHATWG HTML): ``accepted``, any number of ``delta`` events, ``done``.

``accepted`` and ``done`` carry the same object as the JSON response. The concatenated ``content`` of the deltas is the
bot's text so far. The ``reply`` of ``done`` is authoritative: it differs from the deltas if the bot fails midway.
"""

from __future__ import annotations

from functools import partial

import msgspec
from aiohttp import hdrs, web

from chatws.protocol.responses import BotAck, Refused
from chatws.server.bot.reply import BotReply
from chatws.server.requests.context import RequestContext
from chatws.server.rest.bot import make_ack
from chatws.server.rest.responses import reply_response
from chatws.server.rest.streaming import KEEP_ALIVE_S, StreamingEndpoint

EVENT_STREAM = "text/event-stream"


class BotEndpoint(StreamingEndpoint):
    """Endpoint ``POST /api/coze/chat``: responds with JSON, or streams with ``Accept: text/event-stream``."""

    async def respond(self, request: web.Request) -> web.StreamResponse:
        """Respond in the requested form; errors are JSON in both."""
        if not accepts_event_stream(request):
            return await super().respond(request)
        replies: list[BotReply] = []

        async def prepare() -> tuple[RequestContext, object]:
            request_context, payload = await self.prepare(request)
            request_context.on_reply = replies.append
            return request_context, payload

        ack = await self._context.pipeline.run_operation(self._operation.command, prepare)
        if isinstance(ack, Refused):
            return reply_response(ack)
        assert isinstance(ack, BotAck)
        send = partial(self._send_reply, ack, replies[0] if replies else None)
        return await self.stream(request, EVENT_STREAM, send)

    async def _send_reply(self, accepted: BotAck, reply: BotReply | None, response: web.StreamResponse) -> None:
        """Send the events; the reply of a client that leaves or does not read continues for the room."""
        await self._send_event(response, "accepted", accepted)
        if reply is None:
            await self._send_event(response, "done", accepted)
        else:
            await self._send_deltas(response, reply)
            await self._send_event(response, "done", make_ack(accepted.message_id, reply.message))

    async def _send_deltas(self, response: web.StreamResponse, reply: BotReply) -> None:
        sent_chars = 0
        while True:
            if piece := reply.text[sent_chars:]:
                sent_chars += len(piece)
                await self._send_event(response, "delta", {"content": piece})
            elif reply.is_done:
                return
            elif not await reply.wait_changed(KEEP_ALIVE_S):
                await self.write(response, b":\n\n")

    async def _send_event(self, response: web.StreamResponse, name: str, payload: object) -> None:
        await self.write(response, b"event: %b\ndata: %b\n\n" % (name.encode(), msgspec.json.encode(payload)))


def accepts_event_stream(request: web.Request) -> bool:
    """Return whether the request's Accept header names the event stream."""
    ranges = ",".join(request.headers.getall(hdrs.ACCEPT, [])).split(",")
    return any(part.partition(";")[0].strip().lower() == EVENT_STREAM for part in ranges)
