"""Driver of a session that records its packets in a ``.chatlog``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from chatws.client.gevent.driver import GeventDriver
from chatws.client.gevent.transport_choice import TransportChoice

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chatws.client.core.effects import ConnectionEnd
    from chatws.client.gevent.connection import GeventConnection
    from chatws_loadtest.chatlog.recorder import ChatlogRecorder, ConnectionRecording


class RecordedDriver(GeventDriver):
    """Driver whose connections are recorded."""

    def __init__(self, recorder: ChatlogRecorder, *args: Any, **options: Any) -> None:  # noqa: ANN401  those of the base
        super().__init__(*args, **options)
        self._recorder = recorder
        # Recording of the current connection; None between two connections.
        self._recording: ConnectionRecording | None = None

    def connection_event(self, raw_json: str) -> None:
        if self._recording is not None:
            self._recording.received(raw_json)
        super().connection_event(raw_json)

    def connection_ack(self, ack_id: int, raw_json: str) -> None:
        if self._recording is not None:
            self._recording.acked(ack_id, raw_json)
        super().connection_ack(ack_id, raw_json)

    def connection_upgraded(self) -> None:
        if self._recording is not None:
            self._recording.upgraded()
        super().connection_upgraded()

    def connection_ended(self, end: ConnectionEnd) -> None:
        recording, self._recording = self._recording, None
        if recording is not None:
            by_server = end.by_server or end.code is not None or end.reason.startswith(("transport", "the server"))
            recording.closed("server" if by_server else "client", reason=end.reason)
        super().connection_ended(end)

    def _open_connection(self) -> GeventConnection:
        polls = self._transport is not TransportChoice.WEBSOCKET
        self._recording = self._recorder.open_connection("polling" if polls else "websocket")
        return super()._open_connection()

    def _send(self, name: str, args: Sequence[object], ack_id: int | None) -> None:
        if self._recording is not None:
            self._recording.sent(msgspec.json.encode([name, *args]), ack_id)
        super()._send(name, args, ack_id)
