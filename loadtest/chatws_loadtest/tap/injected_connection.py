"""Connection through a tap with rules: packets are parsed before they are forwarded, and some get a fault."""

from __future__ import annotations

import asyncio
import os
import time
from typing import Final, NamedTuple

from chatws.wire.frames import Opcode, client_frame, server_frame
from chatws_loadtest.tap.fault_injector import Fault, InjectionState, RuleInjector, Ruling, corrupt
from chatws_loadtest.tap.frame_splitter import FrameSplitter, RawFrame
from chatws_loadtest.tap.http_stream import MAX_BODY_BYTES, HttpHead, MessageEnd
from chatws_loadtest.tap.observations import FaultInjected
from chatws_loadtest.tap.poll_injection import inject_into_body
from chatws_loadtest.tap.request_head import replace_length, rewrite
from chatws_loadtest.tap.tapped_connection import Exchange, TapContext, TappedConnection, TappedWebSocket

REORDER_S: Final = 1.0
"""Time for which a packet waits for one to follow it."""

NO_RULING: Final = Ruling(None, None)
NOOP: Final = b"6"
ACCEPTED: Final = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\nok"
"""Response to a polling request whose packets were all dropped."""


class _WaitingFrame(NamedTuple):
    """Frame that follows the next one of the same event, at the latest when the timer ends."""

    frame: RawFrame
    ruling: Ruling
    timer: asyncio.TimerHandle


class _HeldMessage:
    """HTTP message whose body is collected before it is forwarded."""

    def __init__(self, head: bytes) -> None:
        self.head = head
        self.raw = bytearray()


