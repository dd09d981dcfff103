"""The load process of ``chatws loadtest``: a plan and orders come in on standard input, reports go out."""

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

from chatws.client.errors import ClientError, RequestRefused
from chatws.client.gevent.endpoint import resolve_endpoint
from chatws_loadtest import ipc
from chatws_loadtest.ledger import Ledger
from chatws_loadtest.locust_worker.gc_tuning import collect_seldom, freeze_garbage
from chatws_loadtest.locust_worker.locust_user import ScheduledLocustUser, show
from chatws_loadtest.locust_worker.self_stats import TICK_S, feel_lag, take_tick
from chatws_loadtest.locust_worker.user_pool import UserPool
from chatws_loadtest.machine import raise_file_limit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chatws_loadtest.ipc import Report

STDIN, STDOUT = 0, 1
SETTLE_STEP_S = 0.05


def main() -> int:
    """Run one plan to its end; 0 unless the load could not be built up."""
    lines = _read_lines()
    plan = ipc.decode_plan(next(lines))
    raise_file_limit()
    collect_seldom()
    try:
        address = resolve_endpoint(plan.url, None if plan.ca_file is None else Path(plan.ca_file), plan.via)
    except ClientError as problem:
        _tell(ipc.WorkerFailed(str(problem)))
        return 1
    environment = Environment(user_classes=[ScheduledLocustUser])
    ScheduledLocustUser.stage = stage = UserPool(plan, Ledger(), address)
    runner = environment.create_local_runner()
    with nullcontext() if plan.csv_prefix is None else _csv_files(environment, stage, plan.csv_prefix):
        gevent.spawn(feel_lag, stage)
        gevent.spawn(_tick_on, stage)
        runner.start(plan.users, spawn_rate=plan.users)
        gevent.spawn(_announce, stage)
        for line in lines:
            order = ipc.decode_order(line)
            if isinstance(order, ipc.Finish):
                _finish(stage, order.drain_s)
                break
            _obey(stage, order)
    # Locust's own `quit` would look through every source file for the name of its caller; ending is enough.
    return 0


@contextmanager
def _csv_files(environment: Environment, stage: UserPool, prefix: str) -> Iterator[None]:
    """Have Locust write its CSV files; at the end also what came since it last did."""
    show(environment, stage)
    writer = StatsCSVFileWriter(environment, PERCENTILES_TO_REPORT, prefix, full_history=True)
    writing = gevent.spawn(writer)
    yield
    writing.kill()
    writer.close_files()
    for name, write in (("stats", writer.requests_csv), ("failures", writer.failures_csv)):
        with Path(f"{prefix}_{name}.csv").open("w", encoding="utf-8") as file:
            write(csv.writer(file))


def _obey(stage: UserPool, order: ipc.Order) -> None:
    match order:
        case ipc.Go(at_s):
            stage.go(at_s)
        case ipc.Measure(from_s, until_s):
            stage.books.ledger.measure_from_s = from_s
            stage.books.ledger.measure_until_s = until_s
        case ipc.SetRate(rate):
            stage.rate = rate
        case ipc.Cut():
            stage.cut()
        case ipc.Expire(tokens):
            for chatter in stage.chatters:
                chatter.shorten(tokens)


def _announce(stage: UserPool) -> None:
    problem = stage.join_all()
    freeze_garbage()
    if problem is None:
        _tell(ipc.WorkerReady(any(chatter.is_guide_only for chatter in stage.chatters)))
    else:
        _tell(ipc.WorkerFailed(str(problem), problem.code if isinstance(problem, RequestRefused) else None))


def _finish(stage: UserPool, drain_s: float) -> None:
    stage.silence()
    ledger = stage.books.ledger
    for _ in range(int(drain_s / SETTLE_STEP_S)):
        if ledger.is_settled:
            break
        gevent.sleep(SETTLE_STEP_S)
    away = sum(chatter.is_away for chatter in stage.chatters)
    _tell(take_tick(stage))
    _tell(
        ipc.WorkerDone(
            balance=ledger.balance(),
            stored={stage.books.plan.rooms[room].conversation_id: rows for room, rows in ledger.stored.items()},
            failures=dict(stage.books.failures),
            came_back=stage.books.came_back,
            away=away,
        )
    )
    for chatter in stage.chatters:
        chatter.close()


def _tick_on(stage: UserPool) -> None:
    while True:
        gevent.sleep(TICK_S)
        _tell(take_tick(stage))


def _read_lines() -> Iterator[bytes]:
    """Give the lines of standard input while the hub runs on."""
    received = b""
    while True:
        wait_read(STDIN)
        piece = os.read(STDIN, 1 << 20)
        if not piece:
            return
        *lines, received = (received + piece).split(b"\n")
        yield from lines


def _tell(report: Report) -> None:
    # One write for each line; the parent always reads.
    sys.stdout.buffer.write(ipc.encode(report) + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    sys.exit(main())
