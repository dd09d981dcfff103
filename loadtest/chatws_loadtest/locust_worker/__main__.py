"""Program of a load process: reads a plan and commands from standard input, writes messages to standard output."""

from __future__ import annotations

import csv
import os
import sys
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import gevent
from gevent.socket import wait_read
from locust.env import Environment
from locust.stats import PERCENTILES_TO_REPORT, StatsCSVFileWriter

from chatws.client.errors import ClientError
from chatws.client.gevent.endpoint import resolve_endpoint
from chatws.gc_tuning import tune_gc
from chatws_loadtest import ipc
from chatws_loadtest.ledger import Ledger
from chatws_loadtest.locust_worker.gc_tuning import GC_THRESHOLD, freeze_garbage
from chatws_loadtest.locust_worker.locust_user import NewestFirstGroup, ScheduledLocustUser, report_to_locust
from chatws_loadtest.locust_worker.readiness import wait_until_ready
from chatws_loadtest.locust_worker.self_stats import STATS_INTERVAL_S, collect_stats, measure_loop_lag
from chatws_loadtest.locust_worker.stage_shape import StageShape
from chatws_loadtest.locust_worker.user_pool import UserPool
from chatws_loadtest.machine import raise_file_limit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chatws_loadtest.ipc import WorkerMessage

STDIN, STDOUT = 0, 1
SETTLE_POLL_S = 0.05
STAGE_DRAIN_S = 30.0
"""A user that a smaller stage stops waits this long for its messages: the server may be overloaded until then."""


def main() -> int:
    """Run one plan to its end; return 1 if the server's address cannot be resolved, else 0."""
    lines = _read_lines()
    plan = ipc.decode_plan(next(lines))
    raise_file_limit()
    tune_gc(GC_THRESHOLD)
    try:
        endpoint = resolve_endpoint(plan.url, None if plan.ca_file is None else Path(plan.ca_file), plan.via)
    except ClientError as problem:
        _send(ipc.WorkerFailed(str(problem)))
        return 1
    start_users = plan.users if plan.start_users is None else plan.start_users
    shape = StageShape(start_users, plan.connects_per_s)
    environment = Environment(user_classes=[ScheduledLocustUser], shape_class=shape)
    ScheduledLocustUser.drain_s = STAGE_DRAIN_S
    ScheduledLocustUser.pool = pool = UserPool(plan, Ledger(), endpoint)
    runner = environment.create_local_runner()
    runner.user_greenlets = NewestFirstGroup()
    with nullcontext() if plan.csv_prefix is None else _csv_files(environment, pool, plan.csv_prefix):
        gevent.spawn(measure_loop_lag, pool)
        gevent.spawn(_send_stats, pool)
        runner.start_shape()
        gevent.spawn(_report_readiness, pool, start_users)
        try:
            _follow(lines, pool, shape)
        finally:
            if pool.shared.recorder is not None:
                pool.shared.recorder.close()
    # Exiting without Locust's `quit`, which searches every source file for the name of its caller.
    return 0


def _follow(lines: Iterator[bytes], pool: UserPool, shape: StageShape) -> None:
    """Execute commands until the last one, or the end of the input."""
    for line in lines:
        command = ipc.decode_command(line)
        if isinstance(command, ipc.Finish):
            _finish(pool, command.drain_s)
            break
        _execute(pool, shape, command)


@contextmanager
def _csv_files(environment: Environment, pool: UserPool, prefix: str) -> Iterator[None]:
    """Let Locust write its CSV files; at the end, rewrite those with totals, to include the last measurements."""
    report_to_locust(environment, pool, has_listeners=False)
    writer = StatsCSVFileWriter(environment, PERCENTILES_TO_REPORT, prefix, full_history=True)
    writing = gevent.spawn(writer)
    yield
    writing.kill()
    writer.close_files()
    for name, write in (("stats", writer.requests_csv), ("failures", writer.failures_csv)):
        with Path(f"{prefix}_{name}.csv").open("w", encoding="utf-8") as file:
            write(csv.writer(file))


def _execute(pool: UserPool, shape: StageShape, command: ipc.WorkerCommand) -> None:
    match command:
        case ipc.StartSending(at_s):
            pool.start_sending(at_s)
        case ipc.Measure(from_s, until_s):
            pool.shared.ledger.measure_from_s = from_s
            pool.shared.ledger.measure_until_s = until_s
        case ipc.SetRate(rate):
            pool.rate = rate
        case ipc.StartStage(users, rate):
            pool.rate = rate
            shape.set_users(users)
        case ipc.CutConnections():
            pool.cut_connections()
        case ipc.UseShortLivedTokens(tokens):
            for user in pool.users.values():
                user.replace_token(tokens)


def _report_readiness(pool: UserPool, users: int) -> None:
    ready = wait_until_ready(pool, users, lambda: list(pool.users.values()))
    freeze_garbage()
    _send(ready)


def _finish(pool: UserPool, drain_s: float) -> None:
    pool.stop_sending()
    ledger = pool.shared.ledger
    for _ in range(int(drain_s / SETTLE_POLL_S)):
        if pool.shared.is_settled():
            break
        gevent.sleep(SETTLE_POLL_S)
    indicators = pool.shared.count_indicators()
    disconnected = sum(user.is_disconnected for user in pool.users.values())
    _send(collect_stats(pool))
    _send(
        ipc.WorkerDone(
            balance=ledger.balance(),
            stored={pool.shared.plan.rooms[room].conversation_id: list(rows) for room, rows in ledger.stored.items()},
            failures=dict(pool.shared.failures),
            deviations=ledger.found_deviations(),
            indicators=indicators,
            disconnected=disconnected,
            upgrade_error=pool.shared.upgrade_error,
            unprompted=pool.shared.unprompted,
        )
    )
    for user in pool.users.values():
        user.close()


def _send_stats(pool: UserPool) -> None:
    while True:
        gevent.sleep(STATS_INTERVAL_S)
        _send(collect_stats(pool))
        if pool.shared.recorder is not None:
            pool.shared.recorder.writer.flush()


def _read_lines() -> Iterator[bytes]:
    """Yield the lines of standard input without blocking the hub."""
    received = b""
    while True:
        wait_read(STDIN)
        chunk = os.read(STDIN, 1 << 20)
        if not chunk:
            return
        *lines, received = (received + chunk).split(b"\n")
        yield from lines


def _send(message: WorkerMessage) -> None:
    # This may block: the parent process reads at all times.
    sys.stdout.buffer.write(ipc.encode(message) + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    sys.exit(main())
