"""Tap in the event loop of a test, with the records of an analysis in the same loop."""

from __future__ import annotations

import asyncio
import os
import ssl
import time
from typing import Any, Self

from chatws.client.mapping import GUIDE_MAPPING
from chatws_loadtest.tap.analyser import Analyser
from chatws_loadtest.tap.observation_stream import ObservationDecoder, open_stream
from chatws_loadtest.tap.packet_analyser import AnalysisOptions
from chatws_loadtest.tap.tap_records import TapRecord
from chatws_loadtest.tap.tap_server import TapOptions, TapServer

TIMEOUT_S = 60.0


class TapRun:
    """Tap in front of a server; used as an async context manager."""

    def __init__(self, url: str, *, tls: ssl.SSLContext | None = None, **options: Any) -> None:
        self.records: list[TapRecord] = []
        analysis = AnalysisOptions(
            **{name: options.pop(name) for name in list(options) if name in AnalysisOptions.__struct_fields__}
        )
        chosen = TapOptions(url, options.pop("mapping", GUIDE_MAPPING), analysis=analysis, **options)
        self._changed = asyncio.Event()
        self._analyser = Analyser(chosen.mapping, chosen.analysis, time.monotonic(), self._emit)
        self._decoder = ObservationDecoder()
        self._reading, writing = open_stream()
        self._tap = TapServer(chosen, tls, writing)

    async def __aenter__(self) -> Self:
        await self._tap.__aenter__()
        asyncio.get_running_loop().add_reader(self._reading, self._analyse)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._tap.__aexit__()
        asyncio.get_running_loop().remove_reader(self._reading)
        while self._analyse():
            pass
        os.close(self._reading)

    @property
    def url(self) -> str:
        return self._tap.url

    @property
    def port(self) -> int:
        return self._tap.port

    def find(self, **fields: object) -> list[TapRecord]:
        """Return the records so far that have these fields."""
        return [
            record for record in self.records if all(getattr(record, name) == value for name, value in fields.items())
        ]

    async def expect(self, **fields: object) -> TapRecord:
        """Wait for a record with these fields, and return the first one."""
        try:
            async with asyncio.timeout(TIMEOUT_S):
                while not (found := self.find(**fields)):
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError(f"no {fields} in {self.records}") from None
        return found[0]

    def _analyse(self) -> bool:
        chunk = os.read(self._reading, 65_536)
        for seen in self._decoder.feed(chunk):
            self._analyser.observe(seen)
        return bool(chunk)

    def _emit(self, record: TapRecord) -> None:
        self.records.append(record)
        self._changed.set()
