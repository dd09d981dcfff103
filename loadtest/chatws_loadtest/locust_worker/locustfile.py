"""For ``locust -f``: the same users under Locust's own command, with its web page, its master and its workers.

Example: ``locust -f locustfile.py --host http://127.0.0.1:3000 --jwt-secret-file secret -u 100 -r 100``. Everybody
talks as soon as both are in a room. After each test the account is printed; a delivery fault makes the exit code 99.
"""

from __future__ import annotations

import logging
from argparse import ArgumentTypeError
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final

import gevent
import msgspec
from locust import events
from locust.argument_parser import LocustArgumentParser
from locust.env import Environment
from locust.runners import MasterRunner, WorkerRunner

from chatws.client.errors import CannotConnect
from chatws.client.gevent.endpoint import resolve_endpoint
from chatws_loadtest.credentials import CredentialsMissing, start_sessions_now
from chatws_loadtest.errors import ExitCode
from chatws_loadtest.ipc import Habits, RoomAssignment, WorkerPlan
from chatws_loadtest.ledger import Balance, Ledger
from chatws_loadtest.locust_worker import locust_user
from chatws_loadtest.locust_worker.chat_user import now_s
from chatws_loadtest.locust_worker.user_pool import POLL_S, UserPool
from chatws_loadtest.options import find_credentials

if TYPE_CHECKING:
    from argparse import Namespace

    from locust.rpc import Message
    from locust.runners import Runner

DRAIN_S: Final = 5.0
LOWEST_RATE: Final = 0.01
HIGHEST_RATE: Final = 100.0
FINISH: Final = "chatws_finish"
"""The master's word to its workers that a test is over."""

ACCOUNT: Final = "chatws_account"
"""A worker's answer."""

COLLECT_S: Final = 30.0
"""How long the master waits for it; Locust's own end of a test waits half a second for anything from its workers."""

_log = logging.getLogger("chatws_loadtest")
_accounts: dict[str, Balance] = {}
"""The account of each worker, in the master."""


class SocketIOChatUser(locust_user.ScheduledLocustUser):
    """A user that Locust may stop at any time."""

    def on_stop(self) -> None:
        """Leave so that nobody waits for this user any more."""
        if self.stage is not None and self.turn is not None:
            self.stage.leave(self.turn, DRAIN_S)


def add_options(parser: LocustArgumentParser) -> None:
    """Add what Locust does not know."""
    parser.add_argument("--jwt-secret-file", default="", help="Key that agents' tokens are signed with (HS256).")
    parser.add_argument("--tokens", default="", help="File of agents' tokens, one per line.")
    parser.add_argument("--sessions", default="", help="File of customers: SESSION [CONVERSATION] per line.")
    parser.add_argument("--ca-file", default="", help="Certificates to trust instead of the system's.")
    parser.add_argument("--seats", type=int, default=500, help="Most users of one process.")
    parser.add_argument("--message-rate", type=_rate, default=1.0, help="Messages per second of each user.")


def connect(runner: Runner | None, **_: object) -> None:
    """Let the master and its workers understand each other."""
    if isinstance(runner, MasterRunner):
        runner.register_message(ACCOUNT, note_account)
    elif isinstance(runner, WorkerRunner):
        runner.register_message(FINISH, end, concurrent=True)


def begin(environment: Environment, **_: object) -> None:
    """Find the people, and set the stage for the users of this process; a test that lacks them ends."""
    _accounts.clear()
    options = environment.parsed_options
    if environment.process_exit_code is None and not isinstance(environment.runner, WorkerRunner):
        # Until an account says otherwise; a test may be over before anybody has spoken.
        environment.process_exit_code = ExitCode.INVALID_RUN
    if isinstance(environment.runner, MasterRunner) or options is None:
        return
    url = environment.host or options.host or "http://127.0.0.1:3000"
    ca_file = Path(options.ca_file) if options.ca_file else None
    try:
        address = resolve_endpoint(url, ca_file)
        locust_user.ScheduledLocustUser.stage = UserPool(_plan(environment, url, ca_file, options), Ledger(), address)
        locust_user.show(environment, locust_user.ScheduledLocustUser.stage)
    except (CredentialsMissing, CannotConnect) as problem:
        _log.error("%s", problem)
        locust_user.ScheduledLocustUser.stage = None
        environment.process_exit_code = ExitCode.USAGE
        if environment.runner is not None:
            gevent.spawn(environment.runner.quit)
        return
    locust_user.ScheduledLocustUser.stage.go(now_s())


