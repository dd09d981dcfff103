"""Simulated server: the real parts of a server, in a process that can be killed and started again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from chatws.engine import Server
from chatws.engine.events import Handshake
from chatws.server.app import engine_options, make_services, run_services
from chatws.server.connections.socket_adapter import SocketAdapter
from chatws.server.drain import Drain
from chatws.server.errors import StartError
from chatws.server.handlers import ROUTES
from chatws.server.metrics import Metrics
from chatws.server.requests.pipeline import Pipeline
from chatws.server.services import Services
from chatws.settings import Settings
from chatws_loadtest.rng import UserRng
from chatws_loadtest.simulate.broker import Broker
from chatws_loadtest.simulate.bus import SimulatedBus
from chatws_loadtest.simulate.network import Link
from chatws_loadtest.simulate.ordered_adapter import keep_order
from chatws_loadtest.simulate.packets import PacketReader
from chatws_loadtest.simulate.server_connection import OutputListener, SessionReader, SimulatedTransport
from chatws_loadtest.simulate.store import SimulatedDatabase, SimulatedStore, StoreSimulation
from chatws_loadtest.simulate.virtual_loop import SimulatedProcess

RESTART_S = 0.2
"""Time from the start of a process until it accepts connections, besides that for opening store and bus."""

HANDSHAKE = Handshake(address="10.0.0.1", headers={}, secure=False, time=0.0)


_METRICS = Metrics()
"""Metrics of all servers, which the simulation does not read; with its own ones, a server takes twice the time."""


class ServerSimulation(StoreSimulation, Protocol):
    """Parts of the simulation that servers share."""

    seed: int
    broker: Broker


class ServedConnection(Protocol):
    """Connection of a device, as its server sees it."""

    @property
    def output(self) -> OutputListener:
        """Check of what the server writes."""

    @property
    def down(self) -> Link:
        """Link to the device."""

    def server_ended(self, *, is_killed: bool, is_silent: bool) -> None:
        """Handle the end of the server's process."""


class SimulatedServer:
    """One process of a server, from its start to its end."""

    def __init__(self, simulation: ServerSimulation, settings: Settings, name: str, number: int) -> None:
        self.name = name
        self.process = SimulatedProcess()
        self.is_accepting = False
        self._simulation = simulation
        self._settings = settings
        self._reader = PacketReader()
        self._stopping = asyncio.Event()
        self._is_silent = False
        origin = f"{name}-{number}"
        self.bus = SimulatedBus(simulation.broker, origin, origin, self.process)
        rng = UserRng(f"{simulation.seed}/store/{origin}")
        database = SimulatedDatabase(simulation, name, self.process, rng)
        self._store = SimulatedStore(database, simulation.clock.now_ms)
        self._engine = Server(engine_options(settings))
        self.services: Services = make_services(
            settings, keep_order(self._engine.of("/")), simulation.clock, self._store, self.bus, metrics=_METRICS
        )
        SocketAdapter(self.services, Pipeline(self.services, ROUTES)).attach(self.services.namespace)
        self._connections: dict[ServedConnection, None] = {}

    def start(self, ended: Callable[[], None]) -> None:
        """Start the process; ``ended`` is called when it ends by itself."""
        self.process.spawn(self._run(ended))

    def accept(self, connection: ServedConnection) -> SessionReader:
        """Open a session.

        Raises:
            AdmissionRefused: the server drains.
        """
        transport = SimulatedTransport(self.process, self._reader.read, connection.output, connection.down.send)
        session = self.process.context.run(self._engine.open_session, HANDSHAKE, lambda _: transport)
        reader = SessionReader(session)
        self.process.spawn(reader.run())
        self._connections[connection] = None
        return reader

    def release(self, connection: ServedConnection) -> None:
        """Forget a connection that has ended."""
        self._connections.pop(connection, None)

    def stop(self) -> None:
        """Drain the server and end the process."""
        self._stopping.set()

    def kill(self, *, is_silent: bool = False) -> None:
        """Kill the process; its connections are reset, unless the whole machine ends silently."""
        self._is_silent = is_silent
        self.is_accepting = False
        self.process.kill()
        self._end()

    def _end(self) -> None:
        self.bus.vanish()
        connections, self._connections = self._connections, {}
        for connection in connections:
            connection.server_ended(is_killed=self.process.is_dead, is_silent=self._is_silent)

    async def _run(self, ended: Callable[[], None]) -> None:
        await asyncio.sleep(RESTART_S)
        # A server that cannot open the database ends, and its supervisor starts it again.
        with suppress(StartError):
            async with run_services(self.services, self.bus):
                self.is_accepting = True
                await self._stopping.wait()
                await Drain(self.services, self._engine).run()
                self.is_accepting = False
        self._end()
        ended()


def make_settings(folder: Path) -> Settings:
    """Return the settings of all servers; the folder gets the key of the tokens."""
    key = folder / "key"
    key.write_text("the key of every simulation, which protects nothing")
    key.chmod(0o600)
    return Settings(data_dir=folder, jwt_key_file=key, log_level="error", mode="dev")
