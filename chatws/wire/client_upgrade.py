"""Sans-I/O WebSocket that takes over a long-polling session of a Socket.IO client.

Source: the Engine.IO protocol, revision 4, "Upgrade".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from chatws.wire.client_packets import ProtocolViolated
from chatws.wire.client_protocol import (
    ClientEvent,
    ProbeAnswered,
    SocketIOClientProtocol,
    mask_frame,
)
from chatws.wire.engineio import PROBE, EnginePacketType
from chatws.wire.errors import PacketError, ViolationKind
from chatws.wire.socketio import MAIN_NAMESPACE

if TYPE_CHECKING:
    from collections.abc import Sequence

PROBE_PACKET: Final = (EnginePacketType.PING.value + PROBE).encode()
PROBE_REPLY: Final = EnginePacketType.PONG.value + PROBE
UPGRADE_PACKET: Final = EnginePacketType.UPGRADE.value.encode()


class UpgradeClientProtocol(SocketIOClientProtocol):
    """Socket.IO client of a WebSocket for an open session: a probe and its reply take the place of OPEN.

    The probe is queued for `data_to_send` as soon as the server has accepted the WebSocket.
    """

    __slots__ = ("_is_probed",)

    def __init__(
        self,
        authority: str,
        sid: str,
        *,
        path: str = "",
        engine_path: str = "/socket.io/",
        query: str = "",
        headers: Sequence[tuple[str, str]] = (),
        namespace: str = MAIN_NAMESPACE,
    ) -> None:
        super().__init__(
            authority,
            path=path,
            engine_path=engine_path,
            query=query,
            headers=headers,
            namespace=namespace,
            sid=sid,
        )
        self._is_probed = False

    def send_upgrade(self) -> bytes:
        """Frame UPGRADE, from which on the server uses the WebSocket only."""
        return mask_frame(UPGRADE_PACKET)

    def _accepted(self) -> None:
        self._queue(mask_frame(PROBE_PACKET))

    def _receive_text(self, text: str, events: list[ClientEvent]) -> None:
        if self._is_probed:
            super()._receive_text(text, events)
        elif text == PROBE_REPLY:
            self._is_probed = self._is_receiving = True
            events.append(ProbeAnswered())
        else:
            self._end(ProtocolViolated(PacketError(ViolationKind.ORDER, "no reply to the probe")), events)
