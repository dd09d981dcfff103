"""Dependencies of the REST API."""

from __future__ import annotations

from dataclasses import dataclass

from chatws.engine import Server
from chatws.server.requests.pipeline import Pipeline
from chatws.server.services import Services


@dataclass(frozen=True, slots=True)
class RestContext:
    """Parts of the running server that REST handlers use."""

    services: Services
    pipeline: Pipeline
    server: Server
