"""Routes of the operations that exist only over REST: a handler and an optional policy each."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from chatws.server.requests import policy
from chatws.server.requests.pipeline import Route
from chatws.server.rest import bot, conversations, login, operator, sessions, users

ROUTES: Mapping[str, Route] = MappingProxyType(
    {
        "login": Route(login.login),
        "refresh": Route(login.refresh, login.may_renew),
        "logout": Route(login.logout),
        "start_session": Route(sessions.start_session, sessions.may_start),
        "current_session": Route(sessions.current_session),
        "set_email": Route(sessions.set_email, sessions.may_set_email),
        "list_conversations": Route(conversations.list_conversations),
        "start_conversation": Route(conversations.start_conversation, conversations.may_start),
        "get_conversation": Route(conversations.get_conversation, policy.member),
        "load_messages": Route(conversations.load_messages, conversations.may_load),
        "ask_bot": Route(bot.ask_bot, bot.may_ask),
        "notify_user": Route(users.notify_user),
        "list_connections": Route(operator.list_connections, operator.may_operate),
        "kick": Route(operator.kick, operator.may_operate),
        "trace": Route(operator.begin_trace, operator.may_operate),
        "count_connections": Route(users.count_connections),
    }
)
"""Routes by command name; a test compares the names with `REST_COMMANDS`."""
