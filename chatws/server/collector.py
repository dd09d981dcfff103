"""Metrics that are read from the server's parts during a scrape."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from chatws import __version__
from chatws.engine import Server
from chatws.protocol.entities import Role
from chatws.server.services import Services
from chatws.server.tcp import ListenerStats


class ServerCollector(Collector):
    """Collector of the numbers that the engine and the chat keep."""

    def __init__(self, services: Services, server: Server, listener: ListenerStats) -> None:
        self._services = services
        self._server = server
        self._listener = listener

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics with their current values."""
        yield from self._gauges()
        yield from self._counters()
        yield from self._histograms()

    def _gauges(self) -> Iterator[Metric]:
        services, server = self._services, self._server
        authenticated = len(services.registry)
        states = {"authenticated": authenticated, "unauthenticated": max(0, server.session_count - authenticated)}
        total, largest = server.outbox_bytes()
        yield _gauge("chatws_info", "Version of the server.", "version", {__version__: 1})
        yield _gauge("chatws_connections", "Open connections.", "state", states)
        yield _gauge(
            "chatws_transports", "Open connections, by transport.", "transport", server.sessions_by_transport()
        )
        yield GaugeMetricFamily(
            "chatws_http_connections", "Open TCP connections that are not WebSockets.", self._listener.open
        )
        yield GaugeMetricFamily("chatws_rooms", "Rooms with a member.", services.namespace.room_count)
        yield GaugeMetricFamily("chatws_conversations", "Conversations with a member.", len(services.hub))
        yield GaugeMetricFamily("chatws_outbox_bytes", "Bytes in all write buffers.", total)
        yield GaugeMetricFamily("chatws_outbox_max_bytes", "Bytes in the largest write buffer.", largest)
        yield GaugeMetricFamily("chatws_draining", "1 during a graceful shutdown.", int(services.draining))
        bus = services.cluster.stats
        yield GaugeMetricFamily("chatws_bus_connected", "1 while the bus is connected.", int(bus.connected))
        yield GaugeMetricFamily("chatws_bus_queued", "Notifications waiting to be published.", bus.queued)
        yield GaugeMetricFamily("chatws_bus_lag_seconds", "Age of the last received notification.", bus.lag_ms / 1000)

    def _histograms(self) -> Iterator[Metric]:
        metrics = self._services.metrics
        yield from metrics.requests.collect()
        yield _counter("chatws_messages", "Messages stored and delivered, by sender.", "role", metrics.messages)
        commit = HistogramMetricFamily(
            "chatws_commit_seconds", "Time from handing a message to the store until it is durable."
        )
        metrics.commit.add_to(commit)
        yield commit
        waits = HistogramMetricFamily("chatws_bus_wait_seconds", "Time that requests waited for other servers.")
        metrics.bus_wait.add_to(waits)
        yield waits

    def _counters(self) -> Iterator[Metric]:
        stats = self._server.stats
        packets, sizes = (
            {"in": stats.packets_in, "out": stats.packets_out},
            {"in": stats.bytes_in, "out": stats.bytes_out},
        )
        yield _counter("chatws_opened", "Connections by their first transport.", "transport", stats.opened_total)
        yield _counter("chatws_closed", "Closed connections by reason.", "reason", stats.closed_total)
        yield _counter("chatws_refused", "Rejected handshakes by reason.", "reason", stats.refused_total)
        yield _counter(
            "chatws_http_closed",
            "TCP connections that the listener refused or closed, by reason.",
            "reason",
            self._listener.closed,
        )
        yield _counter("chatws_protocol_errors", "Protocol errors by kind.", "kind", stats.protocol_errors)
        yield _counter("chatws_packets", "Packets by direction.", "direction", packets)
        yield _counter("chatws_bytes", "Payload bytes by direction.", "direction", sizes)
        yield CounterMetricFamily("chatws_upgrades", "Upgrades from polling to WebSocket.", stats.upgrades)
        yield CounterMetricFamily(
            "chatws_slow_closed", "Connections closed because the client read too slowly.", stats.slow_closed
        )
        bus = self._services.cluster.stats
        notifications = {
            "published": bus.published,
            "received": bus.received,
            "dropped": bus.dropped,
            "malformed": bus.malformed,
        }
        yield _counter("chatws_bus_notes", "Notifications between servers, by result.", "fate", notifications)
        yield CounterMetricFamily("chatws_bus_reconnects", "Reconnections of the bus.", bus.reconnects)
        yield CounterMetricFamily(
            "chatws_bus_lag_seconds_sum", "Sum of the ages of all received notifications.", bus.lag_total_ms / 1000
        )


def _gauge(name: str, text: str, label: str, values: Mapping[str, int]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=[label])
    for value, number in values.items():
        family.add_metric([str(value)], number)
    return family


def _counter(name: str, text: str, label: str, values: Mapping[str, int] | Mapping[Role, int]) -> Metric:
    family = CounterMetricFamily(name, text, labels=[label])
    for value, number in values.items():
        family.add_metric([str(value)], number)
    return family
