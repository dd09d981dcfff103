"""Analysis of Socket.IO packets: events with their acks and deliveries, and the flags that they cause."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import msgspec

from chatws.client.mapping import ServerMapping
from chatws.wire.socketio import SocketPacket, SocketPacketType, decode
from chatws_loadtest.tap.event_fields import EventFields, read_seq
from chatws_loadtest.tap.masking import BoundedPseudonyms, clean, mask_reason, reveal
from chatws_loadtest.tap.message_pairs import MessagePairs, PairedMessage
from chatws_loadtest.tap.tap_records import RecordType, TapRecord
from chatws_loadtest.tap.tapped_session import PendingAck, TappedSession

MAX_WAITING: Final = 100_000
MAX_ATTACHMENTS: Final = 1000
MAX_REQUESTED: Final = 1000
MAX_LISTED: Final = 200
MAX_USERS: Final = 50_000
_EVENTS: Final = frozenset({SocketPacketType.EVENT, SocketPacketType.BINARY_EVENT})
_ACKS: Final = frozenset({SocketPacketType.ACK, SocketPacketType.BINARY_ACK})

_decode_values: Callable[[str], list[Any]] = msgspec.json.Decoder(list[Any]).decode
_decode_object: Callable[[str], dict[str, Any]] = msgspec.json.Decoder(dict[str, Any]).decode


class AnalysisOptions(msgspec.Struct, frozen=True):
    """Limits of acks, and whether contents are shown."""

    ack_late_s: float = 1.0
    ack_never_s: float = 10.0
    with_content: bool = False


class _Seen(NamedTuple):
    """Packet with its time, session and size."""

    t: float
    session: TappedSession
    packet: SocketPacket
    size: int


class PacketAnalyser:
    """Analysis of the packets of all sessions."""

    def __init__(
        self,
        mapping: ServerMapping,
        options: AnalysisOptions,
        emit: Callable[[TapRecord], None],
        on_user: Callable[[float, TappedSession], None],
    ) -> None:
        """Create an analysis; ``on_user`` is called when the server has confirmed a user."""
        self._on_user = on_user
        self._fields = EventFields(mapping)
        self._options = options
        self._emit = emit
        shows = options.with_content
        self._rooms = BoundedPseudonyms("r", shows_ids=shows)
        self._users = BoundedPseudonyms("u", shows_ids=shows)
        self._keys = BoundedPseudonyms("k", shows_ids=shows)
        self._pairs = MessagePairs(BoundedPseudonyms("m", shows_ids=False), grace_s=options.ack_late_s)
        self._known_users: set[str] = set()
        # In order of their times; both limits are constants, so the first ones are due first.
        self._late: deque[PendingAck] = deque(maxlen=MAX_WAITING)
        self._never: deque[PendingAck] = deque(maxlen=MAX_WAITING)

    def observe(self, t: float, session: TappedSession, text: str, *, from_client: bool) -> None:
        """Analyse a message of Engine.IO.

        Raises:
            PacketError: the packet violates the protocol.
        """
        packet = decode(text, at=1, max_attachments=MAX_ATTACHMENTS)
        seen = _Seen(t, session, packet, len(text))
        if packet.type in _EVENTS:
            args = self._values(seen)
            if args and isinstance(args[0], str):
                handle = self._see_sent if from_client else self._see_received
                handle(seen, args[0], args[1:])
        elif packet.type in _ACKS:
            values = self._values(seen)
            handle_ack = self._see_client_ack if from_client else self._see_ack
            handle_ack(seen, values or [])
        else:
            self._see_control(seen, from_client=from_client)

    def tick(self, t: float) -> None:
        """Flag acks that are late or missing, and deliveries that no message explains."""
        while self._late and t - self._late[0].t >= self._options.ack_late_s:
            waiting = self._late.popleft()
            if not waiting.is_done:
                self._flag_ack(t, waiting, "ack_late", f"no ack after {self._options.ack_late_s:g} s")
        while self._never and t - self._never[0].t >= self._options.ack_never_s:
            waiting = self._never.popleft()
            if not waiting.is_done:
                self._flag_ack(t, waiting, "ack_never", f"no ack after {self._options.ack_never_s:g} s")
                waiting.is_done = True
                self._drop(waiting)
        for c, room, name in self._pairs.take_unmatched(t):
            detail = "no client has sent it through the tap"
            self._emit_flag(t, c, "delivery_without_send", detail, room=room, message=name)

    def close(self, t: float, session: TappedSession) -> None:
        """Flag the acks that a session no longer gets."""
        for waiting in list(session.pending.values()):
            if not waiting.is_done:
                self._flag_ack(t, waiting, "ack_never", "the connection ended before the ack")
                waiting.is_done = True
        session.pending.clear()

    def forget(self) -> None:
        """Forget what depends on frames that were not analysed."""
        self._pairs.forget_unmatched()

    def _values(self, seen: _Seen) -> list[Any] | None:
        try:
            return _decode_values(seen.packet.raw_json)
        except (msgspec.DecodeError, RecursionError, UnicodeError):
            session = seen.session
            self._emit_flag(seen.t, session.c, "unreadable", "the payload is not JSON", user=session.user)
            return None

    def _see_sent(self, seen: _Seen, event: str, args: list[Any]) -> None:
        t, session, packet, _ = seen
        fields = self._fields
        room, key = fields.sent_room(event, args), fields.sent_key(event, args)
        sent, text = None, ""
        if event == fields.send:
            text = fields.sent_content(event, args)
            sent = self._pairs.send(t, session.c, room, key, text)
        name = "" if sent is None else sent.name
        self._emit_packet(seen, "out", event, args, room=room, key=key, message=name, chars=len(text))
        if event == fields.join and room:
            session.join(room)
        elif event in fields.in_room and room and fields.join and room not in session.rooms:
            self._emit_flag(t, session.c, "before_join", clean(event), room=room, user=session.user)
        if event == fields.leave:
            session.leave(room)
        if packet.ack_id is not None:
            waiting = PendingAck(t, session, event, packet.ack_id, room, sent)
            session.pending[packet.namespace, packet.ack_id] = waiting
            self._late.append(waiting)
            self._never.append(waiting)

    def _see_ack(self, seen: _Seen, values: list[Any]) -> None:
        t, session, packet, _ = seen
        assert packet.ack_id is not None
        waiting = session.pending.pop((packet.namespace, packet.ack_id), None)
        ok, error = self._fields.outcome(values)
        event, room, sent = "", "", None
        if waiting is not None:
            waiting.is_done = True
            event, room, sent = waiting.event, waiting.room, waiting.sent
        self._emit_packet(
            seen,
            "ack",
            event,
            values,
            room=room,
            message="" if sent is None else sent.name,
            messages=self._listed(room, values) if sent is None else (),
            seq=read_seq(values),
            since=None if waiting is None else waiting.t,
            ok=ok,
            error=error,
        )
        if sent is not None and ok is not False:
            self._pair_ack(t, session, sent, room, values)
        if event == self._fields.join and ok is False:
            session.leave(room)
        if event and event == self._fields.authenticate and ok is not False:
            self._identify(t, session, values)

    def _listed(self, room: str, values: list[Any]) -> tuple[str, ...]:
        """Return the pseudonyms of the messages that an ack lists, as that of a join or a page of the history."""
        first = values[0] if values and isinstance(values[0], dict) else {}
        rows = first.get("messages")
        if not isinstance(rows, list):
            return ()
        ids = [self._fields.received_message([row]) for row in rows[:MAX_LISTED]]
        return tuple(self._pairs.name_of(room, message_id) for message_id in ids if message_id)

    def _pair_ack(self, t: float, session: TappedSession, sent: PairedMessage, room: str, values: list[Any]) -> None:
        if not self._pairs.acked(sent, room, self._fields.acked_message(values)):
            detail = "the repeated message was stored a second time"
            self._emit_flag(t, session.c, "duplicate", detail, room=room, message=sent.name, user=session.user)

    def _see_received(self, seen: _Seen, event: str, args: list[Any]) -> None:
        t, session, packet, _ = seen
        fields = self._fields
        if event == fields.identified and event:
            self._identify(t, session, args)
        room = fields.received_room(event, args)
        if event == fields.joined and room:
            session.rooms[room] = None
        if packet.ack_id is not None:
            session.requested[packet.namespace, packet.ack_id] = (event, t)
            if len(session.requested) > MAX_REQUESTED:
                session.requested.popitem(last=False)
        message, since, seq, sender = "", None, None, ""
        if event == fields.delivery:
            message, since = self._pair_delivery(t, session, room, args)
            seq, sender = read_seq(args), fields.received_sender(args)
        self._emit_packet(
            seen,
            "in",
            event,
            args,
            role=session.role if event == fields.identified else "",
            room=room,
            key=fields.received_key(args),
            message=message,
            seq=seq,
            since=since,
            sender=sender,
        )
        if message:
            self._check_delivery(t, session, room, message, seq)

    def _pair_delivery(self, t: float, session: TappedSession, room: str, args: list[Any]) -> tuple[str, float | None]:
        """Return the pseudonym of a delivered message, and the time at which it was sent."""
        fields = self._fields
        message_id, key = fields.received_message(args), fields.received_key(args)
        sent = self._pairs.delivered(room, message_id, key, fields.received_content(args))
        if sent is not None:
            return sent.name, sent.t
        sender = fields.received_sender(args)
        # A user without a connection through the tap sends past it.
        is_judged = not sender or sender in self._known_users
        return self._pairs.hold_unmatched(t, session.c, room, message_id, is_judged=is_judged), None

    def _check_delivery(self, t: float, session: TappedSession, room: str, message: str, seq: int | None) -> None:
        flag, detail = "duplicate", "this connection has received the message before"
        if session.receive(message):
            flag, detail = ("", "") if seq is None else session.check_seq(room, seq)
        if flag:
            self._emit_flag(t, session.c, flag, detail, room=room, message=message, user=session.user)

    def _see_client_ack(self, seen: _Seen, values: list[Any]) -> None:
        packet = seen.packet
        assert packet.ack_id is not None
        event, since = seen.session.requested.pop((packet.namespace, packet.ack_id), ("", None))
        self._emit_packet(seen, "client_ack", event, values, since=since)

    def _see_control(self, seen: _Seen, *, from_client: bool) -> None:
        """Show CONNECT, DISCONNECT and CONNECT_ERROR as events, without their content, which may be credentials."""
        t, session, packet, _ = seen
        message = None
        if packet.type is SocketPacketType.CONNECT_ERROR and packet.raw_json:
            message = _decode_object(packet.raw_json).get("message")
        if packet.type is SocketPacketType.CONNECT and not from_client and self._fields.identified_by_connect:
            self._identify(t, session, [_decode_object(packet.raw_json)] if packet.raw_json else [])
        error = message if isinstance(message, str) else ""
        self._emit_packet(
            seen._replace(size=len(packet.raw_json)), "out" if from_client else "in", packet.type.name, error=error
        )

    def _identify(self, t: float, session: TappedSession, args: list[Any]) -> None:
        user_id, role = self._fields.identity(args)
        if not user_id:
            return
        session.user, session.role = self._users.name(user_id), clean(role, 32)
        if len(self._known_users) < MAX_USERS:
            self._known_users.add(user_id)
        self._on_user(t, session)

    def _flag_ack(self, t: float, waiting: PendingAck, flag: str, detail: str) -> None:
        session, sent = waiting.session, waiting.sent
        self._emit_flag(
            t,
            session.c,
            flag,
            detail,
            user=session.user,
            event=waiting.event,
            ack=waiting.ack,
            room=waiting.room,
            message="" if sent is None else sent.name,
        )

    def _drop(self, waiting: PendingAck) -> None:
        pending = waiting.session.pending
        for key in [key for key, row in pending.items() if row is waiting]:
            del pending[key]

    def _emit_packet(
        self,
        seen: _Seen,
        kind: RecordType,
        event: str,
        values: list[Any] | None = None,
        *,
        role: str = "",
        room: str = "",
        message: str = "",
        messages: tuple[str, ...] = (),
        key: str = "",
        seq: int | None = None,
        sender: str = "",
        since: float | None = None,
        ok: bool | None = None,
        error: str = "",
        chars: int = 0,
    ) -> None:
        """Emit the record of a packet; rooms, keys and users are still ids, and messages pseudonyms."""
        shows = self._options.with_content
        self._emit(
            TapRecord(
                t=seen.t,
                type=kind,
                c=seen.session.c,
                user=seen.session.user,
                role=role,
                event=clean(event),
                ack=seen.packet.ack_id,
                room=self._rooms.name(room),
                message=message,
                messages=messages,
                key=self._keys.name(key),
                seq=seq,
                size=seen.size,
                chars=chars,
                sender=self._users.name(sender),
                ms=None if since is None else round((seen.t - since) * 1000, 2),
                ok=ok,
                error=mask_reason(error, with_content=shows) if error else "",
                content=reveal(values) if shows and values is not None else "",
            )
        )

    def _emit_flag(
        self,
        t: float,
        c: int,
        flag: str,
        detail: str,
        *,
        user: str = "",
        event: str = "",
        ack: int | None = None,
        room: str = "",
        message: str = "",
    ) -> None:
        """Emit a flag; the room is still an id."""
        self._emit(
            TapRecord(
                t=t,
                type="flag",
                c=c,
                user=user,
                flag=flag,
                event=clean(event),
                ack=ack,
                room=self._rooms.name(room),
                message=message,
                detail=detail,
            )
        )
