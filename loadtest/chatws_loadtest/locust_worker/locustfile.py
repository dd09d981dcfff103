"""Locustfile that runs the same users under the ``locust`` command, with its web page, master and workers.

Example: ``locust -f locustfile.py --host http://127.0.0.1:3000 --jwt-secret-file secret -u 100 -r 100``. Users start
sending when both users of a pair have joined the room. After each test the combined ledger of all workers is printed; a
delivery failure makes the exit code 99.
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
from chatws.client.gevent.transport_choice import TransportChoice
from chatws.client.mapping import GUIDE_MAPPING, MappingError, read_mapping
from chatws.exit_codes import ExitCode
from chatws_loadtest.credentials import CredentialsMissing, start_sessions_now
from chatws_loadtest.ipc import RoomAssignment, WorkerPlan, Workload
from chatws_loadtest.ledger import Balance, Ledger
from chatws_loadtest.load_state import PAIR, now_s
from chatws_loadtest.locust_worker import capacity_shape
from chatws_loadtest.locust_worker.locust_chatlog import (
    ChatlogRefused,
    add_chatlog_options,
    begin_chatlog,
    find_part,
    merge_parts,
)

# Locust runs every user class that it finds in this module.
from chatws_loadtest.locust_worker.locust_user import NewestFirstGroup, ScheduledLocustUser, report_to_locust
from chatws_loadtest.locust_worker.self_stats import discard_stats
from chatws_loadtest.locust_worker.user_pool import POLL_S, UserPool
from chatws_loadtest.mapping_limits import compared_fields
from chatws_loadtest.options import find_credentials
from chatws_loadtest.scenario_file.errors import ScenarioFileError
from chatws_loadtest.scenario_file.load_profile import LoadProfile, profile_of
from chatws_loadtest.scenario_file.reader import read_script
from chatws_loadtest.thresholds import ThresholdError, combine, default_thresholds, parse_threshold

if TYPE_CHECKING:
    from argparse import Namespace

    from locust.rpc import Message
    from locust.runners import Runner

RUN_TAG: Final = "lt"
"""Prefix that the tags of all workers share, on this and other machines."""

LOWEST_RATE: Final = 0.01
HIGHEST_RATE: Final = 100.0
DEFAULT_RATE: Final = 1.0
FINISH: Final = "chatws_finish"
"""Type of the message by which the master ends a test on its workers."""

BALANCE: Final = "chatws_balance"
"""Type of the reply, which holds the worker's balance."""

COLLECT_S: Final = 30.0
"""The master waits this long for the replies; Locust itself waits half a second at the end of a test."""

MOST_STORED: Final = 1_000
"""Latest acked messages of a room, by which a second copy is recognized; a test may run for days."""

COLLECT_MISSING_S: Final = 10.0
"""The master waits this long for workers whose heartbeats it misses: they are busy, or have been killed."""

_log = logging.getLogger("chatws_loadtest")
_balances: dict[str, Balance] = {}
"""Balance of each worker, in the master."""


def add_options(parser: LocustArgumentParser) -> None:
    """Add our options to those of Locust."""
    parser.add_argument("--jwt-secret-file", default="", help="Key that agents' tokens are signed with (HS256).")
    parser.add_argument("--tokens", default="", help="File of agents' tokens, one per line.")
    parser.add_argument("--sessions", default="", help="File of customers: SESSION [CONVERSATION] per line.")
    parser.add_argument("--ca-file", default="", help="Certificates to trust instead of the system's.")
    parser.add_argument(
        "--transport", choices=[*TransportChoice], default=TransportChoice.WEBSOCKET, help="Transport of the users."
    )
    add_chatlog_options(parser)
    parser.add_argument("--mapping", default="", help="Names of another server's events (TOML).")
    # Not `--profile`, which is an option of Locust.
    parser.add_argument(
        "--load-profile", type=_profile, default="", help="Scenario file (YAML) that gives the users' habits."
    )
    parser.add_argument("--seats", type=int, default=500, help="Maximum number of users of one process.")
    scenarios = ["steady", capacity_shape.SCENARIO]
    parser.add_argument("--scenario", choices=scenarios, default=scenarios[0], help="Load of the test.")
    parser.add_argument("--step-seconds", type=float, default=8.0, help="Seconds measured in each step of capacity.")
    parser.add_argument(
        "--target", type=_target, action="append", default=[], help="Additional threshold of the steps."
    )
    parser.add_argument(
        "--message-rate", type=_rate, help="Messages per second of each user; default: as the profile, or 1."
    )


