"""For ``locust -f``: the same users under Locust's own command, with its web page, its master and its workers.

Example: ``locust -f locustfile.py --host http://127.0.0.1:3000 --jwt-secret-file secret -u 100 -r 100``. Everybody
talks as soon as it is in its room. At the end the account is printed; a delivery fault makes the exit code 99.
"""

from __future__ import annotations

import os
import sys
from itertools import islice
from pathlib import Path
from typing import Final

import gevent
import msgspec
from locust import events
from locust.argument_parser import LocustArgumentParser
from locust.env import Environment
from locust.runners import MasterRunner

from chatws.client.gevent.address import find_address
from chatws_loadtest.ledger import Ledger
from chatws_loadtest.load.chatter import now_s
from chatws_loadtest.load.stage import POLL_S, Stage
from chatws_loadtest.load.users import ChatUser, ShownSamples
from chatws_loadtest.options import ExitCode, find_credentials
from chatws_loadtest.orders import Habits, Plan, Room
from chatws_loadtest.people import start_sessions_now

__all__ = ["ChatUser"]

DRAIN_S: Final = 2.0


def add_options(parser: LocustArgumentParser) -> None:
    """Add what Locust does not know."""
    parser.add_argument("--jwt-secret-file", default="", help="Key that agents' tokens are signed with (HS256).")
    parser.add_argument("--tokens", default="", help="File of agents' tokens, one per line.")
    parser.add_argument("--sessions", default="", help="File of customers: SESSION [CONVERSATION] per line.")
    parser.add_argument("--seats", type=int, default=500, help="Most users of one process.")
    parser.add_argument("--message-rate", type=float, default=1.0, help="Messages per second of each user.")


def prepare(environment: Environment, **_: object) -> None:
    """Find the people, and set the stage for the users of this process."""
    options = environment.parsed_options
    if isinstance(environment.runner, MasterRunner) or options is None:
        return
    url = environment.host or options.host or "http://127.0.0.1:3000"
    files = (Path(name) if name else None for name in (options.jwt_secret_file, options.tokens, options.sessions))
    credentials = find_credentials(*files)
    pairs = max(1, min(options.seats, options.num_users or options.seats) // 2)
    customers = list(credentials.sessions[:pairs]) or start_sessions_now(url, pairs)
    agents = islice(credentials.agents(pairs // 10), len(customers))
    plan = Plan(
        url=url,
        ca_file=None,
        rooms=[
            Room(customer.conversation_id, [{"sessionId": customer.session_id}, {"token": token}])
            for customer, token in zip(customers, agents, strict=True)
        ],
        habits=Habits(rate=options.message_rate),
        tag=f"lf{os.getpid()}",
        connects_per_s=1_000.0,
    )
    ledger = Ledger()
    ledger.samples = ShownSamples(environment)
    stage = ChatUser.stage = Stage(plan, ledger, find_address(url))
    stage.go(now_s())


def settle(environment: Environment, **_: object) -> None:
    """Print the account."""
    stage: Stage | None = getattr(ChatUser, "stage", None)
    if stage is None:
        return
    stage.silence()
    ledger = stage.books.ledger
    deadline_s = now_s() + DRAIN_S
    while not ledger.is_settled and now_s() < deadline_s:
        gevent.sleep(POLL_S)
    balance = ledger.balance()
    print(msgspec.json.encode(balance).decode(), file=sys.stderr)
    if balance.lost or balance.duplicated or balance.reordered or balance.gaps or balance.deaf:
        environment.process_exit_code = ExitCode.MISSED


for hook, listener in (
    (events.init_command_line_parser, add_options),
    (events.init, prepare),
    (events.quitting, settle),
):
    hook.add_listener(listener)  # type: ignore[no-untyped-call]  # Locust's hooks take anything
