"""``make bench``: what one server process on one core costs per message and per connection, over repeated runs.

Each run starts a fresh server with rates and counts lifted. Messages leave on a fixed schedule whatever the server
does, and every latency counts from the intended time of sending, so a stalled server cannot hide behind a generator
that waits for it. A run whose generator was late itself is invalid: it says nothing about the server.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import sqlite3
import sys
import tempfile
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import msgspec
import uvloop

from benchmarks.common.client import ConnectionFailed
from benchmarks.common.measurement import Run, run_once
from benchmarks.common.pair_load import Load, LoadFailed
from chatws_loadtest import procfs
from chatws_loadtest.credentials import CredentialsMissing
from chatws_loadtest.samples import Spread, spread
from chatws_loadtest.server_process import ServerStartFailed, reserve_core

EXIT_FAULTS = 1
EXIT_CANNOT_START = 3
EXIT_INVALID = 98


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark and return the exit code: 0 clean, 1 messages lost, 3 no server, 98 the generator was late."""
    options = _parser().parse_args(arguments)
    load = Load(
        idle=options.idle,
        conversations=options.conversations,
        rate=options.rate,
        warmup_s=options.warmup,
        duration_s=options.duration,
        agents=options.agents,
        content_chars=options.content_chars,
        seed=options.seed,
    )
    _raise_file_limit()
    machine = _describe_machine()
    core = reserve_core()
    print(*(f"{name}: {value}" for name, value in machine.items()), sep="\n")
    print(
        f"load: {load.idle} idle connections, {load.conversations} conversations at {load.rate:g} messages/s each, "
        f"{load.duration_s:g} s after {load.warmup_s:g} s of warm-up\n"
    )
    runs: list[Run] = []
    for number in range(1, options.repeats + 1):
        with tempfile.TemporaryDirectory(prefix="chatws-bench-", dir=options.data_root) as data_dir:
            try:
                run = uvloop.run(run_once(load, Path(data_dir), core))
            except (ServerStartFailed, CredentialsMissing, ConnectionFailed, LoadFailed, OSError) as error:
                print(f"the load could not be built up: {error!r}", file=sys.stderr)
                return EXIT_CANNOT_START
        runs.append(run)
        print(_describe_run(number, run), flush=True)
    print(_describe_spread(runs))
    if options.out is not None:
        print(f"\nwritten: {_write(options.out, machine, load, runs)}")
    return _exit_code(runs)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.pairs.__main__", description=(__doc__ or "").split("\n\n")[1]
    )
    add = parser.add_argument
    add("--idle", type=int, default=500, help="customers who only keep a connection (500)")
    add("--conversations", type=int, default=250, help="pairs of a customer and an agent who talk (250)")
    add("--rate", type=float, default=1.0, help="messages per second in each conversation (1)")
    add("--duration", type=float, default=20.0, help="seconds measured (20)")
    add("--warmup", type=float, default=3.0, help="seconds before that (3)")
    add("--repeats", type=int, default=3, help="runs, each with a fresh server (3)")
    add("--agents", type=int, default=5, help="agents who share the conversations (5)")
    add("--content-chars", type=int, default=80, help="length of a message (80)")
    add("--seed", type=int, default=1, help="of the schedule's random phases (1)")
    add("--data-root", type=Path, help="where the servers keep their data meanwhile (the system's temporary folder)")
    add("--out", type=Path, help="folder for the JSON of all runs")
    return parser


def _describe_machine() -> dict[str, str]:
    return {
        "machine": f"{procfs.cpu_model()}, {len(os.sched_getaffinity(0))} cores, Linux {platform.release()}",
        "versions": f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, "
        + ", ".join(f"{name} {version(name)}" for name in ("chatws", "aiohttp", "uvloop", "msgspec", "sqlalchemy")),
    }


def _describe_run(number: int, run: Run) -> str:
    counts = run.counts
    rows = {"to the ack": run.ack, "to the peer": run.peer, "generator's lag": run.lag}
    lines = [f"run {number}" + ("" if run.is_valid else "  INVALID: the generator itself was late")]
    lines += [
        f"  {name:<16} p50 {row.p50_ms:8.2f}  p95 {row.p95_ms:8.2f}  p99 {row.p99_ms:8.2f}  max {row.max_ms:8.2f} ms"
        f"  ({row.count})"
        for name, row in rows.items()
    ]
    return "\n".join(lines) + (
        f"\n  sent {counts.sent}, acked {counts.acked}, delivered {counts.delivered}, refused {counts.refused or 0}, "
        f"unanswered {counts.unanswered}, lost {counts.lost}, duplicated {counts.duplicated}, "
        f"reordered {counts.reordered}, connections dropped {run.dropped_connections}"
        f"\n  server {run.server_us_per_message:.0f} us of CPU per message; cores used: server {run.server_cores:.2f}, "
        f"generator {run.generator_cores:.2f}, everything else {run.other_cores:.2f}"
        f"\n  per idle connection: {run.rss_kb_per_idle:.1f} kB, {run.connect_ms_per_idle:.2f} ms of CPU to connect; "
        f"server's memory at the end {run.rss_mb:.0f} MB"
    )


def _describe_spread(runs: list[Run]) -> str:
    lines = [f"\nover {len(runs)} runs (lowest, median, highest)"]
    lines += [f"  {name:<28} {s.low:9.2f} {s.median:9.2f} {s.high:9.2f}" for name, s in _spreads(runs).items()]
    return "\n".join(lines)


def _spreads(runs: list[Run]) -> dict[str, Spread]:
    return {
        "to the ack, p50 ms": spread([run.ack.p50_ms for run in runs]),
        "to the ack, p99 ms": spread([run.ack.p99_ms for run in runs]),
        "to the peer, p50 ms": spread([run.peer.p50_ms for run in runs]),
        "to the peer, p99 ms": spread([run.peer.p99_ms for run in runs]),
        "server, us per message": spread([run.server_us_per_message for run in runs]),
        "kB per idle connection": spread([run.rss_kb_per_idle for run in runs]),
        "ms of CPU per connect": spread([run.connect_ms_per_idle for run in runs]),
    }


def _write(folder: Path, machine: dict[str, str], load: Load, runs: list[Run]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    now = datetime.now(UTC)
    path = folder / f"raw-{now:%Y%m%dT%H%M%SZ}.json"
    report = {"at": now, **machine, "load": asdict(load), "runs": runs, "spread": _spreads(runs)}
    path.write_bytes(msgspec.json.format(msgspec.json.encode(report)) + b"\n")
    return path


def _exit_code(runs: list[Run]) -> int:
    if not all(run.is_clean for run in runs):
        return EXIT_FAULTS
    return 0 if all(run.is_valid for run in runs) else EXIT_INVALID


def _raise_file_limit() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


if __name__ == "__main__":
    sys.exit(main())