def prepare_runner(environment: Environment, runner: Runner | None, **_: object) -> None:
    """Choose the load shape, and register the messages between the master and its workers."""
    options = environment.parsed_options
    shape = None
    if options is not None and options.scenario == capacity_shape.SCENARIO and not isinstance(runner, WorkerRunner):
        thresholds = combine(default_thresholds(), map(parse_threshold, options.target))
        rate = _message_rate(options, _read_profile(options))
        shape = capacity_shape.CapacityShape(thresholds, rate, options.step_seconds, options.seats)
        shape.runner = runner
        environment.shape_class = shape
    if options is not None:
        capacity_shape.register_reports(options, shape)
    if runner is not None and not isinstance(runner, MasterRunner):
        runner.user_greenlets = NewestFirstGroup()
    if isinstance(runner, MasterRunner):
        runner.register_message(BALANCE, store_balance)
    elif isinstance(runner, WorkerRunner):
        runner.register_message(FINISH, end_test, concurrent=True)


def start_test(environment: Environment, **_: object) -> None:
    """Create the pool of this process's users; without credentials or a resolvable host, end the test."""
    _balances.clear()
    options = environment.parsed_options
    if environment.process_exit_code is None and not isinstance(environment.runner, WorkerRunner):
        # A test may end before the first message; `judge` clears the code otherwise.
        environment.process_exit_code = ExitCode.INVALID_RUN
    if options is None:
        return
    url = _url_of(environment)
    ca_file = Path(options.ca_file) if options.ca_file else None
    try:
        if not isinstance(environment.runner, WorkerRunner):
            begin_chatlog(options, environment.runner, url)
        if isinstance(environment.runner, MasterRunner):
            return
        endpoint = resolve_endpoint(url, ca_file)
        pool = UserPool(_plan(environment, url, ca_file, options), Ledger(most_stored=MOST_STORED), endpoint)
    except (CredentialsMissing, CannotConnect, MappingError, ScenarioFileError, ChatlogRefused) as problem:
        _log.error("%s", problem)
        ScheduledLocustUser.pool = None
        environment.process_exit_code = ExitCode.USAGE
        if environment.runner is not None:
            gevent.spawn(environment.runner.quit)
        return
    ScheduledLocustUser.pool = pool
    report_to_locust(environment, pool, has_listeners=True)
    if options.scenario != capacity_shape.SCENARIO:
        gevent.spawn(discard_stats, pool, lambda: ScheduledLocustUser.pool is pool)
    pool.start_sending(now_s())


def end_test(environment: Environment, **_: object) -> None:
    """Stop sending, wait for the messages in flight, and report or judge the balance."""
    runner, pool = environment.runner, ScheduledLocustUser.pool
    if isinstance(runner, MasterRunner):
        is_complete = collect_balances(runner)
        _merge_chatlog(environment)
        judge(environment, sum(_balances.values(), Balance()), is_complete=is_complete)
    elif pool is not None:
        balance = _drain(pool)
        if pool.shared.recorder is not None:
            pool.shared.recorder.close()
        if isinstance(runner, WorkerRunner):
            runner.send_message(BALANCE, msgspec.to_builtins(balance))
        else:
            _merge_chatlog(environment)
            judge(environment, balance, is_complete=True)


def collect_balances(runner: MasterRunner) -> bool:
    """End the test on the workers, wait for their balances, and return whether all of them arrived."""
    clients = runner.clients
    workers = {client.id for client in (*clients.spawning, *clients.running, *clients.missing)}
    runner.send_message(FINISH)
    started_s = now_s()
    while waiting := workers - _balances.keys():
        are_missing = waiting <= {client.id for client in clients.missing}
        if now_s() - started_s > (COLLECT_MISSING_S if are_missing else COLLECT_S):
            _log.error("%d of %d workers sent no ledger", len(waiting), len(workers))
            return False
        gevent.sleep(POLL_S)
    return True


def store_balance(msg: Message, **_: object) -> None:
    """Store a worker's balance."""
    _balances[msg.node_id] = msgspec.convert(msg.data, Balance)


def judge(environment: Environment, balance: Balance, *, is_complete: bool) -> None:
    """Print the balance of all processes, and set Locust's exit code; an incomplete one makes the test invalid."""
    if not balance.sent:
        _log.error("no message was sent: a room needs two users; see the errors above and in the workers' logs")
        return
    _log.info("ledger: %s", msgspec.json.encode(balance).decode())
    if balance.has_delivery_failures:
        environment.process_exit_code = ExitCode.TARGET_MISSED
    elif is_complete and environment.process_exit_code == ExitCode.INVALID_RUN:
        environment.process_exit_code = None


