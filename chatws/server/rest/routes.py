"""What stands behind every operation that only REST has: one rule and one handler each."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from chatws.server.requests import policy
from chatws.server.requests.pipeline import Route
from chatws.server.rest import bot, conversations, login, sessions, users

ROUTES: Mapping[str, Route] = MappingProxyType(
    {
        "login": Route(login.may_try, login.login),
        "refresh": Route(login.may_renew, login.refresh),
        "logout": Route(policy.anyone, login.logout),
        "start_session": Route(sessions.may_start, sessions.start_session),
        "current_session": Route(policy.anyone, sessions.current_session),
        "list_conversations": Route(policy.anyone, conversations.list_conversations),
        "start_conversation": Route(conversations.may_start, conversations.start_conversation),
        "get_conversation": Route(policy.member, conversations.get_conversation),
        "load_messages": Route(conversations.may_load, conversations.load_messages),
        "ask_bot": Route(bot.may_ask, bot.ask_bot),
        "notify_user": Route(users.may_notify, users.notify_user),
    }
)
"""Every row of the table of REST's own requests; a test keeps them equal."""
