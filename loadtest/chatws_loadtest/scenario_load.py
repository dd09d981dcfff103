"""Load of one scenario run: rooms with credentials for their members, and the load processes that simulate them."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Self

from chatws_loadtest.chatlog.merge import merge_chatlogs
from chatws_loadtest.chatlog.option import ChatlogOption
from chatws_loadtest.chatlog.records import MarkRecord
from chatws_loadtest.credentials import Credentials, make_rooms, open_http, shorten_tokens
from chatws_loadtest.history_check import count_unstored
from chatws_loadtest.ipc import ChatlogPart, RoomAssignment, StartStage, UseShortLivedTokens, WorkerPlan, Workload
from chatws_loadtest.mapping_limits import compared_fields
from chatws_loadtest.run_request import RunOptions
from chatws_loadtest.stats_collector import StatsCollector
from chatws_loadtest.worker_pool import WorkerPool


@dataclass(frozen=True, slots=True)
class LoadSpec:
    """Description of a scenario's load."""

    name: str
    """Name of this run of the scenario; Locust's CSV files begin with it."""
    url: str
    via: tuple[str, int] | None
    """Host and port of the fault proxy; None: users connect to the server itself."""
    credentials: Credentials
    room_sizes: Sequence[int]
    start_users: int
    """Users that connect before the first message."""
    workload: Workload
    options: RunOptions
    chatlog: ChatlogOption | None = None
    """Recording of this run of the scenario."""


class ScenarioLoad:
    """Simulated users of one scenario run, divided among load processes by room."""

    def __init__(self, spec: LoadSpec, rooms: Sequence[RoomAssignment], stats: StatsCollector) -> None:
        self._spec = spec
        self._rooms = rooms
        self._tag = f"lt{secrets.token_hex(4)}"
        # Times of a recording count from here.
        self._created_s = time.perf_counter()
        self.pool = WorkerPool([self._plan(index) for index in self._indices], stats)

    @classmethod
    async def prepare(cls, spec: LoadSpec, stats: StatsCollector) -> Self:
        """Assign credentials to every member of every room; the processes are not started yet.

        Raises:
            CredentialsMissing: there are not enough credentials.
        """
        rooms = await make_rooms(spec.url, spec.credentials, spec.room_sizes, spec.options.ca_file)
        return cls(spec, rooms, stats)

    def start_stage(self, users: int, rate: float) -> int:
        """Add or remove users, by whole rooms of all load processes, change their rate, and return their number.

        New users connect at the rate of new connections, beginning within a second.
        """
        numbers = [self._users_of(index, users) for index in self._indices]
        self.pool.send_each([StartStage(number, rate) for number in numbers])
        return sum(numbers)

    def expire_tokens(self, ttl_s: int) -> bool:
        """Replace every agent's token by one that expires within ``ttl_s``; return False without a signing key."""
        keys = self._spec.credentials.keys
        if keys is None:
            return False
        tokens = [auth["token"] for room in self._rooms for auth in room.members if "token" in auth]
        self.pool.send(UseShortLivedTokens(shorten_tokens(keys, tokens, ttl_s)))
        return True

    async def count_unstored(self) -> int:
        """Count acked messages that are missing from the server's history; call it after `WorkerPool.finish`.

        Raises:
            NotReadable: the history cannot be read.
        """
        spec = self._spec
        counts = [
            count_unstored(
                lambda: open_http(spec.url, spec.options.ca_file),
                self._rooms_of(index),
                done.stored,
                self._tag_of(index),
            )
            for index, done in self.pool.done.items()
        ]
        return sum(await asyncio.gather(*counts))

    def save_chatlog(self, marks: Sequence[tuple[float, str]]) -> None:
        """Merge the recordings of the load processes, which have ended; ``marks`` are times and texts.

        Raises:
            OSError: the file cannot be written.
        """
        option = self._spec.chatlog
        if option is not None:
            merge_chatlogs(
                [self._chatlog_part(option, index) for index in self._indices],
                option.file,
                "loadtest",
                self._spec.url,
                start_s=self._created_s,
                marks=[MarkRecord(t=round(at_s - self._created_s, 6), text=text) for at_s, text in marks],
            )

    @property
    def _indices(self) -> range:
        return range(self._spec.options.processes)

    def _users_of(self, index: int, users: int) -> int:
        """Return how many of the first ``users`` users are in the rooms of a process; a room is never divided."""
        ends = accumulate(self._spec.room_sizes)
        return sum(
            size
            for number, (size, end) in enumerate(zip(self._spec.room_sizes, ends, strict=True))
            if end <= users and number % self._spec.options.processes == index
        )

    def _rooms_of(self, index: int) -> list[RoomAssignment]:
        return list(self._rooms[index :: self._spec.options.processes])

    def _tag_of(self, index: int) -> str:
        return f"{self._tag}p{index}"

    @staticmethod
    def _chatlog_part(option: ChatlogOption, index: int) -> Path:
        return option.file.with_name(f".{option.file.name}.{index}")

    def _plan(self, index: int) -> WorkerPlan:
        spec, options = self._spec, self._spec.options
        prefix = f"{spec.name}-locust" if options.processes == 1 else f"{spec.name}-locust-{index}"
        return WorkerPlan(
            url=spec.url,
            ca_file=None if options.ca_file is None else str(options.ca_file),
            via=spec.via,
            rooms=self._rooms_of(index),
            workload=spec.workload,
            tag=self._tag_of(index),
            run_tag=self._tag,
            processes=options.processes,
            start_users=self._users_of(index, spec.start_users),
            connects_per_s=options.connects_per_s / options.processes,
            transport=options.transport,
            seed=options.seed,
            csv_prefix=None if options.csv_dir is None else str(options.csv_dir / prefix),
            mapping=options.mapping,
            compared=compared_fields(options.mapping),
            replay=None if options.replay is None else options.replay.plan_of(index, options.processes),
            chatlog=None
            if spec.chatlog is None
            else ChatlogPart(
                file=str(self._chatlog_part(spec.chatlog, index)),
                url=spec.url,
                start_s=self._created_s,
                index=index,
                with_content=spec.chatlog.with_content,
            ),
        )
