"""Table of connections: the number of those closed at once."""

from __future__ import annotations

from chatws.server.tcp import ListenerLimits, ListenerStats
from chatws.server.tcp.table import ConnectionTable


class SilentHandshake:
    """Accepted connection whose client sends nothing."""

    def __init__(self) -> None:
        self.address = "192.0.2.1"
        self.is_aborted = False

    def abort(self) -> None:
        self.is_aborted = True


def test_expired_connections_are_closed_a_few_at_a_time() -> None:
    now_s = 0.0
    limits = ListenerLimits(0, 0, 0, request_timeout_s=10.0, keepalive_timeout_s=10.0)
    table = ConnectionTable(limits, ListenerStats(), lambda: now_s)
    waiting = [SilentHandshake() for _ in range(5)]
    for connection in waiting:
        table.accepted(connection)
    assert not table.sweep(2)
    now_s = 10.0
    assert table.sweep(2)
    assert [one.is_aborted for one in waiting] == [True, True, False, False, False]
    assert table.sweep(2)
    assert not table.sweep(2)
    assert all(one.is_aborted for one in waiting)
