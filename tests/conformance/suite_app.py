"""Server for the official protocol suites: ``python tests/conformance/suite_app.py socketio --port 3000``.

Source: the server configurations printed in the two protocol documents of socketio/socket.io.
"""

from __future__ import annotations

import argparse

import msgspec
from aiohttp import web

from chatws.engine import EngineOptions, Server, Socket
from chatws.engine.events import DisconnectReason
from chatws.engine.session import EngineSession
from chatws.engine.transport import Work
from chatws.wire.frames import Opcode, server_frame


def options(path: str) -> EngineOptions:
    """Return the options that the suites expect."""
    return EngineOptions(
        path=path,
        ping_interval_s=0.3,
        ping_timeout_s=0.2,
        admission_timeout_s=1.0,
        max_payload_bytes=1_000_000,
        allow_binary=True,
        allowed_origins="*",
    )


def make_socketio() -> Server:
    """Create the server of the Socket.IO suite."""
    io = Server(options("/socket.io/"))
    for name in ("/", "/custom"):
        namespace = io.of(name)

        @namespace.on_connect
        async def connect(socket: Socket, auth: msgspec.Raw | None) -> None:
            socket.emit("auth", {} if auth is None else auth)

    main = io.of("/")

    @main.on("message")
    async def message(socket: Socket, *args: object) -> None:
        socket.emit("message-back", *args)

    @main.on("message-with-ack")
    async def message_with_ack(_socket: Socket, *args: object) -> tuple[object, ...]:
        return args

    return io


class EchoReceiver:
    """Packet receiver that sends every Engine.IO message back."""

    awaits_ack = False

    def __init__(self, session: EngineSession) -> None:
        self._session = session

    def accept_text(self, message: str, at: int) -> Work | None:
        del at
        self._session.send(server_frame(message.encode()))
        return None

    def accept_binary(self, message: bytes) -> Work | None:
        self._session.send(server_frame(message, Opcode.BINARY))
        return None

    def deadline_passed(self) -> None:
        self._session.close(DisconnectReason.NOT_ADMITTED)

    def closed(self, reason: DisconnectReason) -> None:
        del reason


def make_engineio() -> Server:
    """Create the server of the Engine.IO suite."""
    return Server(options("/engine.io/"), make_receiver=EchoReceiver)


def main() -> None:
    parser = argparse.ArgumentParser(description="server for the official protocol suites")
    parser.add_argument("protocol", choices=("socketio", "engineio"))
    parser.add_argument("--port", type=int, default=3000)
    arguments = parser.parse_args()
    io = make_socketio() if arguments.protocol == "socketio" else make_engineio()
    app = web.Application()
    io.attach(app)
    web.run_app(app, host="localhost", port=arguments.port, print=None)


if __name__ == "__main__":
    main()