def quit_runner(environment: Environment, **_: object) -> None:
    """End a test that still runs, for example after Ctrl-C."""
    if environment.runner is not None:
        environment.runner.quit()


def _url_of(environment: Environment) -> str:
    options = environment.parsed_options
    return environment.host or (options and options.host) or "http://127.0.0.1:3000"


def _merge_chatlog(environment: Environment) -> None:
    options = environment.parsed_options
    is_complete = options is None or merge_parts(options, _url_of(environment))
    if not is_complete and environment.process_exit_code in {None, ExitCode.INVALID_RUN}:
        environment.process_exit_code = ExitCode.FAILED


def _drain(pool: UserPool) -> Balance:
    pool.stop_sending()
    ledger = pool.shared.ledger
    deadline_s = now_s() + ScheduledLocustUser.drain_s
    while not ledger.is_settled and now_s() < deadline_s:
        gevent.sleep(POLL_S)
    return ledger.balance()


def _rate(text: str) -> float:
    with suppress(ValueError):
        if LOWEST_RATE <= float(text) <= HIGHEST_RATE:
            return float(text)
    raise ArgumentTypeError(f"{text!r} is not between {LOWEST_RATE} and {HIGHEST_RATE:.0f}")


def _target(text: str) -> str:
    try:
        parse_threshold(text)
    except ThresholdError as problem:
        raise ArgumentTypeError(str(problem)) from problem
    return text


def _profile(text: str) -> str:
    """Check a profile; its name remains the option's value, which a master sends to its workers."""
    try:
        stages = text and _parse_profile(text).stages
    except ScenarioFileError as problem:
        raise ArgumentTypeError(str(problem)) from problem
    if stages:
        raise ArgumentTypeError(f"{text} has stages, which only chatws loadtest runs; -u and -r set the users here")
    return text


def _read_profile(options: Namespace) -> LoadProfile | None:
    return _parse_profile(options.load_profile) if options.load_profile else None


def _parse_profile(file: str) -> LoadProfile:
    return profile_of(read_script(Path(file)), Path(file).name)


def _message_rate(options: Namespace, profile: LoadProfile | None) -> float:
    return float(options.message_rate or (profile and profile.rate) or DEFAULT_RATE)


def _plan(environment: Environment, url: str, ca_file: Path | None, options: Namespace) -> WorkerPlan:
    files = (Path(name) if name else None for name in (options.jwt_secret_file, options.tokens, options.sessions))
    credentials = find_credentials(*files)
    profile = _read_profile(options)
    members = PAIR if profile is None else profile.room_size
    rooms = max(1, min(options.seats, options.num_users or options.seats) // members)
    first = max(0, getattr(environment.runner, "worker_index", 0)) * rooms
    customers = list(credentials.sessions[first : first + rooms])
    if credentials.sessions and not customers:
        raise CredentialsMissing(
            f"there are {len(credentials.sessions)} sessions; this process needs those from {first} on"
        )
    customers = customers or start_sessions_now(url, rooms, ca_file)
    mapping = read_mapping(Path(options.mapping)) if options.mapping else GUIDE_MAPPING
    agents = credentials.agents(len(customers) * (members - 1))
    workload = Workload() if profile is None else profile.workload
    chatlog, processes = find_part(options, environment.runner, url)
    return WorkerPlan(
        url=url,
        ca_file=options.ca_file or None,
        rooms=[
            RoomAssignment(
                customer.conversation_id,
                [{"sessionId": customer.session_id}, *({"token": token} for token in islice(agents, members - 1))],
            )
            for customer in customers
        ],
        workload=msgspec.structs.replace(workload, rate=_message_rate(options, profile)),
        tag=credentials.tag,
        run_tag=RUN_TAG,
        processes=processes,
        chatlog=chatlog,
        connects_per_s=1_000.0,
        transport=TransportChoice(options.transport),
        mapping=mapping,
        compared=compared_fields(mapping),
    )


for hook, listener in (
    (events.init_command_line_parser, add_options),
    (events.init, prepare_runner),
    (events.test_start, start_test),
    (events.test_stopping, end_test),
    (events.quitting, quit_runner),
):
    hook.add_listener(listener)  # type: ignore[no-untyped-call]  # Locust's hooks are not typed
