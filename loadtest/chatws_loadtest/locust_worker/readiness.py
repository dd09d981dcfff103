"""Wait for the users of a load process to join their rooms, and the reasons of those that cannot."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

import gevent

from chatws.client.errors import ClientError, RequestRefused
from chatws_loadtest.ipc import CONNECT_TIMEOUT_S, WorkerReady
from chatws_loadtest.load_state import now_s

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from chatws_loadtest.locust_worker.chat_user import ChatUser
    from chatws_loadtest.locust_worker.user_pool import UserPool

POLL_S: Final = 0.05
STALLED_S: Final = 3.0
"""Time without another user that joins, after which users with enough failed attempts are given up."""

ATTEMPTS: Final = 3


def wait_until_ready(pool: UserPool, users: int, list_users: Callable[[], Sequence[ChatUser]]) -> WorkerReady:
    """Wait until each user has joined its room or cannot, and disconnect those that have not.

    A server that refuses some users may do so at every attempt; the others are not kept waiting for long.
    """
    begun_s = progress_s = now_s()
    deadline_s = begun_s + users / pool.shared.plan.connects_per_s + CONNECT_TIMEOUT_S
    joined = 0
    while now_s() < deadline_s:
        created = list_users()
        waiting = [user for user in created if not (user.joined.ready() or user.joins_later)]
        if len(created) >= users and not waiting:
            break
        if len(created) - len(waiting) != joined:
            joined, progress_s = len(created) - len(waiting), now_s()
        is_stalled = len(created) >= users and now_s() > progress_s + STALLED_S
        if is_stalled and all(user.failed_attempts >= ATTEMPTS for user in waiting):
            break
        gevent.sleep(POLL_S)
    return _report(pool, list_users())


def _report(pool: UserPool, users: Sequence[ChatUser]) -> WorkerReady:
    refusals: Counter[str] = Counter()
    code: str | None = None
    # Whether users were refused, by whether they are agents.
    kinds: dict[bool, set[bool]] = {True: set(), False: set()}
    for user in users:
        problem = _problem_of(user)
        kinds[user.is_agent].add(isinstance(problem, RequestRefused))
        if problem is None:
            continue
        refusals[str(problem) or "not connected"] += 1
        if isinstance(problem, RequestRefused):
            code = problem.code
        user.give_up()
    return WorkerReady(
        guide_only=any(user.is_guide_only for user in users),
        connected=len(users) - refusals.total(),
        complete_rooms=sum(room.has_all_members for room in pool.shared.rooms),
        refusals=dict(refusals),
        code=code,
        refuses_kind=kinds in ({True: {True}, False: {False}}, {True: {False}, False: {True}}),
    )


def _problem_of(user: ChatUser) -> ClientError | str | None:
    """Return the reason why a user has not joined; None if it has, or joins later."""
    if user.joins_later:
        return None
    if not user.joined.ready():
        return user.connect_error or ("no reply to the join" if user.is_up else "no answer in time")
    problem: ClientError | None = user.joined.get()
    return problem
