"""Handler of the list of agents, to whom a conversation can be transferred."""

from __future__ import annotations

from chatws.protocol.commands import Nothing
from chatws.protocol.entities import AgentPresence
from chatws.protocol.responses import AgentList
from chatws.server.requests.context import RequestContext
from chatws.server.services import Services


async def list_agents(services: Services, context: RequestContext, payload: Nothing) -> AgentList:
    """Return the agents who are not offline, on all servers."""
    await services.presence.look_up_agents()
    known = services.presence.users
    users = [known[user_id].user for user_id in services.presence.agents()]
    found = await services.presence.of_all([user.user_id for user in users])
    status_by_id = {presence.user_id: presence.status for presence in found}
    agents = [AgentPresence(user=user, status=status_by_id[user.user_id]) for user in users]
    return AgentList(agents=sorted(agents, key=lambda agent: (agent.user.user_name, agent.user.user_id)))