class InjectedConnection(TappedConnection):
    """Connection whose frames and polling bodies pass the rules; the analysis sees them as they were forwarded."""

    def __init__(self, context: TapContext, injector: RuleInjector) -> None:
        super().__init__(context)
        self._injector = injector
        # State of the WebSocket, set by its first frame.
        self._state: InjectionState | None = None
        # Frame that waits for the next one of the same sender, to follow it; by whether the client sent it.
        self._waiting: dict[bool, _WaitingFrame] = {}
        self._held_request: _HeldMessage | None = None
        self._held_response: _HeldMessage | None = None

    # Frames

    def _forward_client_frames(self, chunk: bytes, now: float) -> None:
        del now
        self._inject_into_frames(self._from_client, chunk, from_client=True)

    def _forward_server_frames(self, chunk: bytes, now: float) -> None:
        del now
        self._inject_into_frames(self._from_server, chunk, from_client=False)

    def _inject_into_frames(self, splitter: FrameSplitter, chunk: bytes, *, from_client: bool) -> None:
        link = self._link or self._requested
        assert link is not None
        if self._state is None:
            self._state = self._injector.state(link.sid)
        for frame in splitter.feed(chunk):
            text, ruling = "", NO_RULING
            if frame.is_whole_text:
                text = frame.payload.decode(errors="replace")
                ruling = self._state.decide(text, from_client=from_client)
            if ruling.fault is None or not self._apply(link, ruling, frame, text, from_client=from_client):
                self._send(link, frame, from_client)
            self._send_waiting(link, from_client, ruling)

    def _apply(self, link: TappedWebSocket, ruling: Ruling, frame: RawFrame, text: str, *, from_client: bool) -> bool:
        """Inject the fault of a packet; return whether the packet itself must not be sent now."""
        assert ruling.fault is not None
        rule = ruling.fault.rule
        if rule.action == "reorder" and from_client in self._waiting:
            return False  # only one packet waits at a time
        self._context.observations.add(
            FaultInjected(time.monotonic(), link.number, link.sid, rule.text, ruling.fault.event)
        )
        match rule.action:
            case "cut":
                self.cut()
            case "delay":
                self._loop.call_later(rule.delay_s, self._send, link, frame, from_client)
            case "duplicate":
                self._send(link, frame, from_client)
                return False
            case "corrupt":
                self._send(link, _make_frame(corrupt(text), from_client=from_client), from_client)
            case "reorder":
                timer = self._loop.call_later(REORDER_S, self._send_waiting, link, from_client)
                self._waiting[from_client] = _WaitingFrame(frame, ruling, timer)
        return True

    def _send_waiting(self, link: TappedWebSocket, from_client: bool, sent: Ruling | None = None) -> None:  # noqa: FBT001 - called by a timer
        """Send the frame that waits, if its time has come: the next packet of the same event was sent."""
        waiting = self._waiting.get(from_client)
        if waiting is None or sent is waiting.ruling or (sent is not None and sent.subject != waiting.ruling.subject):
            return
        del self._waiting[from_client]
        waiting.timer.cancel()
        self._send(link, waiting.frame, from_client)

    def _send(self, link: TappedWebSocket, frame: RawFrame, from_client: bool) -> None:  # noqa: FBT001 - called by a timer
        (self._to_server if from_client else self._to_client)(frame.raw)
        self._context.observations.add_frame(time.monotonic(), link.number, from_client, *frame)

    # Polling

    def _send_request_head(self, head: HttpHead, exchange: Exchange) -> None:
        if exchange.is_poll and exchange.kind.method == "POST" and exchange.kind.sid:
            self._held_request = _HeldMessage(rewrite(head, self._context.target))
        else:
            super()._send_request_head(head, exchange)

    def _send_request_body(self, raw: bytes) -> None:
        if self._held_request is None:
            super()._send_request_body(raw)
        elif not _hold(self._held_request, raw):
            self._to_server(self._held_request.head + self._held_request.raw)
            self._held_request = None

    def _finish_request(self, end: MessageEnd, now: float) -> None:
        held, self._held_request = self._held_request, None
        if held is None:
            super()._finish_request(end, now)
            return
        exchange = self._exchanges[-1]
        injected = inject_into_body(self._injector.state(exchange.kind.sid), end.body or b"", from_client=True)
        self._report(exchange, injected.faults)
        if injected.is_cut:
            self.cut()
        elif injected.faults and not injected.body:
            self._exchanges.pop()
            self._to_client(ACCEPTED)
        elif injected.faults:
            message = replace_length(held.head, len(injected.body)) + injected.body
            self._loop.call_later(injected.delay_s, self._to_server, message)
        else:
            self._to_server(held.head + held.raw)
        if injected.body and not injected.is_cut:
            self._observe_poll(exchange, injected.body, now, from_client=True)

    def _send_response_head(self, head: HttpHead) -> None:
        if self._exchanges and head.status == 200:  # noqa: PLR2004 - OK
            kind = self._exchanges[0].kind
            if kind.transport == "polling" and kind.method == "GET" and kind.sid:
                self._held_response = _HeldMessage(head.raw)
                return
        super()._send_response_head(head)

    def _send_response_body(self, raw: bytes) -> None:
        if self._held_response is None:
            super()._send_response_body(raw)
        elif not _hold(self._held_response, raw):
            self._to_client(self._held_response.head + self._held_response.raw)
            self._held_response = None

    def _finish_poll(self, exchange: Exchange, body: bytes, now: float) -> None:
        held, self._held_response = self._held_response, None
        if held is None:
            super()._finish_poll(exchange, body, now)
            return
        injected = inject_into_body(self._injector.state(exchange.kind.sid), body, from_client=False)
        self._report(exchange, injected.faults)
        if injected.is_cut:
            self.cut()
            return
        if injected.faults:
            sent = injected.body or NOOP
            message = replace_length(held.head, len(sent)) + sent
            self._loop.call_later(injected.delay_s, self._to_client, message)
        else:
            self._to_client(held.head + held.raw)
        if injected.body:
            self._observe_poll(exchange, injected.body, now, from_client=False)

    def _report(self, exchange: Exchange, faults: list[Fault]) -> None:
        for fault in faults:
            self._context.observations.add(
                FaultInjected(time.monotonic(), 0, exchange.kind.sid, fault.rule.text, fault.event)
            )


def _hold(message: _HeldMessage, raw: bytes) -> bool:
    """Add bytes to a held message; return False if it has become too large to be held."""
    message.raw += raw
    return len(message.raw) <= MAX_BODY_BYTES


def _make_frame(text: str, *, from_client: bool) -> RawFrame:
    payload = text.encode()
    raw = client_frame(payload, os.urandom(4)) if from_client else server_frame(payload, Opcode.TEXT)
    return RawFrame(raw, len(raw) - len(payload))
