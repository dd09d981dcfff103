"""Stream between proxy and analysis: order, bounds, and a reading end that is slow or closed; 1 s."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from chatws_loadtest.tap import observation_stream
from chatws_loadtest.tap.observation_stream import ObservationDecoder, ObservationWriter, open_stream
from chatws_loadtest.tap.observations import (
    FrameSeen,
    LinkEnded,
    LinkOpened,
    Observation,
    ObservationsSkipped,
    PollSeen,
    TimePassed,
)


class StreamEnds:
    """Both ends of a stream."""

    def __init__(self) -> None:
        self.reading, writing = open_stream()
        os.set_blocking(self.reading, False)
        self.writer = ObservationWriter(writing)
        self._decoder = ObservationDecoder()

    def read(self, chunk_bytes: int = 2**20) -> list[Observation]:
        """Return everything that the stream contains."""
        observations = []
        try:
            while chunk := os.read(self.reading, chunk_bytes):
                observations += self._decoder.feed(chunk)
        except BlockingIOError:
            pass
        return observations


@pytest.fixture
def ends() -> Iterator[StreamEnds]:
    opened = StreamEnds()
    yield opened
    opened.writer.abandon()
    os.close(opened.reading)


def test_observations_arrive_in_order_in_chunks_of_any_size(ends: StreamEnds) -> None:
    opened, ended = LinkOpened(1.0, 1, ""), LinkEnded(3.0, 1, "client")
    ends.writer.add(opened)
    ends.writer.add_frame(2.0, 1, True, b"\x81\x012", 2)
    ends.writer.send(2.5)
    ends.writer.add(ended)
    ends.writer.add_poll(PollSeen(4.0, "s", from_client=False, body=b"2"))
    ends.writer.send(5.0)
    received = ends.read(chunk_bytes=7)
    assert received == [
        opened,
        FrameSeen(2.0, 1, from_client=True, raw=b"\x81\x012", head_bytes=2),
        TimePassed(2.5),
        ended,
        PollSeen(4.0, "s", from_client=False, body=b"2"),
        TimePassed(5.0),
    ]


def test_frames_beyond_the_bound_are_counted_and_ends_of_connections_are_kept(
    ends: StreamEnds, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(observation_stream, "MAX_BYTES", 3 * 2**20)
    frame = b"\x81" * 50_000
    for _ in range(200):
        ends.writer.add_frame(1.0, 1, False, frame, 2)
        ends.writer.send(1.0)
    ends.writer.add(LinkEnded(2.0, 1, "server"))
    received = ends.read()
    for _ in range(20):
        ends.writer.send(3.0)
        received += ends.read()
    frames = [row for row in received if isinstance(row, FrameSeen)]
    [skipped] = [row for row in received if isinstance(row, ObservationsSkipped)]
    [ended] = [row for row in received if isinstance(row, LinkEnded)]
    assert skipped.count == 200 - len(frames)
    # The kernel holds a part, too.
    assert 2.9 * 2**20 < sum(len(row.raw) for row in frames) < 6 * 2**20
    assert received.index(ended) < received.index(skipped)


def test_idle_proxy_adds_nothing_for_a_stopped_reader(ends: StreamEnds) -> None:
    while not ends.writer.is_full:
        ends.writer.add_frame(1.0, 1, False, b"\x81" * 100_000, 2)
        ends.writer.send(1.0)
    for number in range(1000):
        ends.writer.send(float(number))
    received = ends.read()
    ends.writer.send(1000.0)
    received += ends.read()
    assert [row.t for row in received if isinstance(row, TimePassed) and row.t > 1] == [1000.0]


async def test_closed_reading_end_discards_everything() -> None:
    ends = StreamEnds()
    os.close(ends.reading)
    for _ in range(100):
        ends.writer.add_frame(1.0, 1, False, b"\x81" * 100_000, 2)
        ends.writer.send(1.0)
    assert not ends.writer.is_full
    await ends.writer.close()
