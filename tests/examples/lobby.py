"""Program that embeds the chat and adds a namespace with events and rooms on the same port and connections."""

import msgspec
from aiohttp import web

from chatws.engine import ConnectRefused, Socket
from chatws.server import ENGINE, create_app
from chatws.settings import Settings


def make_app(settings: Settings) -> web.Application:
    """Return the chat application with an additional namespace, `/lobby`."""
    app = create_app(settings)
    lobby = app[ENGINE].of("/lobby")

    @lobby.on_connect
    async def check(_socket: Socket, auth: msgspec.Raw | None) -> None:
        if msgspec.json.decode(auth or b"{}").get("ticket") != "valid":
            raise ConnectRefused("No ticket")

    @lobby.on("enter")
    async def enter(socket: Socket, room: str) -> dict[str, int]:
        socket.join(room)
        lobby.to(room).emit("entered", socket.id)
        return {"members": lobby.room_size(room)}

    return app
