"""Generator process with the users of ``chatws loadtest``."""

from __future__ import annotations

import sys

import gevent
import msgspec
from locust.env import Environment

from benchmarks.generator import ipc
from chatws.client.gevent.endpoint import resolve_endpoint
from chatws.gc_tuning import tune_gc
from chatws_loadtest.ipc import WorkerPlan, Workload
from chatws_loadtest.ledger import Ledger
from chatws_loadtest.load_state import now_s
from chatws_loadtest.locust_worker.gc_tuning import GC_THRESHOLD, freeze_garbage
from chatws_loadtest.locust_worker.locust_user import ScheduledLocustUser
from chatws_loadtest.locust_worker.user_pool import UserPool


def main() -> int:
    """Run the load of the plan on standard input and print the result."""
    tune_gc(GC_THRESHOLD)
    print(ipc.LOADED.decode(), flush=True)
    request = ipc.decode_plan(sys.stdin.buffer.readline())
    workload = Workload(rate=request.rate, content_chars=len(request.content))
    if not request.all_activities:
        workload = msgspec.structs.replace(workload, typing_share=0.0, read_share=0.0, history_share=0.0)
    plan = WorkerPlan(
        url=request.url,
        ca_file=None,
        rooms=request.rooms,
        workload=workload,
        tag="gb",
        connects_per_s=request.connects_per_s,
    )
    ledger = Ledger()
    ScheduledLocustUser.pool = pool = UserPool(plan, ledger, resolve_endpoint(plan.url))
    Environment(user_classes=[ScheduledLocustUser]).create_local_runner().start(plan.users, spawn_rate=plan.users)
    if (error := pool.wait_until_joined(plan.users)) is not None:
        raise error
    freeze_garbage()
    print(ipc.READY.decode(), flush=True)
    pool.start_sending(now_s() + ipc.LEAD_S)
    gevent.sleep(ipc.LEAD_S + request.seconds)
    pool.stop_sending()
    gevent.sleep(ipc.DRAIN_S)
    acks = ledger.samples.take().get("ack", [])
    print(ipc.encode(ipc.GeneratorResult(sent=ledger.sent, acks_us=acks)).decode(), flush=True)
    ipc.wait_for_end()
    return 0


if __name__ == "__main__":
    sys.exit(main())
