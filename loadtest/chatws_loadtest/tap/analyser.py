"""Analysis of forwarded frames and bodies: sessions, packets and faults become records."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from chatws.client.mapping import ServerMapping
from chatws.wire.engineio import PROBE, EnginePacketType, decode_open, decode_packet, split_payload
from chatws.wire.errors import WireError
from chatws.wire.frame_parser import parse_close
from chatws.wire.frames import Opcode
from chatws_loadtest.tap.masking import mask_path, mask_reason
from chatws_loadtest.tap.observations import (
    FaultInjected,
    FrameSeen,
    HttpSeen,
    LinkEnded,
    LinkOpened,
    Observation,
    ObservationsSkipped,
    PollSeen,
    TimePassed,
)
from chatws_loadtest.tap.packet_analyser import AnalysisOptions, PacketAnalyser
from chatws_loadtest.tap.storms import StormDetector
from chatws_loadtest.tap.tap_records import TapRecord
from chatws_loadtest.tap.tapped_session import TappedSession

MAX_SESSIONS: Final = 20_000
_FIRST_ERROR: Final = 400


class Analyser:
    """Analysis of one tap; ``emit`` gets each record, with times in seconds since ``started_s``."""

    def __init__(
        self, mapping: ServerMapping, options: AnalysisOptions, started_s: float, emit: Callable[[TapRecord], None]
    ) -> None:
        self._options = options
        self._started_s = started_s
        self._emit = emit
        self._packets = PacketAnalyser(mapping, options, emit, self._identified)
        self._storms = StormDetector()
        self._sessions: dict[str, TappedSession] = {}
        # Numbers of WebSockets.
        self._by_link: dict[int, TappedSession] = {}
        self._upgrading: dict[int, str] = {}
        self._open: set[TappedSession] = set()
        self._count = 0

    @property
    def open_connections(self) -> int:
        return len(self._open)

    def observe(self, seen: Observation) -> None:
        """Analyse one observation."""
        t = round(seen.t - self._started_s, 6)
        match seen:
            case FrameSeen():
                self._see_frame(t, seen)
            case PollSeen():
                self._see_poll(t, seen)
            case TimePassed():
                self._tick(t)
            case LinkOpened():
                self._open_link(t, seen)
            case LinkEnded():
                self._end_link(t, seen)
            case HttpSeen():
                self._see_http(t, seen)
            case FaultInjected():
                session = self._session_of(seen.link) or self._sessions.get(seen.sid)
                number = 0 if session is None else session.c
                self._emit(TapRecord(t=t, type="rule", c=number, rule=seen.rule, event=seen.event))
            case ObservationsSkipped():
                self._skip(t, seen.count)

    def _tick(self, t: float) -> None:
        """Report acks that are late or missing, deliveries without a message, and polling clients that are gone."""
        self._packets.tick(t)
        for session in [row for row in self._open if row.transport == "polling" and t - row.seen_at > row.silence_s]:
            self._close(t, session, "client", reason="silent")

    def _skip(self, t: float, count: int) -> None:
        """Report frames that were not analysed, and forget everything that depends on them."""
        for session in self._open:
            session.forget()
        self._packets.forget()
        self._emit(TapRecord(t=t, type="flag", flag="skipped", detail=f"{count} frames were not analysed"))

    def _new_session(self, t: float, transport: str, sid: str = "") -> TappedSession:
        self._count += 1
        session = TappedSession(self._count, transport, t, sid)
        self._open.add(session)
        if sid:
            self._sessions[sid] = session
        if len(self._open) > MAX_SESSIONS:
            self._close(t, min(self._open, key=lambda row: row.seen_at), "tap", reason="too many connections")
        self._emit(TapRecord(t=t, type="open", c=session.c, transport=transport))
        self._flag_storm(t, session.c, self._storms.attempt(t))
        return session

    def _session_of(self, link: int) -> TappedSession | None:
        session = self._by_link.get(link)
        return self._sessions.get(self._upgrading.get(link, "")) if session is None else session

    def _open_link(self, t: float, seen: LinkOpened) -> None:
        if seen.sid:
            self._upgrading[seen.link] = seen.sid
        else:
            self._by_link[seen.link] = self._new_session(t, "websocket")

    def _end_link(self, t: float, seen: LinkEnded) -> None:
        self._upgrading.pop(seen.link, None)
        session = self._by_link.pop(seen.link, None)
        if session is not None and session.is_open:
            # A close frame or packet names the end that began.
            self._close(t, session, session.close_by or seen.by, session.close_code, session.close_reason)

    def _close(self, t: float, session: TappedSession, by: str, code: int = 0, reason: str = "") -> None:
        session.is_open = False
        self._open.discard(session)
        self._sessions.pop(session.sid, None)
        self._storms.ended(t)
        if session.user:
            self._storms.user_ended(session.user)
        self._packets.close(t, session)
        shown = mask_reason(reason, with_content=self._options.with_content)
        self._emit(TapRecord(t=t, type="close", c=session.c, user=session.user, by=by, code=code, reason=shown))

    def _see_http(self, t: float, seen: HttpSeen) -> None:
        path = mask_path(seen.path, with_content=self._options.with_content)
        is_refused = bool(seen.transport) and seen.status >= _FIRST_ERROR
        if is_refused:
            self._storms.ended(t)
            self._flag_storm(t, 0, self._storms.attempt(t))
        self._emit(
            TapRecord(
                t=t,
                type="http",
                event=f"{seen.method[:16]} {path}",
                transport=seen.transport,
                code=seen.status,
                ms=round(seen.ms, 2),
                error=seen.error,
            )
        )

    def _see_poll(self, t: float, seen: PollSeen) -> None:
        try:
            parts = split_payload(seen.body)
        except WireError as problem:
            self._unreadable(t, self._sessions.get(seen.sid), str(problem))
            return
        session = self._sessions.get(seen.sid)
        if not seen.sid and not seen.from_client and parts and isinstance(parts[0], str):
            session = self._open_polling(t, parts[0])
        if session is None:
            return
        for part in parts:
            if isinstance(part, str):
                self._see_packet(t, session, 0, part, from_client=seen.from_client)
        if session.close_by and session.is_open and session.transport == "polling":
            self._close(t, session, session.close_by)

    def _open_polling(self, t: float, text: str) -> TappedSession | None:
        try:
            handshake = decode_open(decode_packet(text))
        except WireError:
            return None  # another protocol, or JSON of an error
        session = self._new_session(t, "polling", handshake.sid)
        session.silence_s = (handshake.ping_interval + handshake.ping_timeout) / 1000 + 5
        return session

    def _see_frame(self, t: float, seen: FrameSeen) -> None:
        frame, session = seen.frame, self._session_of(seen.link)
        if session is None or not session.is_open:
            return
        session.seen_at = t
        if frame.is_whole_text:
            try:
                text = frame.payload.decode()
            except UnicodeDecodeError:
                self._unreadable(t, session, "text is not UTF-8")
                return
            self._see_packet(t, session, seen.link, text, from_client=seen.from_client)
        elif not frame.head_bytes:
            return  # a piece of a frame that is too large
        elif frame.opcode == Opcode.CLOSE:
            self._see_close(session, frame.payload, "client" if seen.from_client else "server")
        elif frame.raw[0] & 0x70:
            self._unreadable(t, session, "reserved bits are set")

    def _see_close(self, session: TappedSession, payload: bytes, by: str) -> None:
        if not session.close_by:
            session.close_by = by
        if session.close_by == by and not session.close_code:
            try:
                session.close_code, session.close_reason = parse_close(payload)
            except WireError:
                session.close_reason = "invalid close frame"

    def _see_packet(self, t: float, session: TappedSession, link: int, text: str, *, from_client: bool) -> None:
        session.seen_at = t
        kind = text[:1]
        if kind == EnginePacketType.MESSAGE:
            try:
                self._packets.observe(t, session, text, from_client=from_client)
            except WireError as problem:
                self._unreadable(t, session, str(problem))
        elif kind == EnginePacketType.CLOSE:
            session.close_by = session.close_by or ("client" if from_client else "server")
        elif kind == EnginePacketType.UPGRADE and from_client and link in self._upgrading:
            session.transport = "websocket"
            self._by_link[link] = session
            self._emit(TapRecord(t=t, type="upgrade", c=session.c, user=session.user, transport="websocket"))
        elif kind not in set(EnginePacketType) or (kind == EnginePacketType.PING and text[1:] not in {"", PROBE}):
            self._unreadable(t, session, "unknown Engine.IO packet")

    def _unreadable(self, t: float, session: TappedSession | None, detail: str) -> None:
        number = 0 if session is None else session.c
        self._emit(TapRecord(t=t, type="flag", c=number, flag="unreadable", detail=detail))

    def _identified(self, t: float, session: TappedSession) -> None:
        self._flag_storm(t, session.c, self._storms.identified(session.user, t), session.user)

    def _flag_storm(self, t: float, number: int, detail: str, user: str = "") -> None:
        if detail:
            self._emit(TapRecord(t=t, type="flag", c=number, user=user, flag="reconnect_storm", detail=detail))
