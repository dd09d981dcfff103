"""Pipe between proxy and analysis: order, bounds, and a reading end that is slow or closed; 1 s."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from chatws_loadtest.tap import observation_pipe
from chatws_loadtest.tap.observation_pipe import ObservationDecoder, ObservationPipe, open_pipe
from chatws_loadtest.tap.observations import (
    FrameSeen,
    LinkEnded,
    LinkOpened,
    Observation,
    ObservationsSkipped,
    PollSeen,
    TimePassed,
)


class PipeEnds:
    """Both ends of a pipe."""

    def __init__(self) -> None:
        self.reading, writing = open_pipe()
        os.set_blocking(self.reading, False)
        self.pipe = ObservationPipe(writing)
        self._decoder = ObservationDecoder()

    def read(self, chunk_bytes: int = 2**20) -> list[Observation]:
        """Return everything that the pipe contains."""
        observations = []
        try:
            while chunk := os.read(self.reading, chunk_bytes):
                observations += self._decoder.feed(chunk)
        except BlockingIOError:
            pass
        return observations


@pytest.fixture
def ends() -> Iterator[PipeEnds]:
    opened = PipeEnds()
    yield opened
    opened.pipe.abandon()
    os.close(opened.reading)


def test_observations_arrive_in_order_in_chunks_of_any_size(ends: PipeEnds) -> None:
    opened, ended = LinkOpened(1.0, 1, ""), LinkEnded(3.0, 1, "client")
    ends.pipe.add(opened)
    ends.pipe.add_frame(2.0, 1, True, b"\x81\x012", 2)
    ends.pipe.send(2.5)
    ends.pipe.add(ended)
    ends.pipe.add_poll(PollSeen(4.0, "s", from_client=False, body=b"2"))
    ends.pipe.send(5.0)
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
    ends: PipeEnds, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(observation_pipe, "MAX_BYTES", 3 * 2**20)
    frame = b"\x81" * 50_000
    for _ in range(200):
        ends.pipe.add_frame(1.0, 1, False, frame, 2)
        ends.pipe.send(1.0)
    ends.pipe.add(LinkEnded(2.0, 1, "server"))
    received = ends.read()
    for _ in range(20):
        ends.pipe.send(3.0)
        received += ends.read()
    frames = [row for row in received if isinstance(row, FrameSeen)]
    [skipped] = [row for row in received if isinstance(row, ObservationsSkipped)]
    [ended] = [row for row in received if isinstance(row, LinkEnded)]
    assert skipped.count == 200 - len(frames) > 100
    # The pipe itself holds a part.
    assert 3 * 2**20 < sum(len(row.raw) for row in frames) + 2**20 < 6 * 2**20
    assert received.index(ended) < received.index(skipped)


def test_idle_proxy_adds_nothing_for_a_stopped_reader(ends: PipeEnds) -> None:
    frame = b"\x81" * 2**20
    ends.pipe.add_frame(1.0, 1, False, frame, 2)
    for number in range(1000):
        ends.pipe.send(float(number))
    received = ends.read()
    ends.pipe.send(1000.0)
    received += ends.read()
    assert len(received) < 10


async def test_closed_reading_end_discards_everything() -> None:
    ends = PipeEnds()
    os.close(ends.reading)
    for _ in range(100):
        ends.pipe.add_frame(1.0, 1, False, b"\x81" * 100_000, 2)
        ends.pipe.send(1.0)
    await ends.pipe.close()
