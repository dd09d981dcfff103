"""Multi-process mode: a parent process that starts, restarts and stops several server processes."""

from __future__ import annotations

from chatws.server.workers.supervisor import run_workers

__all__ = ["run_workers"]