def end(environment: Environment, **_: object) -> None:
    """Let nobody say anything more, wait for what is on its way, and draw the balance."""
    runner, stage = environment.runner, locust_user.ScheduledLocustUser.stage
    if isinstance(runner, MasterRunner):
        judge(environment, _collect(runner))
    elif stage is not None:
        balance = _draw(stage)
        if isinstance(runner, WorkerRunner):
            runner.send_message(ACCOUNT, msgspec.to_builtins(balance))
        else:
            judge(environment, balance)


def note_account(msg: Message, **_: object) -> None:
    """Keep a worker's account."""
    _accounts[msg.node_id] = msgspec.convert(msg.data, Balance)


def judge(environment: Environment, balance: Balance) -> None:
    """Print the account of all processes; Locust's exit code tells of a fault, and of a test in which nobody spoke."""
    if not balance.sent:
        _log.error("nobody has said anything: it takes two users, and what is wrong may be above or in a worker's log")
        return
    _log.info("account: %s", msgspec.json.encode(balance).decode())
    if balance.lost or balance.duplicated or balance.reordered or balance.gaps or balance.deaf:
        environment.process_exit_code = ExitCode.TARGET_MISSED
    elif environment.process_exit_code == ExitCode.INVALID_RUN:
        environment.process_exit_code = None


def finish(environment: Environment, **_: object) -> None:
    """End a test that still runs, as after Ctrl-C."""
    if environment.runner is not None:
        environment.runner.quit()


def _draw(stage: UserPool) -> Balance:
    stage.silence()
    ledger = stage.books.ledger
    deadline_s = now_s() + DRAIN_S
    while not ledger.is_settled and now_s() < deadline_s:
        gevent.sleep(POLL_S)
    return ledger.balance()


def _collect(runner: MasterRunner) -> Balance:
    """Have the workers finish, and add up their accounts."""
    clients = runner.clients
    workers = {client.id for client in (*clients.spawning, *clients.running)}
    runner.send_message(FINISH)
    deadline_s = now_s() + COLLECT_S
    while waiting := workers - _accounts.keys() - {client.id for client in clients.missing}:
        if now_s() > deadline_s:
            _log.warning("%d of %d workers gave no account", len(waiting), len(workers))
            break
        gevent.sleep(POLL_S)
    return sum(_accounts.values(), Balance())


def _rate(text: str) -> float:
    with suppress(ValueError):
        if LOWEST_RATE <= float(text) <= HIGHEST_RATE:
            return float(text)
    raise ArgumentTypeError(f"{text!r} is not between {LOWEST_RATE} and {HIGHEST_RATE:.0f}")


def _plan(environment: Environment, url: str, ca_file: Path | None, options: Namespace) -> WorkerPlan:
    files = (Path(name) if name else None for name in (options.jwt_secret_file, options.tokens, options.sessions))
    credentials = find_credentials(*files)
    pairs = max(1, min(options.seats, options.num_users or options.seats) // 2)
    first = max(0, getattr(environment.runner, "worker_index", 0)) * pairs
    customers = list(credentials.sessions[first : first + pairs])
    if credentials.sessions and not customers:
        raise CredentialsMissing(
            f"there are {len(credentials.sessions)} sessions; this process needs those from {first} on"
        )
    customers = customers or start_sessions_now(url, pairs, ca_file)
    agents = islice(credentials.agents(len(customers)), len(customers))
    return WorkerPlan(
        url=url,
        ca_file=options.ca_file or None,
        rooms=[
            RoomAssignment(customer.conversation_id, [{"sessionId": customer.session_id}, {"token": token}])
            for customer, token in zip(customers, agents, strict=True)
        ],
        habits=Habits(rate=options.message_rate),
        tag=credentials.tag,
        connects_per_s=1_000.0,
    )


for hook, listener in (
    (events.init_command_line_parser, add_options),
    (events.init, connect),
    (events.test_start, begin),
    (events.test_stopping, end),
    (events.quitting, finish),
):
    hook.add_listener(listener)  # type: ignore[no-untyped-call]  # Locust's hooks take anything
