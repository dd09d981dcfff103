"""Several server processes under one parent, which opens nothing but starts them, watches them and ends them."""

from __future__ import annotations

from chatws.server.workers.supervisor import run_workers

__all__ = ["run_workers"]
