"""TCP listener of the server: bounds connections before HTTP is read, and the time that a client takes for a request.

aiohttp bounds neither: clients that send their requests slowly would take every file descriptor, and the log would not
show it. Ordinary WebSocket upgrades go to the engine, all other requests to aiohttp.
"""

from chatws.server.tcp.connection import UpgradeTaker
from chatws.server.tcp.limits import ListenerLimits
from chatws.server.tcp.site import LimitedSite
from chatws.server.tcp.stats import ListenerStats

__all__ = ["LimitedSite", "ListenerLimits", "ListenerStats", "UpgradeTaker"]
